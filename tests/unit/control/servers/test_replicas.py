"""Two replicas on one database: each server is driven by one of them, and by the other when that one dies."""

import asyncio
import contextlib

import pytest

from perijove.control.context import Hub
from perijove.control.servers.ask import ask_delete, ask_start, ask_stop
from perijove.domain.errors import BadInputError
from perijove.domain.lifecycle import Event
from perijove.domain.limits import STARTING_PHASES
from perijove.domain.server import Phase, Server
from perijove.testing.clock import FakeClock
from perijove.testing.fuse import Fuse
from perijove.testing.world import Moment, Script, World
from tests.unit.control.house import House, until_killed

NAMES = [f"s{number}" for number in range(12)]


async def ask_twice(hub: Hub, name: str) -> None:
    """The second to ask may find the server ready already, and be told so."""
    with contextlib.suppress(BadInputError):
        await ask_start(hub, "alice", name, options=None, actor="alice")


async def test_each_server_is_started_and_stopped_once_whoever_was_asked(house: House) -> None:
    async with house.running(house.hub("first", shared=True)) as first, house.running(house.hub("second", shared=True)) as second:
        async with asyncio.TaskGroup() as group:
            for name in NAMES:
                for hub in (first, second):
                    group.create_task(ask_twice(hub, name))
        for number, name in enumerate(NAMES):
            server = await house.settled((first, second)[number % 2], name=name)
            assert server is not None
            assert (server.phase, server.attempt) == (Phase.READY, 1)
        await house.check()
        assert len(house.world.processes) == len(NAMES)
        for number, name in enumerate(NAMES):
            await ask_stop((first, second)[number // 2 % 2], "alice", name, actor="alice")
        for name in NAMES:
            server = await house.settled(first, name=name)
            assert server is not None
            assert server.phase is Phase.STOPPED
        await house.check()
    admitted = [move.after.full_name for move in house.witness.moves if move.event is Event.ADMIT]
    assert sorted(admitted) == sorted(f"alice/{name}" for name in NAMES)


async def test_a_limit_holds_for_both_together(house: House) -> None:
    for name in NAMES:
        house.world.scripts[f"alice/{name}"] = Script(hangs=Moment.BEGUN)
    limits = {"concurrent_starts": 3}
    async with (
        house.running(house.hub("first", shared=True, limits=limits)) as first,
        house.running(house.hub("second", shared=True, limits=limits)) as second,
    ):
        async with asyncio.TaskGroup() as group:
            for number, name in enumerate(NAMES):
                group.create_task(ask_start((first, second)[number % 2], "alice", name, options=None, actor="alice"))
        for name in await in_order_of_admission(house):
            assert await starting(house) <= 3
            house.world.script(f"alice/{name}").hangs = None
            house.world.go_on()
            server = await house.settled(first, name=name)
            assert server is not None
            assert server.phase is Phase.READY
        await house.check()


async def test_stopping_by_one_interrupts_a_start_that_hangs_in_the_other(house: House) -> None:
    house.world.scripts["alice/"] = Script(hangs=Moment.BEGUN)
    async with house.running(house.hub("first", shared=True)) as first, house.running(house.hub("second", shared=True)) as second:
        await ask_start(first, "alice", "", options=None, actor="alice")
        await house.world.until(lambda: ("alice/", Moment.BEGUN) in house.world.reached)
        await ask_stop(second, "alice", "", actor="alice")
        server = await house.settled(second)
        assert server is not None
        assert server.phase is Phase.STOPPED
        await house.check()


class TestDeath:
    """One replica is killed at every point it passes; the other, there all the time, takes over when the lease ends."""

    @pytest.fixture
    def time(self) -> FakeClock:
        return FakeClock()

    @pytest.mark.parametrize("what", ["start", "stop", "delete", "stop during start"])
    async def test_the_other_takes_over(self, house: House, time: FakeClock, what: str) -> None:
        at, died = 0, True
        while died:
            at += 1
            died = await self.killed_at(at, what, House(house.store, World(), time), time)
        assert at > 5, "nothing was interrupted"

    async def killed_at(self, at: int, what: str, house: House, time: FakeClock) -> bool:
        fuse = Fuse()
        script = house.world.script("alice/lab")
        async with house.running(house.hub("other", shared=True)) as other:
            async with house.running(house.hub(f"killed at {at}", fuse=fuse, shared=True)) as hub:
                if what == "stop during start":
                    script.hangs = Moment.BEGUN
                    await ask_start(hub, "alice", "lab", options=None, actor="alice")
                    await house.world.until(lambda: bool(house.world.live()))
                elif what != "start":
                    await started(house, hub)
                fuse.arm(at)
                died = await until_killed(fuse, act(house, hub, what))
            script.hangs = None
            house.world.go_on()
            wished = await house.server(name="lab")
            await turned_until(house, time, fuse)
            server = await house.server(name="lab")
            if server is not None and wished is not None:
                assert server.desired is wished.desired
            await house.check()
            if server is not None:
                await ask_delete(other, "alice", "lab", actor="alice")
                await house.until(other, lambda server: server is None, name="lab")
            await house.check()
            assert house.world.live() == []
        return died


async def act(house: House, hub: Hub, what: str) -> None:
    if what == "start":
        await started(house, hub)
    elif what == "delete":
        await ask_delete(hub, "alice", "lab", actor="alice")
        await house.until(hub, lambda server: server is None, name="lab")
    else:
        await ask_stop(hub, "alice", "lab", actor="alice")
        await house.until(hub, lambda server: server is not None and server.stopped, name="lab")


async def started(house: House, hub: Hub) -> None:
    await ask_start(hub, "alice", "lab", options=None, actor="alice")
    await house.until(hub, lambda server: server is not None and server.ready, name="lab")


async def turned_until(house: House, time: FakeClock, fuse: Fuse) -> None:
    """Let time pass until the server is as wished."""
    try:
        async with asyncio.timeout(20):
            while not as_wished(await house.server(name="lab")):
                await time.turn(0.5)
    except TimeoutError:
        raise AssertionError(f"not taken over after {fuse.points}: {await house.server(name='lab')}") from None


def as_wished(server: Server | None) -> bool:
    return server is None or (server.ready if server.desired.value == "running" else server.stopped and server.desired.value == "stopped")


async def in_order_of_admission(house: House) -> list[str]:
    servers = [server for name in NAMES if (server := await house.server(name=name)) is not None and server.queued_at is not None]
    return [server.name for server in sorted(servers, key=lambda server: (server.queued_at, server.id))]


async def starting(house: House) -> int:
    counts = await house.store.read(lambda tx: tx.servers.counts())
    return sum(counts.get(phase, 0) for phase in STARTING_PHASES)
