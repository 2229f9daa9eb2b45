"""A replica that cannot reach the database, or was overtaken, lets go of its servers before anybody else may touch them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from perijove.control.context import Hub
from perijove.control.servers.ask import ask_start, ask_stop
from perijove.control.servers.lease import LEASE
from perijove.domain.lifecycle import Event
from perijove.domain.server import Phase
from perijove.ports.store.store import DatabaseUnavailableError, Tx
from perijove.testing.clock import FakeClock
from perijove.testing.world import Moment, Script
from tests.unit.control.house import House


class Away:
    """A database that does not answer while `away`, and which counts what was written."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.away = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def read(self, query: Callable[[Tx], Any]) -> Any:
        return await self._run(self._store.read, query)

    async def write(self, change: Callable[[Tx], Any]) -> Any:
        return await self._run(self._store.write, change)

    async def _run(self, how: Any, function: Callable[[Tx], Any]) -> Any:
        if self.away:
            raise DatabaseUnavailableError("The database does not answer.")
        return await how(function)


@pytest.fixture
def time() -> FakeClock:
    return FakeClock()


def cut_off(house: House, replica: str, *, shared: bool) -> tuple[Hub, Away]:
    hub = house.hub(replica, shared=shared)
    store = Away(hub.store)
    faked: Any = store
    return replace(hub, store=faked), store


def reached(house: House, moment: Moment) -> Callable[[], bool]:
    return lambda: ("alice/", moment) in house.world.reached


async def test_a_replica_that_cannot_renew_ends_its_work_before_another_may_begin_it(house: House, time: FakeClock) -> None:
    house.world.scripts["alice/"] = Script(hangs=Moment.BEGUN)
    first, database = cut_off(house, "first", shared=True)
    async with house.running(first):
        asked = await ask_start(first, "alice", "", options=None, actor="alice")
        await house.world.until(reached(house, Moment.BEGUN))
        began = time.monotonic()
        waiting = len(house.world._news)
        database.away = True
        await time.turn_until(lambda: len(house.world._news) < waiting, step_s=0.5)  # its start() was cancelled
        assert time.monotonic() - began <= LEASE.total_seconds()
        present = await house.server()
        assert present is not None
        assert (present.phase, present.lease_holder) == (asked.phase, "first")
        async with house.running(house.hub("second", shared=True)) as second:
            house.world.script("alice/").hangs = None
            await time.turn_until(lambda: any(move.event is Event.ROUTED for move in house.witness.moves), step_s=0.5)
            server = await house.settled(second)
            assert server is not None
            assert (server.phase, server.start_id, len(house.world.processes)) == (Phase.READY, asked.start_id, 1)
            database.away = False
            await house.check()


async def test_a_lone_hub_keeps_at_its_work_while_the_database_is_away(house: House, time: FakeClock) -> None:
    """Nobody else can take it over, so calling starts off would only harm."""
    house.world.scripts["alice/"] = Script(hangs=Moment.BEGUN)
    hub, database = cut_off(house, "lone", shared=False)
    async with house.running(hub):
        await ask_start(hub, "alice", "", options=None, actor="alice")
        await house.world.until(reached(house, Moment.BEGUN))
        database.away = True
        await time.turn(120)
        database.away = False
        house.world.script("alice/").hangs = None
        house.world.go_on()
        assert await house.until(hub, lambda server: server is not None and server.ready)
        assert house.world.reached.count(("alice/", Moment.BEGUN)) == 1
        await house.check()


async def test_a_database_that_is_away_when_a_step_is_to_be_written_down_fails_no_start(house: House, time: FakeClock) -> None:
    house.world.scripts["alice/"] = Script(hangs=Moment.BEGUN)
    hub, database = cut_off(house, "lone", shared=False)
    async with house.running(hub):
        asked = await ask_start(hub, "alice", "", options=None, actor="alice")
        await house.world.until(reached(house, Moment.BEGUN))
        database.away = True
        house.world.script("alice/").hangs = None
        house.world.go_on()  # its address cannot be written down now
        await time.turn(5)
        database.away = False
        await time.turn_until(lambda: any(move.event is Event.ROUTED for move in house.witness.moves))
        server = await house.server()
        assert server is not None
        assert (server.phase, server.start_id, len(house.world.processes)) == (Phase.READY, asked.start_id, 1)
        await house.check()


async def test_a_replica_that_ends_in_peace_gives_its_work_to_the_next_at_once(house: House, time: FakeClock) -> None:
    house.world.scripts["alice/"] = Script(hangs=Moment.BEGUN)
    async with house.running(house.hub("first", shared=True)) as first:
        asked = await ask_start(first, "alice", "", options=None, actor="alice")
        await house.world.until(reached(house, Moment.BEGUN))
    left = await house.server()
    assert left is not None
    assert (left.phase, left.lease_holder) == (Phase.STARTING, None)
    house.world.script("alice/").hangs = None
    async with house.running(house.hub("second", shared=True)) as second:
        server = await house.until(second, lambda server: server is not None and server.ready)
        assert server is not None
        assert server.start_id == asked.start_id
        assert time.now() - (server.started_at or time.now()) < timedelta(seconds=1)
        await house.check()


async def test_somebody_impatient_has_a_stop_that_failed_tried_again_at_once(house: House, time: FakeClock) -> None:
    async with house.running(house.hub()) as hub:
        await ask_start(hub, "alice", "", options=None, actor="alice")
        await house.settled(hub)
        house.world.script("alice/").fails = (Moment.STOP, OSError("no route to host"))
        await ask_stop(hub, "alice", "", actor="alice")
        await house.world.until(reached(house, Moment.STOP))
        await time.turn(0.1)
        house.world.script("alice/").fails = None
        await ask_stop(hub, "alice", "", actor="alice")  # time stands still: nothing else can wake it
        server = await house.settled(hub)
        assert server is not None
        assert server.phase is Phase.STOPPED
        await house.check()
