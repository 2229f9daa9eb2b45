"""Bring the database's tables up to what this version of the code needs, before anything else touches them.

Migrations expand: they add tables, columns with defaults and indexes, so that hubs of the version before go on working beside those of
the new one, and can be started again if the new one disappoints. A migration that takes away what older code needs says so with
`contracts = True` at its top, and comes in a later version than the code that no longer needs it. The database keeps the revision of
the oldest code that can work with it.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Text, column, delete, insert, inspect, select, table

from perijove.adapters.store_sql.schema import META
from perijove.domain.errors import SettingsError

SCRIPTS: Final = Path(__file__).parent / "migrations"
OLDEST_CODE: Final = "oldest_code"
"""In the table of facts: the newest revision that older code cannot do without. Revisions are numbered, and compare as text."""


_VERSION: Final = table("alembic_version", column("version_num", Text()))


def _known() -> list[str]:
    """Every revision this code knows, by the names of its files, so that a hub's start needs no Alembic: in order."""
    return sorted(path.stem[1:5] for path in (SCRIPTS / "versions").glob("v[0-9]*.py"))


def head() -> str:
    """The schema's revision that this code needs."""
    return _known()[-1]


def pending(connection: Connection) -> tuple[str | None, str] | None:
    """(the schema's revision, the one needed), or None if this code can work with it: also if it is newer, and only has more than this code
    knows of. Raises SettingsError if it is newer, and lacks something."""
    known = _known()
    needed = known[-1]
    current = connection.execute(select(_VERSION.c.version_num)).scalar() if inspect(connection).has_table(_VERSION.name) else None
    if current == needed:
        return None
    if current is not None and current not in known:
        oldest = connection.execute(select(META.c.value).where(META.c.name == OLDEST_CODE)).scalar()
        if oldest is not None and oldest <= needed:
            return None
        raise SettingsError(
            f"The database was last used by a newer version of Perijove (its schema is {current}; this version knows {needed} at most).",
            "Install that version again, or restore a backup made before the upgrade.",
        )
    return current, needed


def behind(found: tuple[str | None, str]) -> SettingsError:
    """What who only looks is told of what is `pending`."""
    current, needed = found
    if current is None:
        return SettingsError("The database is empty: no hub has been started with this configuration.", "Start the hub first.")
    return SettingsError(
        f"The database is of an older version of Perijove: its schema is {current}, and this version needs {needed}.",
        "Use the command of the version that the hub runs, or upgrade the hub first: it brings the schema along.",
    )


def upgrade(connection: Connection) -> None:
    """In the connection's transaction."""
    from perijove.adapters.store_sql import alembic_runs  # noqa: PLC0415 - a tenth of a hub's start, and needed once a version

    contracting = alembic_runs.upgrade(connection, SCRIPTS)
    connection.execute(delete(META).where(META.c.name == OLDEST_CODE))
    connection.execute(insert(META).values(name=OLDEST_CODE, value=contracting[-1] if contracting else _known()[0]))
