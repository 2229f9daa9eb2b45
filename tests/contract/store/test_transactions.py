"""Many callers at once: all or nothing for each, whatever the others of its commit do."""

import asyncio
from dataclasses import replace

import pytest

from perijove.adapters.store_sql import SqlStore, open_store
from perijove.domain.errors import ConflictError, StaleError
from perijove.domain.server import Server
from perijove.domain.user import User
from perijove.ports.store.access import UserQuery
from perijove.ports.store.store import DatabaseUnavailableError, Tx
from perijove.testing.clock import FakeClock
from perijove.wire.names import DEFAULT_SERVER
from tests.contract.store.records import adding


async def test_a_thousand_changes_at_once_disturb_each_other_in_nothing(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()
    await store.write(lambda tx: tx.users.add("taken", now=now))

    async def change(number: int) -> str:
        def write(tx: Tx) -> str:
            user = tx.users.add(f"u{number}", now=now)
            tx.servers.add(user.id, DEFAULT_SERVER, now=now)
            if number % 10 == 3:
                raise ZeroDivisionError(number)
            if number % 10 == 6:
                tx.users.add("taken", now=now)
            if number % 10 == 9:
                tx.users.link_identity(user.id, None, "x")  # type: ignore[arg-type] # the database itself refuses this
            return user.name

        try:
            return await store.write(write)
        except (ZeroDivisionError, ConflictError) as error:
            return type(error).__name__

    async with asyncio.TaskGroup() as tasks:
        done = [tasks.create_task(change(number)) for number in range(1000)]
    wanted = {3: "ZeroDivisionError", 6: "ConflictError", 9: "ConflictError"}
    assert [task.result() for task in done] == [wanted.get(number % 10, f"u{number}") for number in range(1000)]
    page = await store.read(lambda tx: tx.users.page(UserQuery(limit=2000)))
    assert {user.name for user in page.items} == {"taken", *(f"u{number}" for number in range(1000) if number % 10 not in wanted)}
    kept = await store.read(lambda tx: tx.servers.counts())
    assert sum(kept.values()) == 700


async def test_of_two_who_save_the_same_record_one_is_told(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()
    server = await store.write(lambda tx: tx.servers.add(tx.users.add("ann", now=now).id, DEFAULT_SERVER, now=now))

    async def save(number: int) -> Server | None:
        try:
            return await store.write(lambda tx: tx.servers.save(replace(server, attempt=number)))
        except StaleError:
            return None

    async with asyncio.TaskGroup() as tasks:
        tries = [tasks.create_task(save(number)) for number in range(20)]
    (won,) = [task.result() for task in tries if task.result()]
    assert await store.read(lambda tx: tx.servers.get(server.id)) == won


async def test_what_a_change_reads_stays_true_until_it_is_done(store: SqlStore, clock: FakeClock) -> None:
    """Read, add one, write: no addition is lost, on a user, on a server, or on what a name stands for."""
    now = clock.now()
    server = await store.write(lambda tx: tx.servers.add(tx.users.add("ann", now=now).id, DEFAULT_SERVER, now=now))

    def add(tx: Tx) -> None:
        user = tx.users.get("ann")
        assert user is not None
        tx.users.save(replace(user, display_name=user.display_name + "x"))
        found = tx.servers.get(server.id)
        assert found is not None
        tx.servers.save(replace(found, attempt=found.attempt + 1))

    def add_few(tx: Tx) -> None:
        tx.serialise("few")
        number = tx.groups.page(0, 1).total
        if number < 5:
            tx.groups.add(f"g{number}", now=now)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(60):
            tasks.create_task(store.write(add))
            tasks.create_task(store.write(add_few))

    def sums(tx: Tx) -> tuple[int, int, int]:
        user, found = tx.users.get("ann"), tx.servers.get(server.id)
        assert user is not None
        assert found is not None
        return len(user.display_name), found.attempt, tx.groups.page(0, 1).total

    assert await store.read(sums) == (60, 60, 5)


async def test_changes_that_lock_crosswise_all_get_through(store: SqlStore, clock: FakeClock) -> None:
    await store.write(lambda tx: tx.users.add_missing(["a", "b"], now=clock.now()))

    async def cross(first: str, second: str) -> None:
        def write(tx: Tx) -> None:
            for name in (first, second):
                user = tx.users.get(name)
                assert user is not None
                tx.users.save(replace(user, display_name=user.display_name + "x"))

        await store.write(write)

    async with asyncio.TaskGroup() as tasks:
        for number in range(40):
            tasks.create_task(cross(*(("a", "b") if number % 2 else ("b", "a"))))
    lengths = await store.read(lambda tx: [len(user.display_name) for user in map(tx.users.get, "ab") if user])
    assert lengths == [40, 40]


async def test_a_read_sees_one_moment(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()
    stop = asyncio.Event()

    async def grow() -> None:
        number = 0
        while not stop.is_set():
            number += 1

            def write(tx: Tx, name: str = f"u{number}") -> None:
                tx.users.add(name, now=now)
                tx.groups.add(name, now=now)

            await store.write(write)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(grow())
        for _ in range(50):
            users, groups = await store.read(lambda tx: (tx.users.count(), tx.groups.page(0, 1).total))
            assert users == groups
        stop.set()


async def test_a_query_cannot_change_anything(store: SqlStore, clock: FakeClock) -> None:
    with pytest.raises(RuntimeError, match="read-only"):
        await store.read(lambda tx: tx.groups.add("g", now=clock.now()))
    assert await store.read(lambda tx: tx.groups.get("g")) is None


async def test_a_cancelled_caller_stops_nobody_else(store: SqlStore, clock: FakeClock) -> None:
    tasks = [asyncio.ensure_future(store.write(adding(f"u{number}", clock.now()))) for number in range(100)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, User) for result in done[1::2])
    assert all(await store.read(lambda tx: [tx.users.get(f"u{number}") for number in range(1, 100, 2)]))


async def test_what_was_asked_before_the_end_is_done_and_what_comes_after_is_refused(url: str, clock: FakeClock) -> None:
    async with open_store(url, pool_size=2, clock=clock) as store:
        last = [asyncio.ensure_future(store.write(adding(f"u{number}", clock.now()))) for number in range(50)]
        await asyncio.sleep(0)
    assert len(await asyncio.gather(*last)) == 50
    with pytest.raises(DatabaseUnavailableError, match="going down"):
        await store.read(lambda tx: tx.users.count())
    async with open_store(url, pool_size=2, clock=clock) as store:
        assert await store.read(lambda tx: tx.users.count()) == 50


async def test_a_function_that_ends_its_iterator_is_heard_of(store: SqlStore) -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await store.write(lambda tx: next(iter(())))
