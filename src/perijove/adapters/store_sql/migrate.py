"""Bring the database's tables up to what this version of the code needs, before anything else touches them.

Migrations expand: they add tables, columns with defaults and indexes, so that hubs of the version before go on working beside those of
the new one, and can be started again if the new one disappoints. A migration that takes away what older code needs says so with
`contracts = True` at its top, and comes in a later version than the code that no longer needs it. The database keeps the revision of
the oldest code that can work with it.
"""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, delete, insert, select

from perijove.adapters.store_sql.schema import META
from perijove.domain.errors import SettingsError

SCRIPTS: Final = Path(__file__).parent / "migrations"
OLDEST_CODE: Final = "oldest_code"
"""In the table of facts: the newest revision that older code cannot do without. Revisions are numbered, and compare as text."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def head() -> str:
    """The schema's revision that this code needs."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def pending(connection: Connection) -> tuple[str | None, str] | None:
    """(the schema's revision, the one needed), or None if this code can work with it: also if it is newer, and only has more than this code
    knows of. Raises SettingsError if it is newer, and lacks something."""
    needed = head()
    current = MigrationContext.configure(connection).get_current_revision()
    if current == needed:
        return None
    if current is not None and current not in {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}:
        oldest = connection.execute(select(META.c.value).where(META.c.name == OLDEST_CODE)).scalar()
        if oldest is not None and oldest <= needed:
            return None
        raise SettingsError(
            f"The database was last used by a newer version of Perijove (its schema is {current}; this version knows {needed} at most).",
            "Install that version again, or restore a backup made before the upgrade.",
        )
    return current, needed


def upgrade(connection: Connection) -> None:
    """In the connection's transaction."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    scripts = sorted(ScriptDirectory.from_config(config).walk_revisions(), key=lambda script: script.revision)
    contracting = [script.revision for script in scripts if getattr(script.module, "contracts", False)]
    connection.execute(delete(META).where(META.c.name == OLDEST_CODE))
    connection.execute(insert(META).values(name=OLDEST_CODE, value=contracting[-1] if contracting else scripts[0].revision))
