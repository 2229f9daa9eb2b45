"""What time is it? All replicas ask the database, for their machines may disagree."""

from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Final

import psycopg

from perijove.adapters.store_sql.rows import from_us

_ASK: Final = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_TRIES: Final = 3


def database_time(connection: psycopg.Connection[Any]) -> datetime:
    """The database's time at the moment of returning; the quickest of a few answers counts, for it is the least wrong. Raises psycopg.Error."""
    best: tuple[float, float, int] | None = None
    for _ in range(_TRIES):
        asked = monotonic()
        row = connection.execute(_ASK).fetchone()
        answered = monotonic()
        if row is not None and (best is None or answered - asked < best[0]):
            best = answered - asked, answered, int(row[0])
    if best is None:
        raise psycopg.OperationalError("the database does not tell the time")
    took_s, answered, micros = best
    return from_us(micros) + timedelta(seconds=took_s / 2 + monotonic() - answered)
