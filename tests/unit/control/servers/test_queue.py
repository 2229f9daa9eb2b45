"""The queue at work: whose turn it is, what keeps people, and what watching it costs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, TypeVar

from perijove.control.board import Board
from perijove.control.context import Hub
from perijove.control.servers.ask import ask_start, ask_stop
from perijove.control.servers.progress import ProgressEvent, progress
from perijove.control.servers.queueing import place_of
from perijove.domain.change import Notice, Topic
from perijove.domain.lifecycle import Event
from perijove.domain.server import Phase, Server
from perijove.ports.store.store import Store, Tx
from perijove.testing.fuse import Fuse
from perijove.testing.scripted_spawner import ScriptedSpawner
from perijove.testing.world import Moment, Script
from tests.unit.control.house import House

T = TypeVar("T")
WITHIN_S = 20.0


async def ask(hub: Hub, full_name: str) -> Server:
    user, _, name = full_name.partition("/")
    return await ask_start(hub, user, name, options=None, actor=user)


async def grouped(house: House, **groups: list[str]) -> None:
    def write(tx: Tx) -> None:
        for name, members in groups.items():
            tx.users.add_missing(members, now=house.time.now())
            tx.groups.add(name, now=house.time.now())
            tx.groups.add_users(name, members, now=house.time.now())

    await house.store.write(write)


def admitted(house: House) -> list[str]:
    return [move.after.full_name for move in house.witness.moves if move.event is Event.ADMIT]


def let_go(house: House, *names: str) -> None:
    for name in names:
        house.world.script(name).hangs = None
    house.world.go_on()


def hang(house: House, *names: str) -> None:
    for name in names:
        house.world.scripts[name] = Script(hangs=Moment.BEGUN)


async def test_a_full_group_keeps_its_own_people_and_nobody_else(house: House) -> None:
    await grouped(house, physics=["alice", "carl"])
    limits = {"groups": [{"name": "physics", "active_servers": 1}]}
    async with house.running(house.hub(limits=limits)) as hub:
        _, second, _ = [await ask(hub, f"{user}/") for user in ("alice", "carl", "bob")]
        await house.settled(hub, "alice")
        await house.settled(hub, "bob")
        kept = await house.server("carl")
        assert kept is not None
        assert kept.phase is Phase.QUEUED
        place = await place_of(hub, second.id)
        assert place is not None
        assert (place.place, place.length, place.reason) == (1, 1, "Your group physics has its 1 server running.")
        await ask_stop(hub, "alice", "", actor="alice")
        ready = await house.settled(hub, "carl")
        assert ready is not None
        assert ready.phase is Phase.READY


async def test_who_has_a_priority_goes_first_and_who_has_a_server_last(house: House) -> None:
    await grouped(house, staff=["carl"], everybody=["dora"])
    hang(house, "alice/")
    limits = {"concurrent_starts": 1, "groups": [{"name": "staff", "priority": 1}]}
    async with house.running(house.hub(limits=limits)) as hub:
        for name in ("alice/", "alice/lab", "alice/gpu", "dora/", "bob/", "carl/", "carl/lab"):
            await ask(hub, name)
        let_go(house, "alice/")
        await house.settled(hub, "alice", "gpu")
    assert admitted(house) == ["alice/", "carl/", "dora/", "bob/", "carl/lab", "alice/lab", "alice/gpu"]


async def test_a_spawner_that_bears_few_starts_is_not_given_more(house: House) -> None:
    class Modest(ScriptedSpawner):
        concurrent_starts = 1

    hang(house, "alice/")
    async with house.running(replace(house.hub(), spawner=Modest(house.world, Fuse()))) as hub:
        await ask(hub, "alice/")
        waiting = await ask(hub, "bob/")
        assert waiting.phase is Phase.QUEUED
        let_go(house, "alice/")
        ready = await house.settled(hub, "bob")
        assert ready is not None
        assert ready.phase is Phase.READY


class Counted:
    """The database of one replica, and how often it was read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reads = 0
        self.shared, self.epoch, self.deaf_s = store.shared, store.epoch, store.deaf_s

    async def read(self, query: Callable[[Tx], T]) -> T:
        self.reads += 1
        return await self._store.read(query)

    async def write(self, change: Callable[[Tx], T]) -> T:
        return await self._store.write(change)

    def follow(self, topics: Sequence[Topic], after: int | None = None) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Notice]]]:
        return self._store.follow(topics, after)


async def told(events: AsyncIterator[ProgressEvent], length: int) -> ProgressEvent:
    """The first event that tells of a queue of this length."""
    async for event in events:
        if event.queue is not None and event.queue.length == length:
            return event
    raise AssertionError("it ended")


async def test_a_place_that_many_watch_is_looked_up_once_for_all_of_them(house: House) -> None:
    many, rounds, every_s = 80, 4, 0.3
    hang(house, "alice/")
    async with house.running(house.hub(limits={"concurrent_starts": 1})) as hub:
        await ask(hub, "alice/")
        waiting = [await ask(hub, f"bob/s{number}") for number in range(many)]
        store = Counted(hub.store)
        watching: Any = replace(hub, store=store, board=Board(keep_s=every_s, newcomer_s=every_s))
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(WITHIN_S):
            began = loop.time()
            streams = [progress(watching, server) for server in waiting[:-rounds]]
            places = await asyncio.gather(*(told(stream, many) for stream in streams))
            assert [event.queue.place for event in places if event.queue] == list(range(1, many - rounds + 1))
            for gone in range(1, rounds + 1):
                await ask_stop(hub, "bob", f"s{many - gone}", actor="bob")
                await asyncio.gather(*(told(stream, many - gone) for stream in streams))
            looks = 2 + (loop.time() - began) / every_s
        assert store.reads <= len(streams) + looks, "each row once, and then the queue once for all"
        for stream in streams:
            await stream.aclose()  # type: ignore[attr-defined] # it is a generator


async def test_whoever_comes_later_is_shown_their_place_soon_and_who_leaves_has_none(house: House) -> None:
    hang(house, "alice/")
    async with house.running(house.hub(limits={"concurrent_starts": 1})) as hub:
        await ask(hub, "alice/")
        first = await ask(hub, "bob/")
        assert await place_of(hub, first.id) is not None
        second = await ask(hub, "bob/lab")
        place = await place_of(hub, second.id)
        assert place is not None
        assert place.place == 2
        await ask_stop(hub, "bob", "", actor="bob")
        watching = replace(hub, board=Board(keep_s=0.0, newcomer_s=0.0))
        assert await place_of(watching, first.id) is None
