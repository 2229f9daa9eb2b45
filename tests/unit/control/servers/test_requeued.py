"""A batch system may put a running job back into its queue, and start it elsewhere. Nothing is started twice, nobody is sent astray."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from perijove.control.context import Hub
from perijove.control.servers.ask import ask_start
from perijove.control.servers.limits import limits_of
from perijove.control.servers.polling import poll_once
from perijove.domain.server import Phase, Server
from perijove.ports.spawner import Handle, Pending, Progress, StartEvent, StartRequest, Status
from perijove.testing.clock import FakeClock
from perijove.testing.scripted_spawner import ScriptedSpawner
from perijove.testing.world import Moment, World
from tests.unit.control.house import House


class Batch(ScriptedSpawner):
    """Says of all jobs that they wait, while `pending`."""

    pending = False

    async def poll(self, handles: Sequence[Handle]) -> Sequence[Status]:
        return [Pending("Waiting for a node") for _ in handles] if self.pending else await super().poll(handles)


@pytest.fixture
def time() -> FakeClock:
    return FakeClock()


def hub_and_batch(house: House, **limits: float) -> tuple[Hub, Batch]:
    batch = Batch(house.world)
    return replace(house.hub(limits=dict(limits)), spawner=batch), batch


async def started(house: House, hub: Hub) -> Server:
    await ask_start(hub, "alice", "", options=None, actor="alice")
    server = await house.settled(hub)
    assert server is not None
    assert server.ready
    return server


async def targets(house: House) -> list[str]:
    return [route.target for route in (await house.store.read(lambda tx: tx.routes.all()))[1]]


async def test_a_server_found_at_another_address_is_asked_anew_before_anybody_is_sent_there(house: House) -> None:
    hub, _ = hub_and_batch(house)
    async with house.running(hub):
        server = await started(house, hub)
        house.world.script("alice/").status = None
        (process,) = house.world.live()
        process.address = "http://127.0.0.1:999"
        await poll_once(hub)
        present = await house.until(hub, lambda server: server is not None and server.phase is Phase.WAITING)
        assert present is not None
        assert (present.start_id, await targets(house)) == (server.start_id, [])
        house.world.script("alice/").status = 200
        await turn_until_ready(house, hub)
        assert await targets(house) == ["http://127.0.0.1:999"]
        again = await house.server()
        assert again is not None
        assert again.ready_at == server.ready_at
        await house.check()


class Waiting(Batch):
    """Waits in a queue before it starts anything, until `over`."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.over = asyncio.Event()
        self.waits = asyncio.Event()

    @property
    def queues_starts(self) -> bool:
        return True

    async def start(self, request: StartRequest) -> AsyncIterator[StartEvent]:
        yield Progress("Other jobs are before it.", waits=True)
        self.waits.set()
        await self.over.wait()
        yield Progress("Its node is being made ready.")
        async for event in super().start(request):
            yield event


async def test_a_start_may_wait_in_the_places_queue_for_longer_than_a_start_may_take(house: House) -> None:
    batch = Waiting(house.world)
    hub = replace(house.hub(limits={"start_timeout": 0.1, "concurrent_starts": 1}), spawner=batch)
    async with house.running(hub):
        await ask_start(hub, "alice", "", options=None, actor="alice")
        await batch.waits.wait()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):  # three times the limit
                await house.until(hub, lambda server: server is not None and server.phase is not Phase.STARTING)
        batch.over.set()
        server = await house.settled(hub)
        assert server is not None
        assert server.ready


async def test_what_happens_after_the_wait_has_its_limit_again(house: House) -> None:
    batch = Waiting(house.world)
    house.world.script("alice/").hangs = Moment.BEGUN
    hub = replace(house.hub(limits={"start_timeout": 0.1}), spawner=batch)
    async with house.running(hub):
        await ask_start(hub, "alice", "", options=None, actor="alice")
        await batch.waits.wait()
        batch.over.set()
        server = await house.settled(hub)
        assert server is not None
        assert server.failure is not None
        assert server.failure.code == "start-timeout"


def test_who_waits_in_the_places_queue_keeps_nobody_from_it(house: House) -> None:
    hub = replace(house.hub(limits={"concurrent_starts": 1}), spawner=Waiting(house.world))
    assert limits_of(hub).concurrent_starts == 0


async def test_a_server_put_back_into_the_queue_is_waited_for_as_long_as_it_takes(house: House, time: FakeClock) -> None:
    hub, batch = hub_and_batch(house, start_timeout=30.0, ready_timeout=30.0)
    async with house.running(hub):
        server = await started(house, hub)
        batch.pending = True
        await poll_once(hub)
        assert await house.until(hub, lambda server: server is not None and server.phase is Phase.UNKNOWN)
        assert await targets(house) == []
        for _ in range(100):
            await time.turn(36)  # an hour
        present = await house.server()
        assert present is not None
        assert (present.phase, present.start_id) == (Phase.UNKNOWN, server.start_id)
        batch.pending = False
        (process,) = house.world.live()
        process.address = "http://127.0.0.1:999"
        await turn_until_ready(house, hub)
        assert await targets(house) == ["http://127.0.0.1:999"]
        await house.check()


async def test_one_put_back_before_it_answered_gets_its_time_anew(house: House, time: FakeClock) -> None:
    hub, batch = hub_and_batch(house, ready_timeout=30.0)
    house.world.script("alice/").status = None
    async with house.running(hub):
        await ask_start(hub, "alice", "", options=None, actor="alice")
        await house.until(hub, lambda server: server is not None and server.phase is Phase.WAITING)
        batch.pending = True
        for _ in range(200):
            await time.turn(0.5)
        present = await house.server()
        assert present is not None
        assert present.phase is Phase.WAITING
        batch.pending = False
        house.world.script("alice/").status = 200
        (process,) = house.world.live()
        process.address = "http://127.0.0.1:999"
        await turn_until_ready(house, hub)
        assert await targets(house) == ["http://127.0.0.1:999"]


async def turn_until_ready(house: House, hub: Hub) -> None:
    assert isinstance(house.time, FakeClock)
    moves = house.witness.moves
    await house.time.turn_until(lambda: moves[-1].after.phase is Phase.READY)
    assert await house.until(hub, lambda server: server is not None and server.ready)
