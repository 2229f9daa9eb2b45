"""Which hubs live, as each says of itself."""

from datetime import datetime

from sqlalchemy import bindparam, delete, select

from perijove.adapters.store_sql.link import Link
from perijove.adapters.store_sql.rows import from_us, to_us
from perijove.adapters.store_sql.schema import REPLICAS
from perijove.adapters.store_sql.statement import Statement, equals
from perijove.ports.store.shared import ReplicaSeen

_COLUMNS = ("name", "address", "version", "clock_ahead_ms", "started", "seen_at")
_REPORT = Statement(lambda speech: speech.upsert(REPLICAS, *_COLUMNS, keys=("name",), update=_COLUMNS[1:]))
_SEEN_SINCE = Statement(select(*(REPLICAS.c[name] for name in _COLUMNS)).where(REPLICAS.c.seen_at >= bindparam("moment")).order_by(REPLICAS.c.name))
_FORGET_ONE = Statement(delete(REPLICAS).where(equals(REPLICAS.c.name, "key")))
_FORGET = Statement(delete(REPLICAS).where(REPLICAS.c.seen_at < bindparam("moment")))


class SqlReplicas:
    """Implements ports.store.Replicas."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def report(self, replica: ReplicaSeen) -> None:
        self._link.run(
            _REPORT,
            name=replica.name,
            address=replica.address,
            version=replica.version,
            clock_ahead_ms=round(replica.clock_ahead_s * 1000),
            started=to_us(replica.started),
            seen_at=to_us(replica.seen_at),
        )

    def seen_since(self, moment: datetime) -> list[ReplicaSeen]:
        return [
            ReplicaSeen(name=name, address=address, version=version, clock_ahead_s=ahead / 1000, started=from_us(started), seen_at=from_us(seen))
            for name, address, version, ahead, started, seen in self._link.rows(_SEEN_SINCE, moment=to_us(moment))
        ]

    def forget(self, name: str) -> None:
        self._link.run(_FORGET_ONE, key=name)

    def forget_before(self, moment: datetime) -> int:
        return self._link.run(_FORGET, moment=to_us(moment))
