"""Replicas share the servers that run, and what one of them does for all."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest

from perijove.control.context import Hub
from perijove.control.living import COUNTED, REPORT_EVERY_S
from perijove.control.periodic import LEASE, RENEW_S, every
from perijove.control.servers.ask import ask_start
from perijove.control.servers.polling import COUNT_EVERY_S, keep_polling
from perijove.control.site.replicas import keep_reporting
from perijove.domain.server import Phase
from perijove.ports.spawner import Handle, Spawner, Status
from perijove.ports.store.store import DatabaseUnavailableError, Store
from perijove.testing.clock import FakeClock
from perijove.testing.fuse import Fuse
from tests.unit.control.house import House

NAMES = [f"s{number}" for number in range(12)]
PERIOD_S = 300.0


@pytest.fixture
def time() -> FakeClock:
    return FakeClock()


@dataclass
class Asked:
    """A spawner that remembers which servers it was asked about, and in how many questions."""

    inner: Spawner
    poll_together: bool = False
    ids: list[int] = field(default_factory=list)
    questions: int = 0

    async def poll(self, handles: Sequence[Handle]) -> Sequence[Status]:
        self.questions += 1
        self.ids += [int(handle.server_id) for handle in handles]
        return await self.inner.poll(handles)


@asynccontextmanager
async def living_and_polling(hub: Hub, fuse: Fuse) -> AsyncIterator[None]:
    """Until its fuse has blown, or the block is left."""
    work = [asyncio.create_task(keep_reporting(hub, "http://127.0.0.1:8081")), asyncio.create_task(keep_polling(hub))]
    try:
        yield
    finally:
        fuse.blown.set()  # it says no good-bye
        for task in work:
            task.cancel()
        await asyncio.wait(work)


@pytest.fixture
async def ready(house: House, time: FakeClock) -> set[int]:
    """The ids of some servers that run."""
    async with house.running(house.hub()) as hub:
        asked = {(await ask_start(hub, "alice", name, options=None, actor="alice")).id for name in NAMES}
        for name in NAMES:
            await house.until(hub, lambda server: server is not None and server.phase is Phase.READY, name=name)
    return {int(server_id) for server_id in asked}


def asking(house: House, name: str, fuse: Fuse, *, together: bool = False) -> tuple[Hub, Asked]:
    hub = house.hub(name, fuse=fuse, shared=True, cull={"poll_every": PERIOD_S})
    spawner = Asked(hub.spawner, together)
    return replace(hub, spawner=spawner), spawner  # type: ignore[arg-type]  # only poll is called


async def test_two_share_the_servers_and_the_other_has_all_within_seconds_when_one_is_killed(house: House, time: FakeClock, ready: set[int]) -> None:
    fuses = Fuse(), Fuse()
    (first, one), (second, two) = (asking(house, name, fuse) for name, fuse in zip(("first", "second"), fuses, strict=True))
    async with living_and_polling(second, fuses[1]):
        async with living_and_polling(first, fuses[0]):
            await time.turn_until(lambda: len(set(one.ids)) > 0 and len(set(two.ids)) > 0)
            for _ in range(20):  # until both have counted each other
                await time.turn(COUNT_EVERY_S)
                await asyncio.sleep(0.002)
            one.ids.clear()
            two.ids.clear()
            began = time.monotonic()
            await time.turn_until(lambda: set(one.ids) | set(two.ids) == ready)
            assert time.monotonic() - began <= PERIOD_S + 2 * COUNT_EVERY_S
            assert sorted(one.ids + two.ids) == sorted(ready), "each is in one share, and asked about once a period"
            assert one.ids
            assert two.ids
            left = set(one.ids)
        two.ids.clear()
        began = time.monotonic()
        await time.turn_until(lambda: left <= set(two.ids))
        assert time.monotonic() - began <= COUNTED.total_seconds() + REPORT_EVERY_S + 2 * COUNT_EVERY_S


async def test_a_place_that_is_asked_about_all_at_once_is_asked_by_one(house: House, time: FakeClock, ready: set[int]) -> None:
    fuses = Fuse(), Fuse()
    (first, one), (second, two) = (asking(house, name, fuse, together=True) for name, fuse in zip(("first", "second"), fuses, strict=True))
    async with living_and_polling(first, fuses[0]), living_and_polling(second, fuses[1]):
        await time.turn_until(lambda: one.questions + two.questions >= 3)
        assert 0 in {one.questions, two.questions}
        assert set(one.ids + two.ids) == ready


async def test_periodic_work_is_done_by_one_and_goes_on_within_seconds_when_that_one_is_killed(house: House, time: FakeClock) -> None:
    done: list[tuple[float, str]] = []

    async def work(hub: Hub) -> None:
        done.append((time.monotonic(), hub.replica))

    fuses = {name: Fuse() for name in ("first", "second")}
    hubs = {name: house.hub(name, fuse=fuse, shared=True) for name, fuse in fuses.items()}
    tasks = {name: asyncio.create_task(every(hub, "cull", 60.0, work)) for name, hub in hubs.items()}
    try:
        await time.turn_until(lambda: len(done) >= 4)
        assert len({name for _, name in done}) == 1
        pauses = [after - before for (before, _), (after, _) in pairwise(done)]
        assert all(abs(pause - 60.0) < 1.0 for pause in pauses)
        holder = done[-1][1]
        fuses[holder].blown.set()
        tasks[holder].cancel()
        began = time.monotonic()
        await time.turn_until(lambda: done[-1][1] != holder)
        assert done[-1][0] - began <= LEASE.total_seconds() + 2 * RENEW_S
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.wait(tasks.values())


class Link:
    """The database as a replica reaches it that may be cut off from it, and lives on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.cut = False

    def __getattr__(self, name: str) -> Any:
        if self.cut:
            raise DatabaseUnavailableError("The network is down.")
        return getattr(self._store, name)


async def test_work_under_way_is_broken_off_before_the_lease_that_cannot_be_renewed_ends(house: House, time: FakeClock) -> None:
    """The holder is cut off from the database: it must have let go when another may begin."""
    under_way: set[str] = set()
    both = False

    async def work(hub: Hub) -> None:
        nonlocal both
        both = both or bool(under_way)
        under_way.add(hub.replica)
        try:
            await hub.clock.sleep(3600)
        finally:
            under_way.discard(hub.replica)

    first, second = house.hub("first", shared=True), house.hub("second", shared=True)
    link = Link(first.store)
    first = replace(first, store=link)
    tasks = [asyncio.create_task(every(first, "cull", 60.0, work))]
    try:
        await time.turn_until(lambda: under_way == {"first"})
        tasks.append(asyncio.create_task(every(second, "cull", 60.0, work)))
        link.cut = True
        await time.turn_until(lambda: under_way == {"second"})
        assert not both
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
