"""From SQLite to PostgreSQL: everything arrives, and the hub goes on there as if nothing had happened."""

from datetime import timedelta
from pathlib import Path

import pytest

from perijove.adapters.store_sql import copy_database, open_store
from perijove.adapters.store_sql.schema import METADATA
from perijove.domain.change import Topic
from perijove.domain.errors import SettingsError
from perijove.domain.server import Phase
from perijove.ports.store.servers import StoredRoute
from perijove.ports.store.store import Tx
from perijove.testing.clock import FakeClock
from perijove.wire.names import ServerName
from tests.contract.store.postgres import PostgresServer


def quiet(_table: str, _done: int, _of: int) -> None:
    """Nobody listens."""


@pytest.fixture
async def source(tmp_path: Path, clock: FakeClock) -> Path:
    """With some of everything that has a number, text that is not ASCII, and JSON."""
    path = tmp_path / "hub.sqlite"
    now = clock.now()

    def fill(tx: Tx) -> None:
        tx.users.add_missing(["ada", "bob", "josé"], now=now)
        tx.groups.add("klasse-ä", now=now)
        tx.groups.add_users("klasse-ä", ["ada", "josé"], now=now)
        tx.groups.set_properties("klasse-ä", {"raum": "Ü1", "plätze": [1, 2, 3]}, now=now)
        ada = tx.users.get("ada")
        assert ada is not None
        server = tx.servers.add(ada.id, ServerName("lab"), now=now)
        tx.routes.set(StoredRoute(spec="/user/ada/lab/", target="http://10.0.0.7:1234", data={"user": "ada"}, server_id=server.id), now)
        tx.leases.take("poll", "dead", now, now + timedelta(seconds=5))

    async with open_store(f"sqlite:///{path}", pool_size=1, clock=clock) as store:
        for number in range(1500):  # more than one slice of notices and users
            await store.write(lambda tx: tx.users.add_missing([f"student{number}"], now=now))  # noqa: B023 - run before the loop goes on
        await store.write(fill)
    return path


async def test_everything_arrives_and_goes_on(source: Path, postgres: PostgresServer, clock: FakeClock) -> None:
    database = postgres.new_database()
    url = postgres.url(database)
    heard: dict[str, int] = {}

    def told(table: str, done: int, _of: int) -> None:
        heard[table] = done

    copied = copy_database(source, url, told)
    assert copied == sum(heard.values())
    assert set(heard) == set(METADATA.tables)
    async with open_store(f"sqlite:///{source}", pool_size=1, clock=clock) as old, open_store(url, pool_size=2, clock=clock) as new:
        for look in (
            lambda tx: tx.users.get("josé"),
            lambda tx: tx.groups.get("klasse-ä"),
            lambda tx: tx.routes.all(),
            lambda tx: tx.servers.find("ada", "lab"),
            lambda tx: tx.users.count(),
            lambda tx: tx.notices.last(),
        ):
            assert await new.read(look) == await old.read(look)
        assert new.epoch == old.epoch
        before = await new.read(lambda tx: tx.notices.last())
        async with new.follow((Topic.USER,), before) as batches:
            await new.write(lambda tx: tx.users.add_missing(["eve"], now=clock.now()))
            (notice,) = await anext(batches)
        assert notice.revision > before
        eve, ada = await new.read(lambda tx: (tx.users.get("eve"), tx.users.get("ada")))
        assert eve is not None
        assert ada is not None
        assert eve.id > ada.id
        server = await new.write(lambda tx: tx.servers.add(eve.id, ServerName(""), now=clock.now()))
        assert server.phase is Phase.STOPPED


async def test_a_database_with_users_is_left_alone(source: Path, postgres: PostgresServer, clock: FakeClock) -> None:
    url = postgres.url(postgres.new_database())
    async with open_store(url, pool_size=1, clock=clock) as store:
        await store.write(lambda tx: tx.users.add_missing(["somebody"], now=clock.now()))
    with pytest.raises(SettingsError, match="has users already"):
        copy_database(source, url, quiet)
    async with open_store(url, pool_size=1, clock=clock) as store:
        assert await store.read(lambda tx: tx.users.count()) == 1


async def test_a_file_that_a_hub_uses_is_not_copied(source: Path, postgres: PostgresServer, clock: FakeClock) -> None:
    async with open_store(f"sqlite:///{source}", pool_size=1, clock=clock):
        with pytest.raises(SettingsError, match="uses the database"):
            copy_database(source, postgres.url(postgres.new_database()), quiet)


def test_wrong_ends_are_said_to_be_wrong(tmp_path: Path, postgres: PostgresServer) -> None:
    with pytest.raises(SettingsError, match="no PostgreSQL"):
        copy_database(tmp_path / "a", f"sqlite:///{tmp_path}/b", quiet)
    with pytest.raises(SettingsError, match="There is no database"):
        copy_database(tmp_path / "a", postgres.url("postgres"), quiet)
    assert not (tmp_path / "a").exists()


async def test_when_it_breaks_off_nothing_is_there(source: Path, postgres: PostgresServer, clock: FakeClock) -> None:
    url = postgres.url(postgres.new_database())

    class StopHereError(Exception):
        pass

    def told(table: str, _done: int, _of: int) -> None:
        if table == "servers":
            raise StopHereError

    with pytest.raises(StopHereError):
        copy_database(source, url, told)
    async with open_store(url, pool_size=1, clock=clock) as store:
        assert await store.read(lambda tx: tx.users.count()) == 0
