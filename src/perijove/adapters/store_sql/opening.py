"""Open a store by its URL."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from perijove.adapters.store_sql.open_sqlite import open_sqlite, sqlite_path
from perijove.adapters.store_sql.store import SqlStore
from perijove.domain.errors import SettingsError
from perijove.ports.clock import Clock

_FORMS = "Write sqlite:///path or postgresql://user:password@host/name."


@asynccontextmanager
async def open_store(  # noqa: PLR0913 - each is a fact about the opener, with a default
    url: str,
    *,
    pool_size: int,
    clock: Clock,
    exclusive: bool = True,
    migrates: bool = True,
    patience_s: float = 10.0,
    direct_url: str = "",
    agree: Callable[[datetime], None] | None = None,
    in_use: Callable[[], None] | None = None,
) -> AsyncIterator[SqlStore]:
    """Migrate the database at `url` (sqlite:///path or postgresql://user:password@host/name), and open it.

    `pool_size`: connections to PostgreSQL (one more listens). `exclusive`: refuse if another hub has this SQLite file, and
    keep others out; a command that works beside a hub says False. `migrates`: a command that only looks says False, and is refused where there is
    something to migrate. `patience_s`: how long PostgreSQL is waited for. `direct_url`: the way past a
    pooler in transaction mode. `agree` is told the time that all who share the database should go by, from any thread. `in_use` is called once
    if another hub has this SQLite file, which is then waited for. Raises SettingsError, DatabaseUnavailableError.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite":
        opened: AbstractAsyncContextManager[SqlStore] = open_sqlite(parsed, clock, exclusive=exclusive, migrates=migrates, in_use=in_use)
    else:
        more: dict[str, Any] = {"migrates": migrates} if agree is None else {"migrates": migrates, "agree": agree}
        if direct_url:
            more["direct_url"] = _parsed(direct_url)
        opened = _postgres()(parsed, clock, pool_size=pool_size, patience_s=patience_s, **more)
    async with opened as store:
        yield store


def missing_file(url: str) -> Path | None:
    """The SQLite file that `url` names, if there is none yet. Raises SettingsError."""
    parsed = _parsed(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    path = sqlite_path(parsed)
    return None if path.is_file() and path.stat().st_size else path


def copy_database(source: Path, url: str, told: Callable[[str, int, int], None]) -> int:
    """Copy an SQLite file into PostgreSQL (see copying.py). Raises SettingsError."""
    _parsed(url)
    _postgres()
    copy: Callable[[Path, str, Callable[[str, int, int], None]], int] = import_module("perijove.adapters.store_sql.copying").copy_database
    return copy(source, url, told)


def _postgres() -> Callable[..., AbstractAsyncContextManager[SqlStore]]:
    """Loaded only where it is used, because its driver is an extra of ours."""
    try:
        module = import_module("perijove.adapters.store_sql.open_postgres")
    except ModuleNotFoundError as error:
        raise SettingsError(f"PostgreSQL needs the Python package {error.name}.", 'Install it: pip install "perijove[postgresql]".') from None
    except ImportError as error:
        raise SettingsError(f"The PostgreSQL driver cannot be loaded: {error}.", 'Install it: pip install "perijove[postgresql]".') from None
    opener: Callable[..., AbstractAsyncContextManager[SqlStore]] = module.open_postgres
    return opener


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise SettingsError("[store] url is not the URL of a database.", _FORMS) from None
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        raise SettingsError(f"[store] url names a kind of database that is not supported: {parsed.drivername}.", _FORMS)
    return parsed
