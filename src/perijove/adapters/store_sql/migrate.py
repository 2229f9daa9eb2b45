"""Bring the database's tables up to what this version of the code needs, before anything else touches them."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from perijove.domain.errors import SettingsError

SCRIPTS: Final = Path(__file__).parent / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def head() -> str:
    """The schema's revision that this code needs."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def pending(connection: Connection) -> tuple[str | None, str] | None:
    """(the schema's revision, the one needed), or None if it is as needed. Raises SettingsError if it is newer than the code."""
    needed = head()
    current = MigrationContext.configure(connection).get_current_revision()
    if current == needed:
        return None
    if current is not None and current not in {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}:
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
