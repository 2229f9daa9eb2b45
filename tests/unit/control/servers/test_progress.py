"""Who waits for a server hears how it goes, from the beginning, whenever they come."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from perijove.control.board import Board
from perijove.control.context import Hub
from perijove.control.servers.ask import ask_start, ask_stop
from perijove.control.servers.progress import ProgressEvent, progress
from perijove.domain.errors import SpawnerError
from perijove.domain.server import Server
from perijove.testing.world import Moment, Script
from tests.unit.control.house import House


async def heard(hub: Hub, server: Server) -> list[ProgressEvent]:
    async with asyncio.timeout(10):
        return [event async for event in progress(hub, server)]


async def test_it_begins_with_what_was_said_and_ends_with_how_it_ended(house: House) -> None:
    house.world.scripts["alice/"] = Script(hangs=Moment.BEGUN)
    async with house.running(house.hub()) as hub:
        server = await ask_start(hub, "alice", "", options=None, actor="alice")
        await house.world.until(lambda: ("alice/", Moment.BEGUN) in house.world.reached)
        async with asyncio.TaskGroup() as group:
            hearing = [group.create_task(heard(hub, server)) for _ in range(2)]
            await asyncio.sleep(0)
            house.world.script("alice/").hangs = None
            house.world.go_on()
        late = await heard(hub, server)
    for events in (*(task.result() for task in hearing), late):
        assert "Beginning" in [event.message for event in events]
        percents = [event.percent for event in events if event.percent is not None]
        assert percents == sorted(percents)
        assert [event.last for event in events] == [False] * (len(events) - 1) + [True]
        ended = events[-1].ended
        assert ended is not None
        assert ended.ready


async def test_it_is_kept_though_older_notices_are_forgotten(house: House) -> None:
    async with house.running(house.hub()) as hub:
        server = await ask_start(hub, "bob", "", options=None, actor="bob")
        await house.settled(hub, "bob")
        await house.store.write(lambda tx: tx.notices.trim(house.time.now() + timedelta(hours=1)))
        alices = await ask_start(hub, "alice", "", options=None, actor="alice")
        await house.settled(hub)
        assert "Beginning" in [event.message for event in await heard(hub, alices)]
        assert [event.last for event in await heard(hub, server)] == [True]


async def test_what_was_said_of_an_attempt_before_is_not_said_again(house: House) -> None:
    house.world.scripts["alice/"] = Script(fails=(Moment.BEGUN, SpawnerError("No room.")))
    async with house.running(house.hub()) as hub:
        first = await heard(hub, await ask_start(hub, "alice", "", options=None, actor="alice"))
        assert first[-1].message == "No room."
        house.world.scripts["alice/"] = Script(fails=(Moment.BEFORE_CHECKPOINT, SpawnerError("Not at all.")))
        second = await heard(hub, await ask_start(hub, "alice", "", options=None, actor="alice"))
        assert "Beginning" not in [event.message for event in second]
        assert second[-1].message == "Not at all."


async def test_in_the_queue_one_hears_the_place_and_what_for(house: House) -> None:
    house.world.scripts["alice/"] = Script(hangs=Moment.BEGUN)
    async with house.running(replace(house.hub(limits={"concurrent_starts": 1}), board=Board(keep_s=0.05))) as hub:
        await ask_start(hub, "alice", "", options=None, actor="alice")
        await ask_start(hub, "alice", "lab", options=None, actor="alice")
        waiting = await ask_start(hub, "bob", "", options=None, actor="bob")
        events = progress(hub, waiting)
        first = await anext(events)
        assert "1st of 2" in first.message  # alice has one that starts, and asked before
        assert "Many servers are starting" in first.message
        await ask_stop(hub, "alice", "lab", actor="alice")
        async with asyncio.timeout(10):
            assert "1st of 1" in (await anext(events)).message
        house.world.script("alice/").hangs = None
        house.world.go_on()
        async with asyncio.timeout(10):
            rest = [event async for event in events]
        assert rest[-1].ended is not None
        assert rest[-1].ended.ready


async def test_a_new_attempt_begins_at_the_beginning(house: House) -> None:
    house.world.scripts["alice/"] = Script(hangs=Moment.BEGUN)
    async with house.running(house.hub()) as hub:
        server = await ask_start(hub, "alice", "", options=None, actor="alice")
        events = progress(hub, server)
        async with asyncio.timeout(10):
            while (event := await anext(events)).message != "Beginning":
                pass
        assert event.percent is not None
        house.world.script("alice/").hangs = Moment.STOP
        house.world.go_on()
        await ask_stop(hub, "alice", "", actor="alice")
        await house.world.until(lambda: ("alice/", Moment.STOP) in house.world.reached)
        await ask_start(hub, "alice", "", options=None, actor="alice")
        house.world.scripts["alice/"] = Script()
        house.world.go_on()
        async with asyncio.timeout(10):
            rest = [later async for later in events]
        assert min(later.percent for later in rest if later.percent is not None) < event.percent
        assert rest[-1].percent == 100
