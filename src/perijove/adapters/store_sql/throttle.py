"""Failed attempts, counted."""

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, delete, select

from perijove.adapters.store_sql.link import Link
from perijove.adapters.store_sql.rows import from_us, to_us
from perijove.adapters.store_sql.schema import THROTTLE
from perijove.adapters.store_sql.statement import Speech, Statement, equals
from perijove.ports.store.credentials import Attempts

_COLUMNS = (THROTTLE.c.failures, THROTTLE.c.first_at, THROTTLE.c.last_at)


def _fail(speech: Speech) -> Any:
    anew = THROTTLE.c.first_at < bindparam("window_start", type_=THROTTLE.c.first_at.type)
    return speech.upsert_values(
        THROTTLE,
        "key",
        "failures",
        "first_at",
        "last_at",
        keys=("key",),
        update={
            "failures": case((anew, 1), else_=THROTTLE.c.failures + 1),
            "first_at": case((anew, bindparam("first_at")), else_=THROTTLE.c.first_at),
            "last_at": bindparam("last_at"),
        },
    ).returning(*_COLUMNS)


_GET = Statement(select(*_COLUMNS).where(equals(THROTTLE.c.key, "name")))
_FAIL = Statement(_fail)
_CLEAR = Statement(delete(THROTTLE).where(equals(THROTTLE.c.key, "name")))
_PURGE = Statement(delete(THROTTLE).where(THROTTLE.c.last_at < bindparam("before")))


class SqlThrottle:
    """Implements ports.store.Throttle."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def get(self, key: str) -> Attempts | None:
        row = self._link.row(_GET, name=key)
        return None if row is None else Attempts(row[0], from_us(row[1]), from_us(row[2]))

    def fail(self, key: str, now: datetime, window_start: datetime) -> Attempts:
        moment = to_us(now)
        row = self._link.returned(_FAIL, key=key, failures=1, first_at=moment, last_at=moment, window_start=to_us(window_start))[0]
        return Attempts(row[0], from_us(row[1]), from_us(row[2]))

    def clear(self, key: str) -> None:
        self._link.run(_CLEAR, name=key)

    def purge(self, before: datetime) -> int:
        return self._link.run(_PURGE, before=to_us(before))
