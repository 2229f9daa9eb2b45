"""The database is gone for more than a minute: no server is declared failed for it, and what was under way goes on by itself."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from perijove.control.servers.ask import ask_start, ask_stop
from perijove.control.watch import Watch
from perijove.domain.lifecycle import Event
from perijove.domain.server import Phase
from perijove.ports.store.store import DatabaseUnavailableError, Tx
from perijove.testing.clock import FakeClock
from perijove.testing.fuse import Fuse
from perijove.testing.world import Moment
from tests.unit.control.house import House, Mortal

T = TypeVar("T")
GONE_S = 75.0


@pytest.fixture
def time() -> FakeClock:
    return FakeClock()


class Remote(Mortal):
    """A database that may be away for a while."""

    away = False

    async def read(self, query: Callable[[Tx], T]) -> T:
        if self.away:
            raise DatabaseUnavailableError("Connection refused.")
        return await super().read(query)

    async def write(self, change: Callable[[Tx], T]) -> T:
        if self.away:
            raise DatabaseUnavailableError("Connection refused.")
        return await super().write(change)


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.WAITING, Phase.READY, Phase.STOPPING])
async def test_what_was_under_way_goes_on_and_nobody_is_declared_failed(house: House, time: FakeClock, phase: Phase) -> None:
    remote = Remote(house.store, Fuse(), shared=True)
    hub = replace(house.hub("one", shared=True), store=remote, watch=Watch(remote, time))
    script = house.world.script("alice/")
    script.hangs = {Phase.STARTING: Moment.BEGUN, Phase.STOPPING: Moment.STOP}.get(phase)
    script.status = None if phase is Phase.WAITING else 200
    async with house.running(hub):
        server = await ask_start(hub, "alice", "", options=None, actor="alice")
        if phase is Phase.STOPPING:
            await house.until(hub, lambda server: server is not None and server.phase is Phase.READY)
            await ask_stop(hub, "alice", "", actor="alice")
        await house.until(hub, lambda server: server is not None and server.phase is phase)
        if script.hangs is not None:
            await house.world.until(lambda: ("alice/", script.hangs) in house.world.reached)
        processes = house.world.live()

        remote.away = True
        for _ in range(int(GONE_S / 0.5)):
            await time.turn(0.5)
            await asyncio.sleep(0.001)
        assert house.world.live() == processes, "notebooks go on"
        script.hangs, script.status = None, 200
        house.world.go_on()
        remote.away = False

        end = Phase.STOPPED if phase is Phase.STOPPING else Phase.READY
        seen: list[Phase] = []

        async def look() -> None:
            while not seen or seen[-1] is not end:
                present = await house.server()
                assert present is not None
                seen.append(present.phase)
                await time.turn(0.25)
                await asyncio.sleep(0.002)

        async with asyncio.timeout(20):
            await look()
        assert {Event.BROKE, Event.DIED}.isdisjoint(move.event for move in house.witness.moves)
        present = await house.server()
        assert present is not None
        assert present.start_id == server.start_id or end is Phase.STOPPED
        await house.check()
