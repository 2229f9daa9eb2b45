"""Run migrations by Alembic, which takes a while to load: see migrate.py."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def upgrade(connection: Connection, scripts: Path) -> list[str]:
    """In the connection's transaction; returns the revisions that take away what older code needs, in order."""
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    found = sorted(ScriptDirectory.from_config(config).walk_revisions(), key=lambda script: script.revision)
    return [script.revision for script in found if getattr(script.module, "contracts", False)]
