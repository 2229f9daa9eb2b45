"""A batch system may put a running job back into its queue, and start it elsewhere. Nothing is started twice, nobody is sent astray."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from perijove.control.context import Hub
from perijove.control.servers.ask import ask_start
from perijove.control.servers.polling import poll_once
from perijove.domain.server import Phase, Server
from perijove.ports.spawner import Handle, Pending, Status
from perijove.testing.clock import FakeClock
from perijove.testing.scripted_spawner import ScriptedSpawner
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
