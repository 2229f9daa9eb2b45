"""Several hubs on one PostgreSQL: the order of notices, and what happens while the server is away."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from time import monotonic

import psycopg
import pytest

from perijove.adapters.store_sql import SqlStore, batch, open_store
from perijove.adapters.store_sql.listener import APART_S, Listener
from perijove.adapters.store_sql.postgres_link import PostgresLink
from perijove.adapters.system_clock import SystemClock
from perijove.domain.change import Topic
from perijove.domain.server import ServerId
from perijove.ports.store.servers import StoredRoute
from perijove.ports.store.store import DatabaseUnavailableError, Tx
from perijove.testing.clock import FakeClock
from perijove.wire.names import ServerName
from tests.contract.store.postgres import PostgresServer
from tests.contract.store.records import adding


@pytest.fixture
def database(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.fixture
async def replicas(postgres: PostgresServer, database: str, clock: FakeClock) -> AsyncIterator[list[SqlStore]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_store(postgres.url(database), pool_size=4, clock=clock)) for _ in range(3)]


async def test_no_notice_appears_behind_one_that_was_seen(
    postgres: PostgresServer, database: str, replicas: list[SqlStore], clock: FakeClock
) -> None:
    number = 600
    done = threading.Event()
    late: list[int] = []

    def watch() -> None:
        """Read as fast as possible, as a follower would: whatever turns up must be newer than all before."""
        seen: set[int] = set()
        with psycopg.connect(postgres.url(database), autocommit=True) as connection:
            while not done.is_set():
                now = {row[0] for row in connection.execute("SELECT revision FROM notices").fetchall()}
                late.extend(revision for revision in now - seen if seen and revision < max(seen))
                seen = now

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        async with replicas[0].follow((Topic.USER, Topic.ROUTE)) as batches:
            async with asyncio.TaskGroup() as tasks:
                for index in range(number):

                    def change(tx: Tx, index: int = index) -> int:
                        tx.users.add(f"u{index}", now=clock.now())
                        return tx.routes.set(StoredRoute(spec=f"/{index}/", target="http://x"), clock.now()) if index % 3 == 0 else 0

                    tasks.create_task(replicas[index % 3].write(change))
            told: list[int] = []
            async with asyncio.timeout(30):
                while len(told) < number + number // 3:
                    told += [notice.revision for notice in await anext(batches)]
    finally:
        done.set()
        watcher.join()
    assert late == []
    assert told == sorted(set(told))


async def test_the_returned_revision_is_the_one_the_route_was_announced_with(replicas: list[SqlStore], clock: FakeClock) -> None:
    async with replicas[1].follow((Topic.ROUTE,)) as batches:

        def change(tx: Tx) -> int:
            tx.users.add("ann", now=clock.now())
            revision = tx.routes.set(StoredRoute(spec="/a/", target="http://x"), clock.now())
            tx.users.add("bob", now=clock.now())
            return revision

        revision = await replicas[0].write(change)
        async with asyncio.timeout(10):
            (told,) = await anext(batches)
    assert told.revision == revision
    kept = await replicas[2].read(lambda tx: tx.notices.after(0, tuple(Topic)))
    assert [notice.key for notice in kept or ()] == ["ann", "/a/", "bob"]


async def test_a_change_waits_for_a_server_that_comes_back_and_followers_catch_up(
    postgres: PostgresServer, replicas: list[SqlStore], clock: FakeClock
) -> None:
    first, second, _ = replicas
    async with second.follow((Topic.USER,)) as batches:
        await first.write(adding("before", clock.now()))
        postgres.stop()
        try:
            async with asyncio.TaskGroup() as tasks:
                change = tasks.create_task(first.write(adding("during", clock.now())))
                query = tasks.create_task(second.read(lambda tx: tx.users.count()))
                await asyncio.sleep(0.3)
                assert not change.done()
                assert not query.done()
                await asyncio.to_thread(postgres.start)
        finally:
            if not postgres.running:
                postgres.start()
        assert query.result() in {1, 2}
        await first.write(adding("after", clock.now()))
        told: list[str] = []
        async with asyncio.timeout(20):
            while len(told) < 3:
                told += [notice.key for notice in await anext(batches)]
    assert told == ["before", "during", "after"]


async def test_who_waited_long_enough_hears_that_the_server_is_away(
    postgres: PostgresServer, replicas: list[SqlStore], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "PATIENCE_S", 0.2)
    store = replicas[0]
    await store.write(adding("before", clock.now()))
    postgres.stop()
    try:
        with pytest.raises(DatabaseUnavailableError, match=r"does not answer|stopped answering") as caught:
            await store.write(adding("during", clock.now()))
        assert "administrator" in caught.value.hint
        with pytest.raises(DatabaseUnavailableError):
            await store.read(lambda tx: tx.users.count())
    finally:
        postgres.start()
    monkeypatch.undo()
    assert await store.read(lambda tx: tx.users.count()) == 1
    await store.write(adding("after", clock.now()))


async def test_a_connection_cut_in_the_middle_is_made_good(
    postgres: PostgresServer, database: str, replicas: list[SqlStore], clock: FakeClock
) -> None:
    """The function runs again, and its change is made once."""
    runs = 0

    def change(tx: Tx) -> None:
        nonlocal runs
        runs += 1
        tx.users.add("ann", now=clock.now())
        if runs == 1:
            postgres.execute(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}' AND pid <> pg_backend_pid()", database
            )
        tx.groups.add("g", now=clock.now())

    await replicas[0].write(change)
    assert runs == 2
    counts = [await store.read(lambda tx: (tx.users.count(), tx.groups.page(0, 1).total)) for store in replicas]
    assert counts == [(1, 1)] * 3


async def test_a_hub_whose_machine_has_the_wrong_time_goes_by_the_database_s(postgres: PostgresServer, database: str) -> None:
    clock, told = SystemClock(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def agree(moment: datetime) -> None:
        clock.agree(moment)
        loop.call_soon_threadsafe(told.set)

    clock.agree(datetime.now(UTC) - timedelta(hours=1))
    async with open_store(postgres.url(database), pool_size=2, clock=clock, agree=agree):
        await asyncio.wait_for(told.wait(), 10)
        ((seconds,),) = postgres.execute("SELECT extract(epoch FROM clock_timestamp())::float8", database)
        assert abs(clock.now().timestamp() - seconds) < 5


async def test_a_hub_knows_for_how_long_it_has_heard_nothing(postgres: PostgresServer, replicas: list[SqlStore]) -> None:
    (hub, *_) = replicas
    assert hub.deaf_s < 5
    postgres.stop()
    try:
        async with asyncio.timeout(20):
            while hub.deaf_s < 5:
                await asyncio.sleep(0.05)  # a condition with a deadline
    finally:
        postgres.start()
    async with asyncio.timeout(20):
        while hub.deaf_s > 4:
            await asyncio.sleep(0.05)


async def test_leases_are_renewed_though_others_are_just_changing_some_of_the_servers(
    postgres: PostgresServer, database: str, replicas: list[SqlStore], clock: FakeClock
) -> None:
    hub, now = replicas[0], clock.now()
    await hub.write(lambda tx: tx.users.add_missing(["ada"], now=now))

    def claimed(tx: Tx) -> list[ServerId]:
        ada = tx.users.get("ada")
        assert ada is not None
        made = [tx.servers.add(ada.id, ServerName(f"s{number}"), now=now) for number in range(4)]
        for server in made:
            tx.servers.claim(server.id, "me", now, now + timedelta(seconds=10))
        return [server.id for server in made]

    ids = await hub.write(claimed)
    until = now + timedelta(seconds=60)
    with psycopg.connect(postgres.url(database)) as other:
        other.execute("SELECT 1 FROM servers WHERE id = %s FOR UPDATE", (ids[1],))
        async with asyncio.timeout(3):
            assert await hub.write(lambda tx: tx.servers.renew(ids, "me", until)) == {ids[0], ids[2], ids[3]}
        waiting = asyncio.create_task(hub.write(lambda tx: tx.servers.renew([ids[1]], "me", until, wait=True)))
        await asyncio.sleep(0)
        other.rollback()
        assert await waiting == {ids[1]}


async def test_transactions_that_want_the_same_rows_in_every_order_all_come_to_an_end(replicas: list[SqlStore], clock: FakeClock) -> None:
    """Each wants one row; but those that are committed together hold several."""
    now = clock.now()
    names = [f"user{number}" for number in range(6)]
    await replicas[0].write(lambda tx: tx.users.add_missing(names, now=now))

    def touching(turn: int) -> Callable[[Tx], None]:
        def change(tx: Tx) -> None:
            user = tx.users.get(random.Random(turn).choice(names))
            assert user is not None
            tx.users.touch(user.id, now + timedelta(seconds=turn))

        return change

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for turn in range(900):
            group.create_task(replicas[turn % 3].write(touching(turn)))


async def test_one_reading_of_notices_is_about_many_commits(
    postgres: PostgresServer, database: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However slow the machine: there is at most one reading for each pause between two, and most are a single statement."""
    number, reads, transactions, heard = 150, 0, 0, 0
    read, begin = Listener._read, PostgresLink.begin

    def counted(self: Listener) -> bool:
        nonlocal reads
        reads += 1
        return read(self)

    def begun(self: PostgresLink) -> None:
        nonlocal transactions
        transactions += threading.current_thread().name == "store-listener"
        begin(self)

    monkeypatch.setattr(Listener, "_read", counted)
    monkeypatch.setattr(PostgresLink, "begin", begun)
    async with open_store(postgres.url(database), pool_size=2, clock=clock) as store, store.follow((Topic.USER,)) as batches:
        began = monotonic()
        for index in range(number):
            await store.write(adding(f"u{index}", clock.now()))
        async for batch in batches:
            heard += len(batch)
            if heard == number:
                break
        assert reads <= (monotonic() - began) / APART_S + 3
        assert transactions <= (monotonic() - began) / 3 + 3
