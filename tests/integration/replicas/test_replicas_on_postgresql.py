"""Two hubs that share nothing but PostgreSQL: locks, leases and notices are the database's own here."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from perijove.adapters.store_sql import open_store
from perijove.adapters.system_clock import SystemClock
from perijove.control.board import Board
from perijove.control.context import Hub
from perijove.control.servers.ask import ask_delete, ask_start, ask_stop
from perijove.control.servers.lease import LEASE
from perijove.control.servers.queueing import place_of
from perijove.domain.errors import BadInputError
from perijove.domain.lifecycle import Event
from perijove.domain.server import Phase
from perijove.ports.store.store import Tx
from perijove.testing.clock import FakeClock
from perijove.testing.world import Moment, Script, World
from tests.contract.store.postgres import PostgresServer
from tests.unit.control.house import House

NAMES = [f"s{number}" for number in range(20)]


@pytest.fixture(scope="module")
def postgres(postgresql_bin: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(postgresql_bin)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def time() -> FakeClock | SystemClock:
    return SystemClock()


@pytest.fixture
async def houses(postgres: PostgresServer, time: FakeClock | SystemClock) -> AsyncIterator[tuple[House, House]]:
    """One database and one world, reached by two processes' worth of connections."""
    url, world = postgres.url(postgres.new_database()), World()
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(open_store(url, pool_size=4, clock=time)) for _ in range(2)]
        await stores[0].write(lambda tx: tx.users.add_missing(["alice", "bob"], now=time.now()))
        first = House(stores[0], world, time)
        yield first, House(stores[1], world, time, first.witness)


async def settle(house: House, phase: Phase) -> None:
    """Until all of alice's servers are there."""

    def there(tx: Tx) -> bool:
        alice = tx.users.get("alice")
        servers = [] if alice is None else tx.servers.of_users([alice.id]).get(alice.id, [])
        return len(servers) == len(NAMES) and all(server.phase is phase for server in servers)

    async with asyncio.timeout(30):
        while not await house.store.read(there):
            await asyncio.sleep(0.02)  # a condition with a deadline; notices are what is under test


async def ask(hub: Hub, name: str) -> None:
    """The other hub may have been so quick that it runs already."""
    with contextlib.suppress(BadInputError):
        await ask_start(hub, "alice", name, options=None, actor="alice")


async def test_whoever_is_asked_each_server_is_started_and_stopped_once(houses: tuple[House, House]) -> None:
    limits = {"concurrent_starts": 4}
    one, two = houses
    async with (
        one.running(one.hub("first", shared=True, limits=limits)) as first,
        two.running(two.hub("second", shared=True, limits=limits)) as second,
    ):
        async with asyncio.TaskGroup() as group:
            for name in NAMES:
                for hub in (first, second):
                    group.create_task(ask(hub, name))
        await settle(one, Phase.READY)
        await one.check()
        assert len(one.world.processes) == len(NAMES)
        async with asyncio.TaskGroup() as group:
            for number, name in enumerate(NAMES):
                group.create_task(ask_stop((first, second)[number % 2], "alice", name, actor="alice"))
        await settle(two, Phase.STOPPED)
        await two.check()
        await ask_delete(second, "alice", NAMES[0], actor="alice")
        assert await one.until(first, lambda server: server is None, name=NAMES[0]) is None
    admitted = [move.after.name for move in one.witness.moves if move.event is Event.ADMIT]
    assert sorted(admitted) == sorted(NAMES)


async def test_two_hubs_keep_one_queue_in_its_order_within_its_limits_and_lose_nobody(houses: tuple[House, House]) -> None:
    """A class comes at once to both hubs, everybody for two servers, and those of one group for more than it may have."""
    one, two = houses
    people = [f"p{number:02d}" for number in range(16)]
    physics = people[:6]

    def fill(tx: Tx) -> None:
        tx.users.add_missing(people, now=one.time.now())
        tx.groups.add("physics", now=one.time.now())
        tx.groups.add_users("physics", physics, now=one.time.now())

    await one.store.write(fill)
    one.world.scripts["alice/"] = Script(hangs=Moment.BEGUN)
    limits = {"concurrent_starts": 1, "groups": [{"name": "physics", "active_servers": 2}, {"name": "staff", "priority": 1}]}
    async with (
        one.running(one.hub("first", shared=True, limits=limits)) as first,
        two.running(two.hub("second", shared=True, limits=limits)) as second,
    ):
        await ask_start(first, "alice", "", options=None, actor="alice")
        asked = [
            await ask_start((first, second)[number % 2], user, name, options=None, actor=user)
            for name in ("", "lab")
            for number, user in enumerate(people)
        ]
        assert {server.phase for server in asked} == {Phase.QUEUED}
        for hub in (first, second):
            places = [await place_of(hub, server.id) for server in asked]
            assert [(place.place, place.length) for place in places if place] == [(number, len(asked)) for number in range(1, len(asked) + 1)]
        one.world.script("alice/").hangs = None
        one.world.go_on()
        free = [user for user in people if user not in physics]
        for server in asked:
            if server.user_name in free:
                assert (await one.settled(first, server.user_name, server.name) or server).phase is Phase.READY
        left = await one.store.read(lambda tx: tx.queue.waiting(100))
        assert {waiting.user_id for waiting in left} == {server.user_id for server in asked if server.user_name in physics}
        assert len(left) == 2 * len(physics) - 2
        kept = await place_of(replace(second, board=Board()), left[0].id)
        assert kept is not None
        assert kept.reason == "Your group physics has its 2 servers running."
        for user in physics[:2]:
            await ask_stop(second, user, "", actor=user)
        for user in physics[2:4]:
            assert (await two.settled(second, user) or asked[0]).phase is Phase.READY
    admitted = [move.after.full_name for move in one.witness.moves if move.event is Event.ADMIT]
    wished = [f"{user}/{name}" for name in ("", "lab") for user in (*physics[:2], *free) if not (name and user in physics)]
    assert admitted == ["alice/", *wished, *(f"{user}/" for user in physics[2:4])], "each once, and in the order of the queue"
    assert one.world.doubles == []
    assert most_at_once(one) == 1


def most_at_once(house: House) -> int:
    """How many were between admission and ready at the same time, as the rows' own moments tell."""
    moments = []
    for move in house.witness.moves:
        if move.event is Event.ROUTED and move.after.started_at is not None and move.after.ready_at is not None:
            moments += [(move.after.started_at, 1), (move.after.ready_at, -1)]
    most = now = 0
    for _, change in sorted(moments):
        now += change
        most = max(most, now)
    return most


async def test_stopping_by_one_interrupts_a_start_that_hangs_in_the_other(houses: tuple[House, House]) -> None:
    one, two = houses
    one.world.scripts["alice/"] = Script(hangs=Moment.BEGUN)
    async with one.running(one.hub("first", shared=True)) as first, two.running(two.hub("second", shared=True)) as second:
        await ask_start(first, "alice", "", options=None, actor="alice")
        await one.world.until(lambda: ("alice/", Moment.BEGUN) in one.world.reached)
        await ask_stop(second, "alice", "", actor="alice")
        server = await two.settled(second)
        assert server is not None
        assert server.phase is Phase.STOPPED
        await one.check()


class TestTurningTime:
    @pytest.fixture
    def time(self) -> FakeClock:
        return FakeClock()

    async def test_a_start_whose_hub_vanished_is_finished_by_the_other_when_the_lease_ends(
        self, houses: tuple[House, House], time: FakeClock
    ) -> None:
        one, two = houses
        vanished = one.hub("vanished", shared=True)  # it admits the start, and is never seen again
        async with two.running(two.hub("second", shared=True)) as second:
            asked = await ask_start(vanished, "alice", "", options=None, actor="alice")
            assert (asked.phase, asked.lease_holder) == (Phase.STARTING, "vanished")
            await time.turn(LEASE.total_seconds() - 0.5)
            assert two.world.processes == {}
            await time.turn_until(lambda: any(move.event is Event.ROUTED for move in two.witness.moves))
            server = await two.settled(second)
            assert server is not None
            assert (server.phase, server.start_id) == (Phase.READY, asked.start_id)
            await two.check()
