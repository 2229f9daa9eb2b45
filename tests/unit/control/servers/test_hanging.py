"""A plugin that hangs for ever, and swallows being cancelled, keeps neither a server nor the hub: whatever is pending ends, and says why."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace

import pytest

from perijove.control import bounded
from perijove.control.servers.ask import ask_start, ask_stop
from perijove.control.servers.polling import poll_once
from perijove.domain.server import Phase
from perijove.ports.spawner import Handle, StartEvent, StartRequest, Status
from perijove.testing.scripted_spawner import ScriptedSpawner
from perijove.testing.world import World
from tests.unit.control.house import House

LIMITS = {"start_timeout": 0.1, "ready_timeout": 0.1, "stop_timeout": 0.1, "stop_grace": 0.05, "hook_timeout": 0.1}


class Stubborn(ScriptedSpawner):
    """Hangs in one of its methods until the test ends, however often it is cancelled."""

    def __init__(self, world: World, where: str) -> None:
        super().__init__(world)
        self.where = where
        self.over = asyncio.Event()
        self.hung = 0

    async def _hang(self, here: str) -> None:
        self.hung += here == self.where
        while here == self.where and not self.over.is_set():
            try:
                await self.over.wait()
            except asyncio.CancelledError:
                continue

    async def start(self, request: StartRequest) -> AsyncIterator[StartEvent]:
        async for event in super().start(request):
            await self._hang("start")
            yield event

    async def poll(self, handles: Sequence[Handle]) -> Sequence[Status]:
        await self._hang("poll")
        return await super().poll(handles)

    async def stop(self, handle: Handle, grace_s: float) -> None:
        await self._hang("stop")
        await super().stop(handle, grace_s)

    async def log_tail(self, handle: Handle, max_bytes: int) -> str:
        await self._hang("log_tail")
        return await super().log_tail(handle, max_bytes)

    async def forget(self, user_name: str, server_name: str) -> None:
        await self._hang("forget")
        await super().forget(user_name, server_name)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(bounded, "LET_GO_S", 0.05)
    yield
    assert bounded.left_behind() == 0, "what was left behind is forgotten when it ends"


@pytest.mark.parametrize(("where", "code"), [("start", "start-timeout"), ("poll", "ready-timeout"), ("log_tail", "ready-timeout")])
async def test_a_start_ends_in_time_and_says_why_and_what_to_do(house: House, where: str, code: str) -> None:
    spawner = Stubborn(house.world, where)
    house.world.script("alice/").status = None  # and the server never answers
    async with house.running(replace(house.hub(limits=LIMITS), spawner=spawner)) as hub:
        await ask_start(hub, "alice", "", options=None, actor="alice")
        failed = await house.settled(hub)
        assert failed is not None
        assert failed.phase is Phase.FAILED
        assert failed.failure is not None
        assert failed.failure.code == code
        assert "administrator" in failed.failure.hint
        assert spawner.hung
        await house.check()
        spawner.over.set()
        await asyncio.sleep(0.01)


async def test_a_stop_that_hangs_is_given_up_said_and_tried_again(house: House) -> None:
    spawner = Stubborn(house.world, "stop")
    async with house.running(replace(house.hub(limits=LIMITS), spawner=spawner)) as hub:
        await ask_start(hub, "alice", "", options=None, actor="alice")
        server = await house.settled(hub)
        assert server is not None
        assert server.phase is Phase.READY
        await ask_stop(hub, "alice", "", actor="alice")
        async with asyncio.timeout(5):
            while not await house.store.read(lambda tx: any("did not end" in str(note.data) for note in tx.notices.progress(server.id))):
                await asyncio.sleep(0.01)
        spawner.where = ""
        stopped = await house.settled(hub)
        assert stopped is not None
        assert stopped.phase is Phase.STOPPED
        spawner.over.set()
        await asyncio.sleep(0.01)
        await house.check()


async def test_a_poll_that_hangs_kills_nobody_and_ends(house: House) -> None:
    spawner = Stubborn(house.world, "")
    async with house.running(replace(house.hub(limits=LIMITS), spawner=spawner)) as hub:
        await ask_start(hub, "alice", "", options=None, actor="alice")
        server = await house.settled(hub)
        spawner.where = "poll"
        async with asyncio.timeout(5):
            await poll_once(hub)
        assert await house.server() == server
        spawner.over.set()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("where", ["start", "stop", "poll"])
async def test_a_hub_ends_though_a_call_does_not(house: House, where: str) -> None:
    """With no limits at all: only that it is asked to end ends it."""
    spawner = Stubborn(house.world, where)
    none = dict.fromkeys(LIMITS, 0.0)
    house.world.script("alice/").status = None if where == "poll" else 200
    async with asyncio.timeout(5):
        async with house.running(replace(house.hub(limits=none), spawner=spawner)) as hub:
            await ask_start(hub, "alice", "", options=None, actor="alice")
            if where == "stop":
                await house.settled(hub)
                await ask_stop(hub, "alice", "", actor="alice")
            while not spawner.hung:
                await asyncio.sleep(0.01)
    assert bounded.left_behind() == 1
    spawner.over.set()
    await asyncio.sleep(0.01)
