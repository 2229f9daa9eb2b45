"""A PostgreSQL that is gone, or says nothing, or has become another one: behind a relay."""

import asyncio
import os
import resource
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import pytest

from perijove.adapters.store_sql import SqlStore, batch, circuit, lanes, open_postgres, open_store, postgres_probe
from perijove.adapters.store_sql.postgres_probe import PostgresProbe
from perijove.domain.change import Topic
from perijove.ports.store.asking import on_request
from perijove.ports.store.store import DatabaseOverloadedError, DatabaseUnavailableError, Tx
from perijove.testing.clock import FakeClock
from tests.contract.store.postgres import PostgresServer
from tests.contract.store.standby import Standby
from tests.faults.relay import Relay, Way

T = TypeVar("T")
SIZE = 8


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """All in the same proportion, but sooner."""
    monkeypatch.setattr(postgres_probe, "LIMIT_S", 1)
    monkeypatch.setattr(circuit, "STUCK_S", 0.7)
    monkeypatch.setattr(circuit, "_GRACE_S", 0.3)
    monkeypatch.setattr(circuit, "_PAUSES_S", (0.1, 0.2, 0.3, 0.5))


@asynccontextmanager
async def relayed(server: PostgresServer) -> AsyncIterator[Relay]:
    relay = Relay(way_to(server))
    await relay.listen()
    try:
        yield relay
    finally:
        await relay.close()


def way_to(server: PostgresServer) -> Callable[[], "asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]"]:
    return partial(asyncio.open_unix_connection, str(server.folder / ".s.PGSQL.5432"))  # type: ignore[return-value] # a coroutine will do


@asynccontextmanager
async def opened(relay: Relay, database: str, clock: FakeClock) -> AsyncIterator[SqlStore]:
    async with open_store(f"postgresql://hub@127.0.0.1:{relay.port}/{database}", pool_size=SIZE, clock=clock) as store:
        try:
            yield store
        finally:
            relay.turn(Way.OPEN)


async def until(true: Callable[[], bool], what: str, limit_s: float = 30) -> None:
    try:
        async with asyncio.timeout(limit_s):
            while not true():
                await asyncio.sleep(0.01)  # a condition with a deadline
    except TimeoutError:
        pytest.fail(f"waited too long for {what}")


async def ask(store: SqlStore) -> None:
    with on_request():
        await store.read(lambda tx: tx.users.count())


def add(clock: FakeClock, name: str) -> Callable[[Tx], None]:
    def change(tx: Tx) -> None:
        tx.users.add(name, now=clock.now())

    return change


async def persist(work: Callable[[], Awaitable[T]]) -> T:
    """As the hub's own work does, which hears after some seconds that it could not be done."""
    while True:
        try:
            return await work()
        except DatabaseUnavailableError:
            await asyncio.sleep(0.01)


async def refused(store: SqlStore, number: int) -> None:
    """All of them, and not for being too many."""
    for answer in await asyncio.gather(*(ask(store) for _ in range(number)), return_exceptions=True):
        assert isinstance(answer, DatabaseUnavailableError)
        assert not isinstance(answer, DatabaseOverloadedError)
        assert answer.retry_after_s is not None
        assert 3 <= answer.retry_after_s <= 9


async def test_while_it_is_away_one_looks_for_it_requests_are_refused_and_own_work_waits(
    postgres: PostgresServer, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    class Counted(PostgresProbe):
        def ask(self) -> None:
            nonlocal looks
            looks += 1
            super().ask()

    monkeypatch.setattr(open_postgres, "PostgresProbe", Counted)
    database = postgres.new_database()
    async with relayed(postgres) as relay, opened(relay, database, clock) as store:
        await asyncio.gather(*(store.read(lambda tx: tx.users.count()) for _ in range(50)))
        relay.turn(Way.SILENT)
        asked = [asyncio.create_task(ask(store)) for _ in range(500)]
        await asyncio.sleep(0)
        relay.turn(Way.CLOSED)
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(answer, DatabaseUnavailableError)
        await until(lambda: store.condition().away, "the truth")
        monkeypatch.setattr(lanes, "LONGEST_WAIT_S", 0.0)  # nobody may be refused for having waited
        looked = looks
        await until(lambda: looks >= looked + 2, "two looks")  # by now nobody is left who came to know just before
        before, looked = relay.came, looks
        own = [asyncio.create_task(persist(partial(store.write, add(clock, f"own{number}")))) for number in range(20)]
        await refused(store, 500)
        assert store.condition().lanes["read"].waiting == 0
        assert store.condition().lanes["read"].refused["away"] >= 500
        await until(lambda: looks >= looked + 3, "three looks")
        assert relay.came - before <= looks - looked + 1, "one knocks for all (and one look may have been under way)"
        assert not any(task.done() for task in own)
        assert store.condition().outages == 1
        relay.turn(Way.OPEN)
        await asyncio.gather(*own)
        await ask(store)
        assert await store.read(lambda tx: tx.users.count()) == 20
        assert not store.condition().away


async def test_one_that_says_nothing_is_away_too(postgres: PostgresServer, clock: FakeClock) -> None:
    async with relayed(postgres) as relay, opened(relay, postgres.new_database(), clock) as store:
        await store.read(lambda tx: tx.users.count())
        relay.turn(Way.SILENT)
        own = asyncio.create_task(persist(partial(store.write, add(clock, "own"))))
        await refused(store, 20)  # those who were asking when it fell silent
        assert store.condition().away
        await refused(store, 500)
        relay.turn(Way.OPEN)
        await own
        await until(lambda: not store.condition().away, "the truth")
        assert await store.read(lambda tx: tx.users.count()) == 1


async def test_a_connection_that_is_ended_is_no_outage(postgres: PostgresServer, clock: FakeClock) -> None:
    database = postgres.new_database()
    async with relayed(postgres) as relay, opened(relay, database, clock) as store:
        await asyncio.gather(*(ask(store) for _ in range(50)))
        postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}' AND pid <> pg_backend_pid()")
        await asyncio.gather(*(ask(store) for _ in range(50)))
        assert store.condition().outages == 0


async def test_a_long_transaction_is_left_alone_though_the_prober_lost_its_connection(postgres: PostgresServer, clock: FakeClock) -> None:
    database = postgres.new_database()
    runs, begun, go_on = 0, threading.Event(), threading.Event()

    def long(tx: Tx) -> None:
        nonlocal runs
        runs += 1
        tx.users.count()
        begun.set()
        assert go_on.wait(20)
        tx.users.count()

    probers = f"FROM pg_stat_activity WHERE datname = '{database}' AND query = 'SELECT 1'"
    async with relayed(postgres) as relay, opened(relay, database, clock) as store:
        await until(lambda: postgres.execute(f"SELECT count(*) {probers}") == [(1,)], "the prober")
        reading = asyncio.create_task(store.read(long))
        assert await asyncio.to_thread(begun.wait, 10)
        came = relay.came
        postgres.execute(f"SELECT pg_terminate_backend(pid) {probers}")
        await until(lambda: relay.came > came, "the prober's next connection, for the transaction takes long")
        await until(lambda: postgres.execute(f"SELECT count(*) {probers}") == [(1,)], "the prober")
        await asyncio.sleep(circuit._GRACE_S * 2)  # those who wait too long would be cut off in this time
        go_on.set()
        await reading
        assert runs == 1
        assert store.condition().outages == 0


async def test_one_that_takes_no_more_connections_is_still_there(postgres: PostgresServer, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "PATIENCE_S", 0.5)
    database = postgres.new_database()
    postgres.execute(f"ALTER DATABASE {database} CONNECTION LIMIT 3")
    postgres.execute("CREATE ROLE plain LOGIN")
    postgres.execute("GRANT ALL ON SCHEMA public TO plain", database)
    try:
        async with open_store(postgres.url(database).replace("hub@", "plain@"), pool_size=2, clock=clock) as store:
            await ask(store)  # the listener, the prober and the reader have theirs
            with pytest.raises(DatabaseUnavailableError, match="too many connections"):
                await store.write(add(clock, "nobody"))
            await ask(store)
            assert (store.condition().away, store.condition().outages) == (False, 0)
            postgres.execute(f"ALTER DATABASE {database} CONNECTION LIMIT 10")
            await store.write(add(clock, "somebody"))
    finally:
        postgres.execute("DROP OWNED BY plain", database)
        postgres.execute("DROP ROLE plain")


async def test_notices_go_on_to_arrive_in_a_process_with_thousands_of_sockets(postgres: PostgresServer, clock: FakeClock) -> None:
    most = 3000
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], most), before[1]))
    database = postgres.new_database()
    taken: list[int] = []
    try:
        async with relayed(postgres) as relay, opened(relay, database, clock) as store, store.follow((Topic.USER,)) as batches:
            relay.turn(Way.CLOSED)
            await until(lambda: store.condition().away, "the truth")
            while len(taken) < 1100:
                taken.append(os.open(os.devnull, os.O_RDONLY))
            relay.turn(Way.OPEN)
            for name in ("one", "two"):
                await persist(partial(store.write, add(clock, name)))
                async with asyncio.timeout(20):
                    assert [notice.key for notice in await anext(batches)] == [name]
    finally:
        for number in taken:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("way", [Way.CLOSED, Way.SILENT])
async def test_after_a_failover_all_goes_on_and_what_was_changed_meanwhile_is_seen(way: Way, postgresql_bin: Path, clock: FakeClock) -> None:
    primary = PostgresServer(postgresql_bin)
    try:
        primary.start()
        database = primary.new_database()
        async with relayed(primary) as relay, opened(relay, database, clock) as store:
            standby = Standby(postgresql_bin, primary)
            try:
                standby.start()
                async with store.follow((Topic.USER,)) as batches:
                    await store.write(add(clock, "before"))
                    assert [notice.key for notice in await anext(batches)] == ["before"]
                    relay.turn(way)
                    own = asyncio.create_task(persist(partial(store.write, add(clock, "own"))))
                    reading = [asyncio.create_task(persist(partial(store.read, lambda tx: tx.users.count()))) for _ in range(SIZE)]
                    await asyncio.to_thread(standby.promote)
                    async with open_store(standby.url(database), pool_size=2, clock=clock) as other:
                        await other.write(add(clock, "meanwhile"))
                    await until(lambda: store.condition().away, "the truth")
                    relay.lead_to(way_to(standby))
                    relay.turn(Way.OPEN)
                    seen: list[str] = []
                    async with asyncio.timeout(20):
                        while len(seen) < 2:
                            seen += [notice.key for notice in await anext(batches)]
                    await own
                    await asyncio.gather(*reading)
                    assert seen == ["meanwhile", "own"]
                    assert await store.read(lambda tx: tx.users.count()) == 3
            finally:
                standby.close()
    finally:
        primary.close()


async def test_after_a_gap_each_follower_starts_over_once(postgres: PostgresServer, clock: FakeClock) -> None:
    database = postgres.new_database()
    async with relayed(postgres) as relay, opened(relay, database, clock) as store:
        begun = asyncio.Semaphore(0)
        over: list[int] = []

        async def follow(number: int) -> None:
            while True:
                async with store.follow((Topic.USER,)) as batches:
                    begun.release()
                    try:
                        async for batch in batches:
                            if any(notice.key == "last" for notice in batch):
                                return
                    except LookupError:
                        over.append(number)

        async with asyncio.timeout(40), asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(follow(number))
            for _ in range(5):
                await begun.acquire()
            relay.turn(Way.CLOSED)
            await until(lambda: store.condition().away, "the truth")
            async with open_store(postgres.url(database), pool_size=2, clock=clock) as other:
                for name in ("missed", "too"):
                    await other.write(add(clock, name))
                await clock.turn(60)
                await other.write(lambda tx: tx.notices.trim(clock.now()))
            relay.turn(Way.OPEN)
            for _ in range(5):
                await begun.acquire()
            await persist(partial(store.write, add(clock, "last")))
        assert sorted(over) == [0, 1, 2, 3, 4]


async def test_of_several_servers_the_one_that_takes_changes_is_found(postgresql_bin: Path, clock: FakeClock) -> None:
    primary = PostgresServer(postgresql_bin)
    try:
        primary.start()
        database = primary.new_database()
        standby = Standby(postgresql_bin, primary)
        try:
            standby.start()
            both = f"postgresql://hub@/{database}?host={quote(str(standby.folder), safe='')},{quote(str(primary.folder), safe='')}"
            async with open_store(both, pool_size=SIZE, clock=clock) as store, store.follow((Topic.USER,)) as batches:
                await store.write(add(clock, "before"))
                assert [notice.key for notice in await anext(batches)] == ["before"]
                await asyncio.to_thread(standby.promote)
                await persist(partial(store.write, add(clock, "after")))
                async with asyncio.timeout(20):
                    assert [notice.key for notice in await anext(batches)] == ["after"]
        finally:
            standby.close()
    finally:
        primary.close()


async def test_a_standby_is_not_taken_for_the_database(postgresql_bin: Path, clock: FakeClock) -> None:
    primary = PostgresServer(postgresql_bin)
    try:
        primary.start()
        database = primary.new_database()
        async with relayed(primary) as relay, opened(relay, database, clock) as store:
            await store.write(add(clock, "before"))
            standby = Standby(postgresql_bin, primary)
            try:
                standby.start()
                relay.lead_to(way_to(standby))
                relay.turn(Way.CLOSED)
                relay.turn(Way.OPEN)
                with pytest.raises(DatabaseUnavailableError):
                    await ask(store)
                await until(lambda: store.condition().away, "the truth")
                await asyncio.to_thread(standby.promote)
                await until(lambda: not store.condition().away, "the promoted one")
                await ask(store)
            finally:
                standby.close()
    finally:
        primary.close()
