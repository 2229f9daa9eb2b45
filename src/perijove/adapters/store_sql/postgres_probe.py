"""Ask a PostgreSQL server whether it answers, and never wait long for that."""

import select
from time import monotonic
from typing import Any, Final

import psycopg
from psycopg import pq

from perijove.adapters.store_sql.circuit import AwayError
from perijove.adapters.store_sql.postgres_link import dial, reason

LIMIT_S: Final = 3
"""A healthy server answers within milliseconds, a busy one within tenths of a second."""


class PostgresProbe:
    """Keeps one connection."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connection: psycopg.Connection[Any] | None = None

    def ask(self) -> None:
        began = monotonic()
        try:
            if self._connection is None:
                self._connection = dial(self._conninfo, LIMIT_S)
            _ask(self._connection.pgconn, began + LIMIT_S)
        except psycopg.Error as error:
            self.close()
            silent = isinstance(error, psycopg.errors.ConnectionTimeout) or monotonic() - began >= LIMIT_S
            raise AwayError(reason(error), silent=silent) from None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _ask(connection: pq.abc.PGconn, deadline: float) -> None:
    """By hand, because there is no other way to wait for an answer with a time limit without asking the server to keep it. Raises psycopg.Error."""
    connection.send_query(b"SELECT 1")
    poll = select.poll()  # select() takes no number above 1024, and a busy hub has as many sockets
    poll.register(connection.socket, select.POLLIN)
    while connection.flush() or connection.is_busy():
        if not poll.poll(max(0.0, deadline - monotonic()) * 1000):
            raise psycopg.errors.ConnectionTimeout("no answer in time")
        connection.consume_input()
    while (result := connection.get_result()) is not None:
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise psycopg.OperationalError(connection.get_error_message())
