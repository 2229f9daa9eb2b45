"""PostgreSQL: each transaction READ COMMITTED with row locks where a change reads before it writes; reads REPEATABLE READ."""

import os
import socket
import threading
from contextlib import suppress
from typing import Any, Final
from zlib import crc32

import msgspec
import psycopg
from psycopg import errors, pq
from psycopg.conninfo import make_conninfo
from psycopg.types.numeric import Int8Dumper

from perijove.adapters.store_sql.circuit import Circuit
from perijove.adapters.store_sql.link import Link, Row, TransactionLostError
from perijove.adapters.store_sql.rows import to_us
from perijove.adapters.store_sql.statement import POSTGRES, Statement
from perijove.domain.change import Notice
from perijove.domain.errors import BadInputError, ConflictError
from perijove.ports.clock import Clock

_SERIALISED: Final = 1886546539
"""First half of the keys of our advisory locks by name; `announce()` has the number before."""
_LIMITS: Final = ("lock_timeout = '5s'", "idle_in_transaction_session_timeout = '30s'", "statement_timeout = '60s'")
_PREPARED: Final = 512
_KNOWS_STANDBYS: Final = pq.version() >= 140000
"""Whether the driver's library can pass by a standby, which would answer with what was true a while ago."""
_CONTENDED: Final = (errors.DeadlockDetected, errors.SerializationFailure, errors.LockNotAvailable)
_TRY_AGAIN: Final = (
    *_CONTENDED,
    errors.ReadOnlySqlTransaction,  # connected to a standby, or to what has just become one
)
_TROUBLE: Final = (errors.InsufficientResources, errors.OperatorIntervention, errors.SystemError)
_ADMINISTRATOR: Final = "An administrator should look whether it runs and can be reached; the hub connects again by itself."
_encode = msgspec.json.Encoder().encode
_CAUGHT: Final = (psycopg.Error, UnicodeEncodeError)


def connect(conninfo: str, *, pooled: bool = False) -> psycopg.Connection[Row]:
    """As all of ours do: autocommit (we say BEGIN), every integer a bigint, dead peers noticed. `pooled`: through a pooler that gives
    each transaction another session, so nothing may be kept in one."""
    connection = dial(conninfo)
    _settle(connection, pooled=pooled)
    return connection


def dial(conninfo: str, timeout_s: int = 5) -> psycopg.Connection[Row]:
    """A connection that nothing was said over yet, to a server that is no standby. Raises psycopg.Error."""
    return psycopg.connect(
        past_standbys(conninfo),
        autocommit=True,
        connect_timeout=timeout_s,
        application_name="perijove",
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=20_000,
    )


def past_standbys(conninfo: str) -> str:
    """The same, but for servers that take changes only, unless it says itself which it wants."""
    if not _KNOWS_STANDBYS or "target_session_attrs" in conninfo:
        return conninfo
    return make_conninfo(conninfo, target_session_attrs="primary")


def _settle(connection: psycopg.Connection[Row], *, pooled: bool) -> None:
    connection.adapters.register_dumper(int, Int8Dumper)  # one prepared statement, whatever the number's size
    if pooled:
        connection.prepare_threshold = None
    else:
        connection.prepared_max = _PREPARED
        connection.execute("; ".join(f"SET {limit}" for limit in _LIMITS))


class PostgresLink(Link):
    speech = POSTGRES

    def __init__(self, conninfo: str, clock: Clock, *, writable: bool, pooled: bool = False, circuit: Circuit | None = None) -> None:
        super().__init__(clock, writable=writable)
        self._conninfo = conninfo
        self._circuit = circuit
        self._outages = 0
        self._guard = threading.Lock()
        self._inode = 0
        """Of the connection's socket: tells it from one that got the same number later."""
        self._pooled = pooled
        self._connection: psycopg.Connection[Row] | None = None
        self._cursor: psycopg.Cursor[Row]
        self._begin: str = "BEGIN ISOLATION LEVEL READ COMMITTED" if writable else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        if pooled:
            self._begin = "; ".join((self._begin, *(f"SET LOCAL {limit}" for limit in _LIMITS)))
        self._committing = False

    def open(self) -> None:
        outages = 0
        if self._circuit is not None:
            if self._circuit.away is not None:
                raise TransactionLostError(f"The database does not answer: {self._circuit.away}.", _ADMINISTRATOR)
            outages = self._circuit.outages
        if self._connection is not None:
            if self._outages == outages:
                return
            self.close()
        self._outages = outages
        try:
            connection = dial(self._conninfo)
            with self._guard:
                self._connection, self._inode = connection, os.fstat(connection.fileno()).st_ino
            _settle(connection, pooled=self._pooled)  # from here on it can be cut
            self._cursor = connection.cursor()
        except psycopg.Error as error:
            self.close()
            self._doubt()
            raise TransactionLostError(f"The database does not answer: {reason(error)}.", _ADMINISTRATOR) from error

    def close(self) -> None:
        with self._guard:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def cut(self) -> None:
        """From another thread: whatever is waited for here ends with an error."""
        with self._guard, suppress(OSError, psycopg.Error):
            if self._connection is None:
                return
            with socket.socket(fileno=os.dup(self._connection.fileno())) as line:
                if os.fstat(line.fileno()).st_ino == self._inode:
                    line.shutdown(socket.SHUT_RDWR)

    def _doubt(self) -> None:
        if self._circuit is not None:
            self._circuit.doubt()

    def rows(self, statement: Statement, /, **given: Any) -> list[Row]:
        sql, bind = statement.on(POSTGRES)
        try:
            return self._cursor.execute(sql, bind(given)).fetchall()
        except _CAUGHT as error:
            raise self._translated(error) from error

    def run(self, statement: Statement, /, **given: Any) -> int:
        self.must_write()
        sql, bind = statement.on(POSTGRES)
        try:
            touched = self._cursor.execute(sql, bind(given)).rowcount
        except _CAUGHT as error:
            raise self._translated(error) from error
        if touched:
            self.changed = True
        return touched

    def announced(self) -> int:
        """Numbers the drafts now. Whoever announces meanwhile waits for our commit: so let it come soon."""
        if self.drafts:
            revision = self._control("SELECT announce(%s::json)", (self._document(),))[0][0]
            self._revision = int(revision)
            self.drafts = []
            self.changed = self.hurried = True
        return self._revision

    def serialise(self, name: str) -> None:
        number = crc32(name.encode())
        self._control("SELECT pg_advisory_xact_lock(%s::int, %s::int)", (_SERIALISED, number - (1 << 32) if number >> 31 else number))

    def begin(self) -> None:
        self._reset()
        self._control(self._begin)

    def commit(self) -> list[Notice]:
        """Tells nobody: the listener does, also of what other replicas did."""
        self._committing = True
        try:
            if self.drafts:
                # One message, so that the lock under which revisions are given is held for no round trip of ours.
                with psycopg.ClientCursor(self.opened) as cursor:
                    cursor.execute("SELECT announce(%s::json); COMMIT", (self._document(),))
            else:
                self._cursor.execute("COMMIT")
        except _CAUGHT as error:
            raise self._translated(error) from error
        finally:
            self._committing = False
        self._reset()
        return []

    def rollback(self) -> None:
        self._reset()
        connection = self._connection
        if connection is None:
            return
        if connection.closed:
            self.close()
        elif connection.info.transaction_status is not pq.TransactionStatus.IDLE:
            try:
                self._cursor.execute("ROLLBACK")
            except psycopg.Error:
                self.close()

    def savepoint(self) -> None:
        self._control("SAVEPOINT one")

    def release(self) -> None:
        self._control("RELEASE one")

    def undo(self) -> None:
        self._control("ROLLBACK TO one")
        self._control("RELEASE one")

    @property
    def opened(self) -> psycopg.Connection[Row]:
        """The connection. Raises TransactionLostError while there is none."""
        if self._connection is None:
            raise TransactionLostError("The connection to the database is closed.", _ADMINISTRATOR)
        return self._connection

    def _document(self) -> str:
        return _encode([(draft.topic.value, draft.key, draft.text, to_us(draft.at)) for draft in self.drafts]).decode()

    def _control(self, sql: str, given: tuple[Any, ...] = ()) -> list[Row]:
        try:
            cursor = self._cursor.execute(sql, given)
            return cursor.fetchall() if cursor.description is not None else []
        except _CAUGHT as error:
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> Exception:
        """In words for who can mend it; notes when the transaction cannot go on."""
        self.broken = True
        connection = self._connection
        if connection is None or connection.closed:
            self._doubt()
            final = self._committing
            doubt = " Whether the last change was made is not known." if final else ""
            self.lost = TransactionLostError(f"The database stopped answering: {reason(error)}.{doubt}", _ADMINISTRATOR, final=final)
            return self.lost
        if isinstance(error, (*_TRY_AGAIN, *_TROUBLE)):
            if isinstance(error, errors.ReadOnlySqlTransaction):
                self.close()
            contended = isinstance(error, _CONTENDED)
            self.lost = TransactionLostError(f"The database could not do it: {reason(error)}.", _ADMINISTRATOR, contended=contended)
            return self.lost
        if isinstance(error, psycopg.IntegrityError):
            return ConflictError(
                "The change does not fit what is recorded: something it refers to was deleted, or exists already.", "Reload, and try again."
            )
        if isinstance(error, psycopg.DataError):
            return BadInputError("A number is too large, or a text holds a NUL character.", "Numbers have at most 18 digits.")
        if isinstance(error, UnicodeEncodeError):
            return BadInputError("A text is not valid Unicode.", "It holds half of a surrogate pair.")
        return error


def reason(error: Exception) -> str:
    """libpq's text in one line; it never has the password in it."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
