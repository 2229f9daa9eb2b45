"""What is overtaken: a checkpoint by a wish to stop, a replica by another."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from perijove.control.context import Hub
from perijove.control.routing import RouteWatch
from perijove.control.servers.ask import ask_start, ask_stop
from perijove.control.servers.hold import CalledOff, Hold
from perijove.control.servers.lease import LEASE
from perijove.control.servers.sayings import Sayings
from perijove.control.servers.spawner_calls import Statuses
from perijove.domain.errors import StaleError
from perijove.domain.lifecycle import Event
from perijove.domain.server import JsonObject, Phase, ServerId
from perijove.ports.spawner import Checkpoint, Handle, StartEvent, StartRequest
from perijove.testing.clock import FakeClock
from perijove.testing.scripted_spawner import ScriptedSpawner
from tests.unit.control.house import House


class Submitting(ScriptedSpawner):
    """Hears the number of its job just when somebody else has the server stopped, and needs that number to end it."""

    def __init__(self, house: House) -> None:
        super().__init__(house.world)
        self._other = house.hub("other", shared=True)
        self.stopped: list[JsonObject | None] = []

    async def start(self, request: StartRequest) -> AsyncIterator[StartEvent]:
        yield Checkpoint({"job": request.handle.start_id})
        await ask_stop(self._other, "alice", "", actor="alice")
        yield Checkpoint({"job": request.handle.start_id, "number": 4711})
        raise AssertionError("it went on though its state was not written down under a start that goes on")

    async def stop(self, handle: Handle, grace_s: float) -> None:
        self.stopped.append(handle.state)
        await super().stop(handle, grace_s)


async def test_a_checkpoint_overtaken_by_a_wish_to_stop_is_not_lost(house: House) -> None:
    spawner = Submitting(house)
    async with house.running(replace(house.hub(), spawner=spawner)) as hub:
        server = await ask_start(hub, "alice", "", options=None, actor="alice")
        assert await house.until(hub, lambda server: server is not None and server.phase is Phase.STOPPED)
        assert spawner.stopped == [{"job": server.start_id, "number": 4711}]
        assert Event.BROKE not in [move.event for move in house.witness.moves]
        await house.check()


class TestAnotherReplica:
    @pytest.fixture
    def time(self) -> FakeClock:
        return FakeClock()

    @pytest.mark.parametrize("phase", [Phase.STARTING, Phase.WAITING, Phase.STOPPING])
    async def test_a_replica_overtaken_without_noticing_cannot_write(self, house: House, time: FakeClock, phase: Phase) -> None:
        first, second = house.hub("first", shared=True), house.hub("second", shared=True)
        asked = await ask_start(first, "alice", "", options=None, actor="alice")
        left = hold(first, asked.id)
        server = await left.look()
        assert server is not None
        if phase is Phase.WAITING:
            server = await left.move(server, Event.UP, address="http://127.0.0.1:1")
        elif phase is Phase.STOPPING:
            await ask_stop(first, "alice", "", actor="alice")
            server = await left.look()
        assert server is not None
        assert server.phase is phase
        assert await hold(second, asked.id).look() is None, "the lease lasts"
        await time.turn(LEASE.total_seconds() + 0.1)
        taken = await hold(second, asked.id).look()
        assert taken is not None
        assert taken.lease_holder == "second"
        assert (taken.phase is Phase.UNKNOWN) == (phase is Phase.WAITING)
        with pytest.raises(StaleError):
            await left.move(server, Event.BROKE if phase is not Phase.STOPPING else Event.GONE)
        assert await house.server() == taken

    async def test_a_replica_that_lost_its_lease_does_nothing_more(self, house: House, time: FakeClock) -> None:
        hub = house.hub("first", shared=True)
        asked = await ask_start(hub, "alice", "", options=None, actor="alice")
        held = hold(hub, asked.id)
        server = await held.look()
        assert server is not None
        before = await house.server()
        held.lose()
        with pytest.raises(CalledOff):
            async with held.waiting():
                raise AssertionError("it waits for the outside")
        with pytest.raises(CalledOff):
            await held.move(server, Event.UP, address="http://127.0.0.1:1")
        assert await held.look() is None
        assert await house.server() == before

    async def test_the_row_of_a_ready_server_belongs_to_nobody(self, house: House, time: FakeClock) -> None:
        async with house.running(house.hub("first", shared=True)) as hub:
            await ask_start(hub, "alice", "", options=None, actor="alice")
            server = await house.settled(hub)
            assert server is not None
            assert (server.phase, server.lease_holder) == (Phase.READY, None)
            await time.turn(60)
            assert await hold(hub, server.id).look() is None
            assert await house.server() == server
            assert time.now() - (server.ready_at or time.now()) >= timedelta(seconds=60)


def hold(hub: Hub, server_id: ServerId) -> Hold:
    return Hold(hub, server_id, routes=RouteWatch(hub), statuses=Statuses(hub), sayings=Sayings(hub))
