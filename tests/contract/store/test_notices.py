"""Notices, those who follow them, routes, leases, proxies, the audit log."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import pytest

from perijove.adapters.store_sql import SqlStore, followers, open_store
from perijove.domain.change import Notice, Topic
from perijove.domain.server import ServerId
from perijove.ports.observer import AuditEvent
from perijove.ports.store.servers import StoredRoute
from perijove.ports.store.shared import ProxySeen
from perijove.ports.store.store import Tx
from perijove.testing.clock import FakeClock
from perijove.wire.names import DEFAULT_SERVER

DEADLINE_S = 10


async def announce(store: SqlStore, clock: FakeClock, *keys: str, topic: Topic = Topic.PROGRESS) -> None:
    def write(tx: Tx) -> None:
        for key in keys:
            tx.notices.add(topic, key, {"text": key}, at=clock.now())

    await store.write(write)


async def take(batches: AsyncIterator[Sequence[Notice]], number: int) -> list[Notice]:
    found: list[Notice] = []
    async with asyncio.timeout(DEADLINE_S):
        while len(found) < number:
            found += await anext(batches)
    return found


async def test_notices_are_numbered_in_order_and_kept(store: SqlStore, clock: FakeClock) -> None:
    assert await store.read(lambda tx: tx.notices.last()) == 0
    await announce(store, clock, "a", "b")
    await announce(store, clock, "u", topic=Topic.USER)
    await announce(store, clock, "c")
    last = await store.read(lambda tx: tx.notices.last())
    found = await store.read(lambda tx: tx.notices.after(0, (Topic.PROGRESS,)))
    assert found is not None
    assert [notice.key for notice in found] == ["a", "b", "c"]
    assert (found[0].data, found[0].at, found[-1].revision) == ({"text": "a"}, clock.now(), last)
    assert await store.read(lambda tx: tx.notices.after(found[0].revision, (Topic.PROGRESS, Topic.USER), limit=1)) == [found[1]]
    assert await store.read(lambda tx: tx.notices.after(0, (Topic.PROGRESS,), key="b")) == [found[1]]
    assert await store.read(lambda tx: tx.notices.after(last, tuple(Topic))) == []
    assert await store.read(lambda tx: tx.notices.after(last + 1, tuple(Topic))) is None, "nobody can have read that far"


async def test_who_comes_after_the_trimming_must_start_over(store: SqlStore, clock: FakeClock) -> None:
    await announce(store, clock, "old", "older")
    await clock.turn(60)
    assert await store.write(lambda tx: tx.notices.trim(clock.now())) == 2
    assert await store.write(lambda tx: tx.notices.trim(clock.now())) == 0
    assert await store.read(lambda tx: tx.notices.last()) == 2, "the numbering goes on"
    assert await store.read(lambda tx: tx.notices.after(1, tuple(Topic))) is None
    assert await store.read(lambda tx: tx.notices.after(2, tuple(Topic))) == []
    async with store.follow((Topic.PROGRESS,), 1) as batches:
        with pytest.raises(LookupError):
            await take(batches, 1)
    await announce(store, clock, "new")
    found = await store.read(lambda tx: tx.notices.after(2, tuple(Topic)))
    assert found is not None
    assert [notice.key for notice in found] == ["new"]


async def test_what_is_kept_of_a_start_s_progress_is_told_after_a_trimming_too(store: SqlStore, clock: FakeClock) -> None:
    await announce(store, clock, "7")
    await clock.turn(60)
    await announce(store, clock, "7", "71", "7")
    await announce(store, clock, "7", topic=Topic.SERVER)
    await store.write(lambda tx: tx.notices.trim(clock.now()))
    kept = await store.read(lambda tx: tx.notices.progress(ServerId(7)))
    assert [notice.revision for notice in kept] == [2, 4]
    assert await store.read(lambda tx: tx.notices.progress(ServerId(7), 2)) == kept[1:]


async def test_a_follower_gets_all_it_asked_for_once_and_in_order(store: SqlStore, clock: FakeClock) -> None:
    await announce(store, clock, *(f"past{number}" for number in range(1500)))
    async with store.follow((Topic.PROGRESS,), 10) as from_ten, store.follow((Topic.PROGRESS, Topic.USER)) as from_now:
        await announce(store, clock, "ann", topic=Topic.USER)
        async with asyncio.TaskGroup() as tasks:
            for number in range(200):
                tasks.create_task(announce(store, clock, f"new{number}"))
        live = await take(from_now, 201)
        both = await take(from_ten, 1490 + 200)
    assert [notice.key for notice in both[:1490]] == [f"past{number}" for number in range(10, 1500)]
    assert both[1490:] == live[1:]
    assert live[0].key == "ann"
    revisions = [notice.revision for notice in both]
    assert revisions == sorted(set(revisions))


async def test_a_change_that_fails_is_not_told(store: SqlStore, clock: FakeClock) -> None:
    async def fail() -> None:
        def write(tx: Tx) -> None:
            tx.users.add("ghost", now=clock.now())
            tx.notices.add(Topic.PROGRESS, "ghost", at=clock.now())
            raise KeyError("ghost")

        with pytest.raises(KeyError, match="ghost"):
            await store.write(write)

    async with store.follow((Topic.PROGRESS, Topic.USER)) as batches:
        async with asyncio.TaskGroup() as tasks:
            for number in range(20):
                tasks.create_task(announce(store, clock, str(number)))
                tasks.create_task(fail())
        told = await take(batches, 20)
    assert sorted(notice.key for notice in told) == sorted(map(str, range(20)))
    kept = await store.read(lambda tx: tx.notices.after(0, tuple(Topic)))
    assert kept == told


async def test_a_follower_that_sleeps_too_long_is_told_so(store: SqlStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "BACKLOG", 10)
    async with store.follow((Topic.PROGRESS,)) as slow, store.follow((Topic.PROGRESS,)) as quick:
        for number in range(3):
            await announce(store, clock, *(f"{number}.{part}" for part in range(5)))
            assert len(await take(quick, 5)) == 5
        with pytest.raises(LookupError):
            await take(slow, 1)


async def test_a_follower_ends_with_its_store(url: str, clock: FakeClock) -> None:
    async with open_store(url, pool_size=2, clock=clock) as store:
        entered = store.follow((Topic.USER,))
        batches = await entered.__aenter__()
    async with asyncio.timeout(DEADLINE_S):
        assert [batch async for batch in batches] == []
    await entered.__aexit__(None, None, None)


async def test_whoever_has_read_to_the_returned_revision_knows_the_route(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()
    route = StoredRoute(spec="/user/ann/", target="http://127.0.0.1:1", data={"user": "ann", "n": 1})

    def write(tx: Tx) -> tuple[int, int]:
        user = tx.users.add("ann", now=now)
        server = tx.servers.add(user.id, DEFAULT_SERVER, now=now)
        tx.routes.delete("/nothing/", now)
        return tx.routes.set(route, now), server.id

    async with store.follow((Topic.ROUTE,)) as batches:
        revision, server_id = await store.write(write)
        (told,) = await take(batches, 1)
        assert (told.revision, told.key, told.data) == (revision, "/user/ann/", {"target": route.target, "data": {"user": "ann", "n": 1}})
        assert await store.write(lambda tx: tx.routes.set(route, now)) == revision, "unchanged: known to whoever read that far"
        assert await store.read(lambda tx: tx.routes.find(route.spec)) == route

        def replace(tx: Tx) -> int:
            tx.routes.delete(route.spec, now)
            return tx.routes.set(StoredRoute(spec=route.spec, target="http://127.0.0.1:2", server_id=server_id), now)  # type: ignore[arg-type] # a ServerId

        newer = await store.write(replace)
        gone, anew = await take(batches, 2)
        assert (gone.data, anew.revision, anew.data) == ({"target": None}, newer, {"target": "http://127.0.0.1:2", "data": {}})
        at, table = await store.read(lambda tx: tx.routes.all())
        assert (at, [found.target for found in table]) == (newer, ["http://127.0.0.1:2"])
        await store.write(lambda tx: tx.routes.delete_of_server(server_id, now))  # type: ignore[arg-type] # a ServerId
        (last,) = await take(batches, 1)
        assert (last.key, last.data) == (route.spec, {"target": None})


async def test_a_job_has_one_worker(store: SqlStore, clock: FakeClock) -> None:
    now, until = clock.now(), clock.now() + timedelta(seconds=10)

    async def contend(holder: str) -> bool:
        return await store.write(lambda tx: tx.leases.take("cull", holder, now, until))

    async with asyncio.TaskGroup() as tasks:
        tries = [tasks.create_task(contend(f"h{number}")) for number in range(8)]
    (winner,) = [f"h{number}" for number, task in enumerate(tries) if task.result()]
    assert await contend(winner)
    await store.write(lambda tx: tx.leases.release("cull", "somebody else"))
    assert not await contend("late")
    assert await store.write(lambda tx: tx.leases.take("cull", "late", until, until + timedelta(seconds=1)))
    await store.write(lambda tx: tx.leases.release("cull", "late"))
    assert await contend(winner)


async def test_proxies_are_seen_and_forgotten(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()
    for proxy, revision, at in (("p1", 3, now), ("p2", 4, now + timedelta(seconds=1)), ("p1", 5, now + timedelta(seconds=2))):

        def report(tx: Tx, proxy: str = proxy, revision: int = revision, at: datetime = at) -> None:
            tx.proxies.report(proxy, revision, at)

        await store.write(report)
    seen = await store.read(lambda tx: tx.proxies.seen_since(now + timedelta(seconds=2)))
    assert seen == [ProxySeen(proxy_id="p1", revision=5, seen_at=now + timedelta(seconds=2))]
    assert await store.write(lambda tx: tx.proxies.forget_before(now + timedelta(seconds=2))) == 1
    await store.write(lambda tx: tx.proxies.forget("p1"))
    await store.write(lambda tx: tx.proxies.forget("unknown"))
    assert await store.read(lambda tx: tx.proxies.seen_since(now)) == []


async def test_the_audit_log_is_searched_newest_first(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()
    events = [
        AuditEvent(action="sign-in", at=now, actor="ann", address="::1", request_id="r", detail={"by": ["pam"]}),
        AuditEvent(action="user.blocked", at=now + timedelta(seconds=1), actor="Root", target="bob", outcome="failure"),
        AuditEvent(action="sign-in", at=now + timedelta(seconds=2), actor="bob"),
    ]

    def write(tx: Tx) -> None:
        for event in events:
            tx.audit.add(event)

    await store.write(write)
    page = await store.read(lambda tx: tx.audit.page(0, 2))
    assert (page.items, page.total) == ((events[2], events[1]), 3)
    assert (await store.read(lambda tx: tx.audit.page(0, 9, search="BOB"))).items == (events[2], events[1])
    assert (await store.read(lambda tx: tx.audit.page(0, 9, search="root"))).items == (events[1],)
    assert await store.read(lambda tx: tx.audit.about("user.blocked", ["ann", "bob"], 5)) == [events[1]]
    assert await store.read(lambda tx: tx.audit.about("sign-in", [""], 1)) == [events[2]]
    assert await store.read(lambda tx: tx.audit.about("sign-in", ["bob"], 5)) == []
    assert await store.write(lambda tx: tx.audit.trim(now + timedelta(seconds=2))) == 2
    assert (await store.read(lambda tx: tx.audit.page(0, 9))).items == (events[2],)
