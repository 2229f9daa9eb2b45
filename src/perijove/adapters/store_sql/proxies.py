"""Which proxies live, and how far each has read."""

from datetime import datetime

from sqlalchemy import bindparam, delete, select

from perijove.adapters.store_sql.link import Link
from perijove.adapters.store_sql.rows import from_us, to_us
from perijove.adapters.store_sql.schema import PROXIES
from perijove.adapters.store_sql.statement import Statement
from perijove.ports.store.shared import ProxySeen

_REPORT = Statement(lambda speech: speech.upsert(PROXIES, "proxy_id", "revision", "seen_at", keys=("proxy_id",), update=("revision", "seen_at")))
_SEEN_SINCE = Statement(
    select(PROXIES.c.proxy_id, PROXIES.c.revision, PROXIES.c.seen_at).where(PROXIES.c.seen_at >= bindparam("moment")).order_by(PROXIES.c.proxy_id)
)
_FORGET_ONE = Statement(delete(PROXIES).where(PROXIES.c.proxy_id == bindparam("proxy_id")))
_FORGET = Statement(delete(PROXIES).where(PROXIES.c.seen_at < bindparam("moment")))


class SqlProxies:
    """Implements ports.store.Proxies."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def report(self, proxy_id: str, revision: int, at: datetime) -> None:
        self._link.run(_REPORT, proxy_id=proxy_id, revision=revision, seen_at=to_us(at))

    def seen_since(self, moment: datetime) -> list[ProxySeen]:
        return [ProxySeen(proxy_id=row[0], revision=row[1], seen_at=from_us(row[2])) for row in self._link.rows(_SEEN_SINCE, moment=to_us(moment))]

    def forget(self, proxy_id: str) -> None:
        self._link.run(_FORGET_ONE, proxy_id=proxy_id)

    def forget_before(self, moment: datetime) -> int:
        return self._link.run(_FORGET, moment=to_us(moment))
