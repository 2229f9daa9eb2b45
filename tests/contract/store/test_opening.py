"""How a store opens: files, locks, migrations."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from perijove.adapters.store_sql import SqlStore, migrate, open_store
from perijove.adapters.store_sql.schema import METADATA
from perijove.domain.change import Topic
from perijove.domain.errors import SettingsError
from perijove.testing.clock import FakeClock
from tests.contract.store.postgres import PostgresServer
from tests.contract.store.records import adding

NEXT = '''
"""A change to come."""
import sqlalchemy as sa
from alembic import op
revision = "9999"
down_revision = "{head}"
contracts = {contracts}
def upgrade() -> None:
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("shoe_size", sa.Text(), nullable=False, server_default="?"))
'''


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "er" / "hub.sqlite"


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Turns this code into one with one more migration; `contracts`: one that older code cannot live with."""

    def turn(*, contracts: bool = False) -> None:
        scripts = tmp_path / "migrations"
        shutil.copytree(migrate.SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
        (scripts / "versions" / "v9999.py").write_text(NEXT.format(head=migrate.head(), contracts=contracts))
        monkeypatch.setattr(migrate, "SCRIPTS", scripts)

    return turn


async def add_users(store: SqlStore, clock: FakeClock, *names: str) -> None:
    await store.write(lambda tx: tx.users.add_missing(names, now=clock.now()))


async def test_the_file_and_its_folder_are_the_hub_s_alone(path: Path, clock: FakeClock) -> None:
    old = os.umask(0)
    try:
        async with open_store(f"sqlite:///{path}", pool_size=1, clock=clock) as store:
            await add_users(store, clock, "ann")
            modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    finally:
        os.umask(old)
    assert set(modes.values()) == {0o600}, modes
    assert set(modes) == {"hub.sqlite", "hub.sqlite-wal", "hub.sqlite-shm", "hub.sqlite.lock"}
    assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_a_second_hub_on_one_file_is_refused_with_the_first_one_s_number(path: Path, clock: FakeClock) -> None:
    url = f"sqlite:///{path}"
    async with open_store(url, pool_size=1, clock=clock):
        with pytest.raises(SettingsError, match=rf"process {os.getpid()}\b.*PostgreSQL"):
            async with open_store(url, pool_size=1, clock=clock):
                pass
    async with open_store(url, pool_size=1, clock=clock) as store:
        assert store.shared is False


async def test_the_hub_hears_of_what_a_command_beside_it_does(path: Path, clock: FakeClock) -> None:
    url = f"sqlite:///{path}"
    async with (
        open_store(url, pool_size=1, clock=clock) as hub,
        hub.follow((Topic.USER,)) as batches,
        open_store(url, pool_size=1, clock=clock, exclusive=False) as command,
    ):
        assert hub.epoch == command.epoch
        await add_users(command, clock, "from-command")
        async with asyncio.timeout(10):
            assert [notice.key for notice in await anext(batches)] == ["from-command"], "while the hub does nothing"
        await add_users(command, clock, "then-command")
        await add_users(hub, clock, "from-hub")
        told: list[str] = []
        async with asyncio.timeout(10):
            while len(told) < 2:
                told += [notice.key for notice in await anext(batches)]
        assert told == ["then-command", "from-hub"], "in order, though the hub wrote at once"


async def test_the_migrations_make_what_the_code_thinks_is_there(path: Path, clock: FakeClock, tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{path}", pool_size=1, clock=clock):
        pass
    wanted = tmp_path / "wanted.sqlite"
    engine = create_engine(f"sqlite:///{wanted}")
    METADATA.create_all(engine)
    engine.dispose()
    assert _sqlite_schema(path) == _sqlite_schema(wanted)


async def test_alembic_finds_nothing_to_migrate(url: str, clock: FakeClock) -> None:
    async with open_store(url, pool_size=1, clock=clock) as store:
        assert store.shared is url.startswith("postgresql")
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        differences = compare_metadata(
            MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": "postgresql" in url}), METADATA
        )
    engine.dispose()
    assert differences == []


async def test_many_start_at_once_and_one_migrates(url: str, clock: FakeClock, next_version: Callable[..., None]) -> None:
    async def start() -> str:
        async with open_store(url, pool_size=1, clock=clock, exclusive=False) as store:
            await store.read(lambda tx: tx.users.count())
            return store.epoch

    async def all_at_once() -> set[str]:
        async with asyncio.TaskGroup() as tasks:
            started = [tasks.create_task(start()) for _ in range(6)]
        return {task.result() for task in started}

    first = await all_at_once()
    next_version()
    assert await all_at_once() == first
    assert len(first) == 1


async def test_a_database_is_backed_up_migrated_and_then_refused_by_older_code(
    path: Path, clock: FakeClock, next_version: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{path}"
    async with open_store(url, pool_size=1, clock=clock) as store:
        await add_users(store, clock, "ann", "bob")
        await store.write(lambda tx: tx.users.link_identity(tx.users.add("carl", now=clock.now()).id, "pam", "carl"))
    assert not list(path.parent.glob("*before*"))
    now_scripts, now_head = migrate.SCRIPTS, migrate.head()
    next_version(contracts=True)
    async with open_store(url, pool_size=1, clock=clock) as store:
        assert await store.read(lambda tx: tx.users.count()) == 3
        assert await store.read(lambda tx: tx.users.by_identity("pam", "carl")) is not None, "rows that refer to others are kept"
    (backup,) = path.parent.glob("*before*")
    assert backup.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(backup)) as copy, closing(sqlite3.connect(path)) as original:
        assert copy.execute("SELECT count(*), (SELECT version_num FROM alembic_version) FROM users").fetchone() == (3, now_head)
        assert original.execute("SELECT shoe_size FROM users").fetchall() == [("?",)] * 3
    monkeypatch.setattr(migrate, "SCRIPTS", now_scripts)
    with pytest.raises(SettingsError, match=r"newer version of Perijove.*9999"):
        async with open_store(url, pool_size=1, clock=clock):
            pass


async def test_this_version_works_beside_the_next_one_and_is_started_again_after_it(
    url: str, clock: FakeClock, next_version: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    now_scripts = migrate.SCRIPTS
    async with open_store(url, pool_size=1, clock=clock, exclusive=False) as this:
        await add_users(this, clock, "ann")
    next_version()
    async with open_store(url, pool_size=1, clock=clock, exclusive=False) as new:
        await add_users(new, clock, "bob")
        monkeypatch.setattr(migrate, "SCRIPTS", now_scripts)
        async with open_store(url, pool_size=1, clock=clock, exclusive=False) as this:
            await add_users(this, clock, "carl")
            for store in (this, new):
                assert await store.read(lambda tx: tx.users.count()) == 3


async def test_postgresql_migrated_by_newer_code_is_refused(postgres: PostgresServer, clock: FakeClock) -> None:
    database = postgres.new_database()
    async with open_store(postgres.url(database), pool_size=1, clock=clock):
        pass
    postgres.execute("UPDATE alembic_version SET version_num = '9999'", database)
    postgres.execute("UPDATE meta SET value = '9999' WHERE name = 'oldest_code'", database)
    with pytest.raises(SettingsError, match="newer version"):
        async with open_store(postgres.url(database), pool_size=1, clock=clock):
            pass


async def test_a_command_does_not_migrate_beneath_a_running_hub(path: Path, clock: FakeClock, next_version: Callable[..., None]) -> None:
    url = f"sqlite:///{path}"
    async with open_store(url, pool_size=1, clock=clock):
        next_version()
        with pytest.raises(SettingsError, match=f"process {os.getpid()}.*Restart it"):
            async with open_store(url, pool_size=1, clock=clock, exclusive=False):
                pass


async def test_who_only_looks_makes_no_tables_and_changes_none(url: str, clock: FakeClock, next_version: Callable[..., None]) -> None:
    """`perijove status` of a version that was just installed, say, while hubs of the one before work and nobody has made a backup yet."""
    with pytest.raises(SettingsError, match="no hub has been started"):
        async with open_store(url, pool_size=1, clock=clock, exclusive=False, migrates=False):
            pass
    async with open_store(url, pool_size=1, clock=clock) as hub:
        await add_users(hub, clock, "ann")
        async with open_store(url, pool_size=1, clock=clock, exclusive=False, migrates=False) as look:
            assert await look.read(lambda tx: tx.users.count()) == 1
        next_version()
        for _ in range(2):
            with pytest.raises(SettingsError, match="older version of Perijove"):
                async with open_store(url, pool_size=1, clock=clock, exclusive=False, migrates=False):
                    pass


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("hub.sqlite", "URL"),
        ("mysql://h/d", "mysql"),
        ("sqlite://", "names no file"),
        ("sqlite:////tmp/x.sqlite?mode=ro", "parameter"),
        ("sqlite:////proc/nowhere/x.sqlite", "cannot be opened"),
    ],
)
async def test_a_url_that_cannot_be_used_is_said_so(url: str, words: str, clock: FakeClock) -> None:
    with pytest.raises(SettingsError, match=words):
        async with open_store(url, pool_size=1, clock=clock):
            pass


async def test_a_file_that_is_no_database_is_left_alone(path: Path, clock: FakeClock) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"my diary\n" * 1000)
    with pytest.raises(SettingsError, match="not a database"):
        async with open_store(f"sqlite:///{path}", pool_size=1, clock=clock):
            pass
    assert path.read_bytes() == b"my diary\n" * 1000


async def test_each_commit_waits_for_the_disk_if_asked(path: Path, clock: FakeClock) -> None:
    async with open_store(f"sqlite:///{path}?synchronous=full", pool_size=1, clock=clock) as store:
        await store.write(adding("ann", clock.now()))
        assert await store.read(lambda tx: tx.users.count()) == 1


async def test_the_log_is_copied_into_the_database_while_the_hub_runs(path: Path, clock: FakeClock) -> None:
    async with open_store(f"sqlite:///{path}", pool_size=1, clock=clock) as store:
        for start in range(0, 40_000, 5000):
            names = [f"somebody-with-a-long-name-{number}" for number in range(start, start + 5000)]
            await add_users(store, clock, *names)
        async with asyncio.timeout(20):
            while path.stat().st_size < 4_000_000:
                await asyncio.sleep(0.05)


def _sqlite_schema(path: Path) -> dict[str, list[str]]:
    """The words of each table's and index's definition; the order of constraints means nothing."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'").fetchall()
    return {name: sorted(sql.replace(",", " ").split()) for name, sql in found}
