"""The SQLite file: made, kept to one hub, backed up and migrated."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from time import monotonic, sleep

from sqlalchemy import create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from perijove.adapters.store_sql import migrate
from perijove.domain.errors import SettingsError

_OLDEST = (3, 35, 0)  # RETURNING, UPDATE FROM
_MIGRATION_TIMEOUT_S = 60


class InUseError(SettingsError):
    """Another process holds the file."""

    def __init__(self, path: Path, pid: str) -> None:
        super().__init__(
            f"Another hub (process {pid}) uses the database {path}.",
            "Stop it first, or give this hub a database of its own. Several hubs at once need PostgreSQL ([store] url).",
        )
        self.pid = pid


def prepare(path: Path) -> None:
    """Make the file and its folder, for nobody else to read. Raises SettingsError."""
    if sqlite3.sqlite_version_info < _OLDEST:
        raise SettingsError(
            f"This Python has SQLite {sqlite3.sqlite_version}; 3.35 or newer is needed.", "Use a newer Python, or PostgreSQL ([store] url)."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):  # one that exists is not opened: closing it would drop this process's SQLite locks on it
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise SettingsError(
            f"The database {path} cannot be opened: {error.strerror or error}.", "Set [store] url to a place where the hub may write."
        ) from None


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep other hubs from this file. Raises SettingsError naming the process that has it."""
    lock = path.with_name(f"{path.name}.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            raise InUseError(path, pid or "unknown") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def bring_up_to_date(path: Path, *, exclusive: bool, migrates: bool = True) -> None:
    """Migrate, with a backup beside the file first; refuse where that is needed if not `migrates`. `exclusive`: the caller holds the file.

    Raises SettingsError.
    """
    engine = create_engine("sqlite://", creator=lambda: _connect(path), poolclass=NullPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN EXCLUSIVE"))
    try:
        with engine.begin() as connection:
            wanted = migrate.pending(connection)
            if wanted is None:
                return
            if not migrates:
                raise migrate.behind(wanted)
            with nullcontext() if exclusive else _unused(path):
                if wanted[0] is not None:
                    back_up(path, wanted[0])
                migrate.upgrade(connection)
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
            if broken:
                raise SettingsError(f"The database {path} could not be migrated: {len(broken)} rows would refer to nothing.", "Please report this.")
    except DBAPIError as error:
        raise _unusable(path, error.orig) from None
    except sqlite3.Error as error:
        raise _unusable(path, error) from None
    finally:
        engine.dispose()


def back_up(path: Path, revision: str) -> Path:
    """A copy of the file as it is now, beside it, named after its schema's revision and the number of copies there are."""
    number = 1
    while (copy := path.with_name(f"{path.name}.before-migration-from-{revision}.{number}")).exists():
        number += 1
    os.close(os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy


@contextmanager
def _unused(path: Path) -> Iterator[None]:
    try:
        with held(path):
            yield
    except InUseError as error:
        raise SettingsError(
            f"The hub (process {error.pid}) that uses {path} is of an older version of Perijove.", "Restart it, then repeat this command."
        ) from None


def _connect(path: Path) -> sqlite3.Connection:
    """With foreign keys off, as SQLite's ALTER TABLE needs; in WAL mode from now on."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=_MIGRATION_TIMEOUT_S)
    deadline = monotonic() + _MIGRATION_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        except sqlite3.OperationalError as error:  # another process opens the new file in this moment: SQLite does not wait here
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > deadline:
                connection.close()
                raise
            sleep(0.02)
        else:
            return connection


def _unusable(path: Path, error: BaseException | None) -> SettingsError:
    return SettingsError(f"The database {path} cannot be used: {error}.", "Make sure that it is a database of Perijove, and writable.")
