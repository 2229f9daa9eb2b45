"""Wishes and what becomes of them: a real database, a real reconciler, a spawner that does as its script says."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from perijove.control.context import Hub
from perijove.control.servers.ask import ask_delete, ask_start, ask_stop
from perijove.control.servers.cull import cull_once
from perijove.control.servers.polling import poll_once
from perijove.domain.errors import SpawnerError
from perijove.domain.lifecycle import Event
from perijove.domain.server import Desired, Phase, Server
from perijove.testing.clock import FakeClock
from perijove.testing.world import Moment, Script
from tests.unit.control.house import House


async def start(house: House, hub: Hub, user: str = "alice", name: str = "") -> Server:
    """Ask, and wait until it is settled."""
    await ask_start(hub, user, name, options=None, actor=user)
    server = await house.settled(hub, user, name)
    assert server is not None
    return server


async def test_a_server_starts_and_stops_and_leaves_nothing(house: House) -> None:
    async with house.running(house.hub()) as hub:
        server = await start(house, hub)
        assert (server.phase, server.attempt, server.version) == (Phase.READY, 1, "6.1.1")
        await house.check()
        await ask_stop(hub, "alice", "", actor="alice")
        stopped = await house.settled(hub)
        assert stopped is not None
        assert (stopped.phase, stopped.address, stopped.spawner_state, stopped.failure) == (Phase.STOPPED, None, None, None)
        await house.check()
        assert house.world.live() == []


@pytest.mark.parametrize(
    ("script", "sections", "code", "words"),
    [
        (Script(fails=(Moment.BEFORE_CHECKPOINT, SpawnerError("No room on the node."))), {}, "spawner", "No room"),
        (Script(fails=(Moment.BEGUN, SpawnerError("It ended at once."))), {}, "spawner", "ended at once"),
        (Script(fails=(Moment.AFTER_CHECKPOINT, KeyError("job"))), {}, "spawner-error", "unexpectedly"),
        (Script(ends_without_address=True), {}, "spawner-error", "without saying where"),
        (Script(hangs=Moment.AFTER_CHECKPOINT), {"start_timeout": 0.1}, "start-timeout", "did not start"),
        (Script(hangs=Moment.BEGUN), {"start_timeout": 0.1}, "start-timeout", "did not start"),
        (Script(status=None, dies=Moment.POLL), {}, "exited", "ended at once"),
        (Script(status=None), {"ready_timeout": 0.1}, "ready-timeout", "does not answer"),
        (Script(status=503), {"ready_timeout": 0.1}, "ready-timeout", "503"),
    ],
    ids=["fails at once", "fails late", "bug", "no address", "hangs", "hangs begun", "dies", "silent", "answers 503"],
)
async def test_a_failed_start_says_why_and_leaves_nothing(house: House, script: Script, sections: dict[str, Any], code: str, words: str) -> None:
    house.world.scripts["alice/"] = script
    async with house.running(house.hub(limits=sections)) as hub:
        server = await start(house, hub)
        assert (server.phase, server.desired) == (Phase.FAILED, Desired.STOPPED)
        assert server.failure is not None
        assert server.failure.code == code
        assert words in server.failure.message
        begun = any(process.start_id == server.start_id for process in house.world.processes.values())
        assert server.failure.log_tail == (f"log of {server.start_id}\n" if begun else "")
        assert house.world.live() == []
        await house.check()
        house.world.scripts["alice/"] = Script()
        again = await start(house, hub)
        assert (again.phase, again.attempt, again.failure) == (Phase.READY, 2, None)
        await house.check()


@pytest.mark.parametrize("moment", [Moment.BEFORE_CHECKPOINT, Moment.AFTER_CHECKPOINT, Moment.BEGUN])
async def test_stopping_interrupts_a_start_that_hangs(house: House, moment: Moment) -> None:
    house.world.scripts["alice/"] = Script(hangs=moment)
    async with house.running(house.hub()) as hub:
        await ask_start(hub, "alice", "", options=None, actor="alice")
        await house.world.until(lambda: ("alice/", moment) in house.world.reached)
        await ask_stop(hub, "alice", "", actor="alice")
        server = await house.settled(hub)  # start_timeout is much longer than this waits
        assert server is not None
        assert server.phase is Phase.STOPPED
        await house.check()


async def test_starting_while_it_stops_starts_again_when_it_is_gone(house: House) -> None:
    async with house.running(house.hub()) as hub:
        first = await start(house, hub)
        house.world.script("alice/").hangs = Moment.STOP
        await ask_stop(hub, "alice", "", actor="alice")
        await house.world.until(lambda: ("alice/", Moment.STOP) in house.world.reached)
        asked = await ask_start(hub, "alice", "", options=None, actor="alice")
        assert (asked.phase, asked.desired) == (Phase.STOPPING, Desired.RUNNING)
        assert [process.start_id for process in house.world.live()] == [first.start_id]
        house.world.script("alice/").hangs = None
        house.world.go_on()
        again = await house.until(hub, lambda server: server is not None and server.phase is Phase.READY)
        assert again is not None
        assert again.start_id != first.start_id
        await house.check()


async def test_a_deleted_server_is_stopped_forgotten_and_gone(house: House) -> None:
    async with house.running(house.hub()) as hub:
        await start(house, hub, name="lab")
        await ask_delete(hub, "alice", "lab", actor="alice")
        assert await house.until(hub, lambda server: server is None, name="lab") is None
        assert house.world.forgotten == ["alice/lab"]
        assert house.world.live() == []
        await house.check()


async def test_one_at_a_time_is_let_through_in_the_order_of_asking(house: House) -> None:
    names = ["", "a", "b"]
    for name in names:
        house.world.scripts[f"alice/{name}"] = Script(hangs=Moment.BEGUN)
    async with house.running(house.hub(limits={"concurrent_starts": 1})) as hub:
        for name in names:
            await ask_start(hub, "alice", name, options=None, actor="alice")
        for position, name in enumerate(names):
            await house.world.until(lambda name=name: (f"alice/{name}", Moment.BEGUN) in house.world.reached)  # type: ignore[misc]
            for later in names[position + 1 :]:
                waiting = await house.server(name=later)
                assert waiting is not None
                assert waiting.phase is Phase.QUEUED
            house.world.script(f"alice/{name}").hangs = None
            house.world.go_on()
            server = await house.settled(hub, name=name)
            assert server is not None
            assert server.phase is Phase.READY
        await house.check()


async def test_who_has_as_many_servers_as_allowed_waits_for_an_own_one_and_keeps_nobody_else(house: House) -> None:
    async with house.running(house.hub(limits={"active_servers_per_user": 1})) as hub:
        await start(house, hub)
        second = await ask_start(hub, "alice", "lab", options=None, actor="alice")
        assert second.phase is Phase.QUEUED
        assert (await start(house, hub, "bob")).phase is Phase.READY
        assert await house.server(name="lab") == second
        await ask_stop(hub, "alice", "", actor="alice")
        lab = await house.settled(hub, name="lab")
        assert lab is not None
        assert lab.phase is Phase.READY
        await house.check()


async def test_a_server_that_ended_fails_with_its_exit_code(house: House) -> None:
    async with house.running(house.hub()) as hub:
        server = await start(house, hub)
        house.world.end(server.id, -9, "killed: out of memory")
        await poll_once(hub)
        failed = await house.until(hub, lambda server: server is not None and server.phase is Phase.FAILED)
        assert failed is not None
        assert failed.failure is not None
        assert (failed.failure.code, failed.failure.exit_code, failed.failure.message) == ("died", -9, "killed: out of memory")
        assert failed.failure.log_tail == f"log of {server.start_id}\n"
        await house.check()


@pytest.mark.parametrize("trouble", ["unclear", "bug", "hang"])
async def test_a_place_that_cannot_be_asked_kills_nobody(house: House, trouble: str) -> None:
    async with house.running(house.hub(limits={"hook_timeout": 0.1})) as hub:
        server = await start(house, hub)
        script = house.world.script("alice/")
        match trouble:
            case "unclear":
                script.unclear = True
            case "bug":
                script.fails = (Moment.POLL, ValueError("no such cluster"))
            case "hang":
                script.hangs = Moment.POLL
        await poll_once(hub)
        assert await house.server() == server
        assert len(house.world.live(server.id)) == 1
        script.hangs = None
        house.world.go_on()


async def test_a_stop_that_fails_is_tried_again_and_never_taken_for_done(house: House) -> None:
    async with house.running(house.hub()) as hub:
        server = await start(house, hub)
        house.world.script("alice/").fails = (Moment.STOP, SpawnerError("The node does not answer."))
        await ask_stop(hub, "alice", "", actor="alice")
        await house.world.until(lambda: ("alice/", Moment.STOP) in house.world.reached)
        present = await house.server()
        assert present is not None
        assert present.phase is Phase.STOPPING
        assert len(house.world.live(server.id)) == 1
        house.world.script("alice/").fails = None
        stopped = await house.settled(hub)
        assert stopped is not None
        assert stopped.phase is Phase.STOPPED
        await house.check()


async def test_a_hub_that_ends_in_peace_leaves_its_servers_running_and_the_next_finds_them(house: House) -> None:
    async with house.running(house.hub("first")) as hub:
        server = await start(house, hub)
    assert len(house.world.live()) == 1
    async with house.running(house.hub("second")) as hub:
        await poll_once(hub)
        assert await house.server() == server
        await house.check()


async def test_a_server_that_ended_while_no_hub_was_there_is_noticed(house: House) -> None:
    async with house.running(house.hub("first")) as hub:
        server = await start(house, hub)
    house.world.end(server.id, 1)
    async with house.running(house.hub("second")) as hub:
        failed = await house.until(hub, lambda server: server is not None and server.phase is Phase.FAILED)
        assert failed is not None
        await house.check()


async def test_every_move_is_told_once_and_in_order(house: House) -> None:
    async with house.running(house.hub()) as hub:
        await start(house, hub)
        await ask_stop(hub, "alice", "", actor="alice")
        await house.settled(hub)
    events = [move.event for move in house.witness.moves]
    assert events == [
        Event.ASK_START, Event.ADMIT, Event.CHECKPOINT, Event.UP, Event.ANSWERED, Event.ROUTED, Event.ASK_STOP, Event.GONE,
    ]  # fmt: skip
    for earlier, later in zip(house.witness.moves, house.witness.moves[1:], strict=False):
        assert earlier.after.phase is later.before.phase


class Still(FakeClock):
    """Stands still, but for pauses that nobody would notice."""

    async def sleep(self, seconds: float) -> None:
        await (asyncio.sleep(0) if seconds < 0.1 else super().sleep(seconds))


class TestStandingStill:
    """What must not wait for anybody to look every few seconds."""

    @pytest.fixture
    def time(self) -> Still:
        return Still()

    async def test_a_server_wanted_again_while_it_stops_is_started_in_no_time(self, house: House) -> None:
        """It does not stand in the queue until somebody looks there by chance."""
        async with house.running(house.hub()) as hub:
            await start(house, hub)
            house.world.script("alice/").hangs = Moment.STOP
            await ask_stop(hub, "alice", "", actor="alice")
            await house.world.until(lambda: ("alice/", Moment.STOP) in house.world.reached)
            await ask_start(hub, "alice", "", options=None, actor="alice")
            house.world.script("alice/").hangs = None
            house.world.go_on()
            again = await house.until(hub, lambda server: server is not None and server.ready)
            assert again is not None
            assert again.attempt == 2


class TestTurningTime:
    """Culling, on a clock turned by hand."""

    @pytest.fixture
    def time(self) -> FakeClock:
        return FakeClock()

    @pytest.mark.parametrize("rule", ["idle_after", "max_age"])
    async def test_what_is_idle_or_old_is_stopped_when_its_time_has_come(self, house: House, time: FakeClock, rule: str) -> None:
        async with house.running(house.hub(cull={rule: 3600.0, "every": 10**6})) as hub:
            server = await start(house, hub)
            busy = await start(house, hub, "bob")
            await time.turn(3599)
            moment = time.now()
            await house.store.write(lambda tx: tx.servers.touch({busy.id: moment}))
            await cull_once(hub)
            present = await house.server()
            assert present is not None
            assert present.ready
            await time.turn(1)
            await cull_once(hub)
            gone = await house.settled(hub)
            assert gone is not None
            assert (gone.phase, gone.start_id) == (Phase.STOPPED, server.start_id)
            other = await house.settled(hub, "bob")
            assert other is not None
            assert other.ready == (rule == "idle_after")
            await house.check()

    async def test_culling_spares_a_server_that_was_started_anew(self, house: House, time: FakeClock) -> None:
        async with house.running(house.hub(cull={"max_age": 60.0, "every": 10**6})) as hub:
            await start(house, hub)
            await time.turn(59)
            await ask_stop(hub, "alice", "", actor="alice")
            await house.settled(hub)
            again = await start(house, hub)
            assert again.ready_at is not None
            assert time.now() - again.ready_at < timedelta(seconds=1)
            await time.turn(2)
            await cull_once(hub)
            assert await house.server() == again


async def test_two_who_ask_at_once_start_one_server(house: House) -> None:
    async with house.running(house.hub()) as hub:
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(ask_start(hub, "alice", "", options=None, actor="alice"))
        server = await house.settled(hub)
        assert server is not None
        assert (server.phase, server.attempt) == (Phase.READY, 1)
        await house.check()
