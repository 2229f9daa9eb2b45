"""SQLite: one writer, any number of readers, a file that only one hub may use."""

import sqlite3
from pathlib import Path
from time import monotonic
from typing import Any, Final

import msgspec
import structlog

from perijove.adapters.store_sql.link import Link, Row, TransactionLostError
from perijove.adapters.store_sql.rows import from_json, from_us, to_us
from perijove.adapters.store_sql.statement import SQLITE, Statement
from perijove.domain.change import Notice, Topic
from perijove.domain.errors import BadInputError, ConflictError
from perijove.ports.clock import Clock

BUSY_TIMEOUT_MS: Final = 4000
_CACHE_KIB: Final = 16384
_STATEMENTS: Final = 512
_CHECKPOINT_PAGES: Final = 16_000
"""When the writer shortens the log itself, if the keeper never finds it at rest."""

_LAST: Final = (
    "SELECT max(coalesce((SELECT max(revision) FROM notices), 0), coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'trimmed'), 0))"
)
_FOREIGN: Final = "SELECT revision, topic, key, data, at FROM notices WHERE revision > ? ORDER BY revision"
_NOTICES: Final = (
    "INSERT INTO notices (revision, topic, key, data, at) SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), "
    "json_extract(value, '$[2]'), json_extract(value, '$[3]'), json_extract(value, '$[4]') FROM json_each(?)"
)
_LOG_BYTES: Final = 16 << 20
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_OUTSIDE: Final = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_READONLY: "the file may not be written",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database",
    sqlite3.SQLITE_PERM: "the file may not be used",
}
_SAY_AGAIN_S: Final = 600.0
"""Seldom, for the log may be on the very disk that is full."""
_log = structlog.get_logger("perijove.store")
_encode = msgspec.json.Encoder().encode


def connect(path: Path, *, durable: bool, writable: bool = True) -> sqlite3.Connection:
    """Open the file as all of ours do: WAL, foreign keys, patient. The caller's thread need not be the one that uses it.

    `durable`: wait for the disk at each commit, so that a power cut loses nothing; otherwise it may lose the last moments
    (keeper.py says how many), never the file's consistency. A process that dies loses nothing either way.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS, timeout=BUSY_TIMEOUT_MS / 1000)
    for pragma in (
        f"synchronous = {'FULL' if durable else 'NORMAL'}",
        "foreign_keys = ON",
        "temp_store = MEMORY",
        f"cache_size = -{_CACHE_KIB}",
        f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
        f"journal_size_limit = {_LOG_BYTES}",
        f"query_only = {'OFF' if writable else 'ON'}",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


class SqliteLink(Link):
    speech = SQLITE

    def __init__(self, path: Path, clock: Clock, *, durable: bool, writable: bool) -> None:
        super().__init__(clock, writable=writable)
        self._path = path
        self._durable = durable
        self._connection: sqlite3.Connection | None = None
        self._cursor: sqlite3.Cursor
        self._begin = "BEGIN IMMEDIATE" if writable else "BEGIN"
        self.seen = 0
        """The newest revision that followers in this process were told of."""
        self._base = 0
        """The newest revision before this transaction."""
        self._foreign: list[Notice] = []
        self._data_version = -1
        self._said = "", 0.0
        """What was last told of in the log, and when."""

    def open(self) -> None:
        if self._connection is not None:
            return
        try:
            self._connection = connect(self._path, durable=self._durable, writable=self.writable)
            self._cursor = self._connection.cursor()
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection, self._data_version = None, -1

    def rows(self, statement: Statement, /, **given: Any) -> list[Row]:
        sql, bind = statement.on(SQLITE)
        try:
            return self._cursor.execute(sql, bind(given)).fetchall()
        except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
            raise self._translated(error) from error

    def run(self, statement: Statement, /, **given: Any) -> int:
        self.must_write()
        sql, bind = statement.on(SQLITE)
        try:
            touched = self._cursor.execute(sql, bind(given)).rowcount
        except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
            raise self._translated(error) from error
        if touched:
            self.changed = True
        return touched

    def announced(self) -> int:
        return self._base + len(self.drafts)

    def serialise(self, name: str) -> None:
        """There is one writer."""

    def begin(self) -> None:
        self._reset()
        self._control(self._begin)
        if self.writable:
            self._base = self._last()
            self._foreign = self._read_foreign() if self._base > self.seen else []

    def commit(self) -> list[Notice]:
        base, foreign = self._base, self._foreign
        notices = [
            Notice(revision=revision, topic=draft.topic, key=draft.key, data=draft.data, at=draft.at)
            for revision, draft in enumerate(self.drafts, base + 1)
        ]
        if notices:
            document = [(n.revision, n.topic.value, n.key, d.text, to_us(n.at)) for n, d in zip(notices, self.drafts, strict=True)]
            self._control(_NOTICES, (_encode(document).decode(),))
        self._control("COMMIT")
        if self.writable:
            self.seen = base + len(notices)
            self._foreign = []
        self._reset()
        return foreign + notices if foreign else notices

    def rollback(self) -> None:
        self._reset()
        self._foreign = []
        if self._connection is None or not self._connection.in_transaction:
            return
        try:
            self._cursor.execute("ROLLBACK")
        except sqlite3.Error:
            self.close()

    def savepoint(self) -> None:
        self._control("SAVEPOINT one")

    def release(self) -> None:
        self._control("RELEASE one")

    def undo(self) -> None:
        self._control("ROLLBACK TO one")
        self._control("RELEASE one")

    def idle(self) -> list[Notice]:
        """What another process (a command beside the hub) committed: on our connection, only its commits move data_version."""
        if not self.writable:
            return []
        self.open()
        version = self._version()
        if version == self._data_version:
            return []
        self._data_version = version
        found = self._read_foreign()
        if found:
            self.seen = found[-1].revision
        return found

    def _version(self) -> int:
        return int(self._control("PRAGMA data_version")[0][0])

    def _last(self) -> int:
        return int(self._control(_LAST)[0][0])

    def _read_foreign(self) -> list[Notice]:
        return [
            Notice(revision=revision, topic=Topic(topic), key=key, data=from_json(data), at=from_us(at))
            for revision, topic, key, data, at in self._control(_FOREIGN, (self.seen,))
        ]

    def _control(self, sql: str, given: tuple[Any, ...] = ()) -> list[Row]:
        try:
            return self._cursor.execute(sql, given).fetchall()
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> Exception:
        """In words for who can mend it; notes when the transaction cannot go on."""
        if isinstance(error, OverflowError):
            return BadInputError("A number is too large.", "Numbers have at most 18 digits.")
        if isinstance(error, UnicodeEncodeError):
            return BadInputError("A text is not valid Unicode.", "It holds half of a surrogate pair.")
        if isinstance(error, sqlite3.IntegrityError):
            return ConflictError(
                "The change does not fit what is recorded: something it refers to was deleted, or exists already.", "Reload, and try again."
            )
        code = getattr(error, "sqlite_errorcode", None)
        primary = code & 0xFF if isinstance(code, int) else None
        if primary in _BUSY:
            self.lost = TransactionLostError(
                f"Another program keeps the database {self._path} locked.", "An administrator should find out which one has it open, and end it."
            )
            return self.lost
        if primary in _OUTSIDE:
            self._say(_OUTSIDE[primary])
            self.lost = TransactionLostError(
                f"The database {self._path} cannot be used: {_OUTSIDE[primary]}.", "An administrator must mend that.", final=True
            )
            return self.lost
        return error

    def _say(self, problem: str) -> None:
        last, at = self._said
        if problem != last or monotonic() - at > _SAY_AGAIN_S:
            self._said = problem, monotonic()
            _log.error("the database cannot be used", problem=problem, path=str(self._path))
