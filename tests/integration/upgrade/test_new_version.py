"""What `pip install -U` does to a running site: another version lies on the disk, with another schema, and `perijove up --replace` takes it up."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from perijove.adapters.store_sql import migrate
from tests.contract.store.postgres import PostgresServer
from tests.integration.upgrade.installation import Installation, installed
from tests.integration.upgrade.place import NOTHING, SETTINGS
from tests.integration.upgrade.traffic import traffic
from tests.running.perijove import until

MIGRATION = '''"""A column more."""

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "9999", "{head}", None, None


def upgrade() -> None:
    op.add_column("users", sa.Column("trial", sa.Integer, nullable=False, server_default="7"))
'''


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path, SETTINGS + NOTHING) as installation:
        yield installation


@pytest.fixture
def on_postgresql(tmp_path: Path, postgresql_bin: Path) -> Iterator[Installation]:
    with ExitStack() as stack:
        postgres = PostgresServer(postgresql_bin)
        stack.callback(postgres.close)
        postgres.start()
        store = f'[store]\nurl = {{ value = "{postgres.url(postgres.new_database())}" }}\n'
        yield stack.enter_context(installed(tmp_path, SETTINGS + NOTHING + store))


def _add_migration(installation: Installation) -> None:
    path = installation.source / "perijove/adapters/store_sql/migrations/versions/v9999_trial.py"
    path.write_text(MIGRATION.format(head=migrate.head()))


def test_on_sqlite_a_broken_version_gives_back_after_its_migration_and_a_whole_one_takes_over(on_sqlite: Installation) -> None:
    site, was = on_sqlite.site, on_sqlite.versions()
    assert site.api("POST", "/users/ada").status_code == 201
    hub = site.running.child("hub")
    on_sqlite.edit("web/app.py", "class App:", "class App(:")
    site.running.process.send_signal(signal.SIGUSR2)
    until(lambda: "what runs goes on" in site.running.output, what="that code is refused which cannot even be loaded")
    assert ("SyntaxError" in site.running.output, site.running.child("hub")) == (True, hub)
    on_sqlite.edit("web/app.py", "class App(:", "class App:")
    on_sqlite.becomes("77.0")
    _add_migration(on_sqlite)
    on_sqlite.edit("web/server.py", "    config = uvicorn.Config(", '    raise RuntimeError("this version is broken")\n    config = uvicorn.Config(')
    code, said = site.replaced()
    assert (code, "it ended with code 1" in said) == (1, True), said
    assert was == on_sqlite.versions(), "the old code has come back"
    assert site.api("POST", "/users/ben").status_code == 201, "and works with the schema of the new one"
    on_sqlite.edit("web/server.py", '    raise RuntimeError("this version is broken")\n', "")
    code, said = site.replaced()
    assert code == 0, said
    assert on_sqlite.versions() == ["77.0"]
    assert [site.api("GET", f"/users/{name}").status_code for name in ("ada", "ben")] == [200, 200]


def test_on_postgresql_the_new_hub_serves_before_the_old_one_ends(on_postgresql: Installation) -> None:
    site = on_postgresql.site
    on_postgresql.becomes("77.0")
    _add_migration(on_postgresql)
    with traffic() as people:
        people.get("pages", f"{site.running.url}/hub/login", kept=True)
        people.get("servers that ask the hub", f"{site.running.hub_url}/hub/health", kept=False)
        code, said = site.replaced()
        assert code == 0, said
        assert "lets go" not in said
    assert "77.0" in on_postgresql.versions()
