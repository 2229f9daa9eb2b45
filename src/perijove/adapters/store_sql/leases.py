"""Which replica does which periodic work."""

from datetime import datetime

from sqlalchemy import bindparam, delete, or_, select, update

from perijove.adapters.store_sql.link import Link
from perijove.adapters.store_sql.rows import to_us
from perijove.adapters.store_sql.schema import LEASES
from perijove.adapters.store_sql.statement import Statement, equals

_ADD = Statement(lambda speech: speech.insert_missing(LEASES, "name", "holder", "until", keys=("name",)).returning(LEASES.c.name))
_TAKE = Statement(
    update(LEASES)
    .where(equals(LEASES.c.name, "key"), or_(equals(LEASES.c.holder, "holder_now"), LEASES.c.until <= bindparam("now")))
    .values(holder=bindparam("holder"), until=bindparam("until"))
)
_HELD = Statement(select(LEASES.c.name, LEASES.c.holder).where(LEASES.c.until > bindparam("now")).order_by(LEASES.c.name))
_RELEASE = Statement(delete(LEASES).where(equals(LEASES.c.name, "key"), equals(LEASES.c.holder, "holder")))


class SqlLeases:
    """Implements ports.store.Leases."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def take(self, name: str, holder: str, now: datetime, until: datetime) -> bool:
        if self._link.run(_TAKE, key=name, holder_now=holder, now=to_us(now), holder=holder, until=to_us(until)):
            return True
        return bool(self._link.returned(_ADD, name=name, holder=holder, until=to_us(until)))

    def held(self, now: datetime) -> dict[str, str]:
        return {str(name): str(holder) for name, holder in self._link.rows(_HELD, now=to_us(now))}

    def release(self, name: str, holder: str) -> None:
        self._link.run(_RELEASE, key=name, holder=holder)
