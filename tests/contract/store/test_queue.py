"""What decides who of the queue goes on: few statements, whose cost is that of the queue and not of the site."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from perijove.adapters.store_sql import SqlStore
from perijove.domain.limits import Load, Waiting
from perijove.domain.server import Phase, Server, UserId
from perijove.ports.store.store import Tx
from perijove.testing.clock import FakeClock
from perijove.wire.names import ServerName
from tests.contract.store.plans import recorded

ROWS = (
    ("ann", "", Phase.QUEUED, 3),
    ("ann", "lab", Phase.READY, 0),
    ("ann", "gpu", Phase.STOPPING, 0),
    ("bob", "", Phase.QUEUED, 1),
    ("bob", "lab", Phase.FAILED, 0),
    ("cleo", "", Phase.QUEUED, 1),
    ("dan", "", Phase.WAITING, 0),
    ("eve", "", Phase.UNKNOWN, 0),
)
"""user, server, phase, when it asked"""


@pytest.fixture
async def servers(store: SqlStore, clock: FakeClock) -> dict[str, Server]:
    now = clock.now()

    def fill(tx: Tx) -> dict[str, Server]:
        users = {str(user.name): user for user in tx.users.add_missing(["ann", "bob", "cleo", "dan", "eve"], now=now)}
        for group, members in (("physics", ["ann", "bob", "dan", "eve"]), ("art", ["ann", "eve"]), ("others", ["cleo", "bob"])):
            tx.groups.add(group, now=now)
            tx.groups.add_users(group, members, now=now)
        made = {}
        for user, name, phase, asked in ROWS:
            server = tx.servers.add(users[user].id, ServerName(name), now=now)
            made[server.full_name] = tx.servers.save(replace(server, phase=phase, queued_at=now + timedelta(seconds=asked)))
        return made

    return await store.write(fill)


async def test_who_waits_is_told_by_the_moment_they_asked(store: SqlStore, clock: FakeClock, servers: dict[str, Server]) -> None:
    now = clock.now()
    wanted = [(servers[f"{name}/"], now + timedelta(seconds=asked)) for name, asked in (("bob", 1), ("cleo", 1), ("ann", 3))]
    waiting = await store.read(lambda tx: tx.queue.waiting(10))
    assert waiting == [Waiting(server.id, server.user_id, asked) for server, asked in wanted]
    assert await store.read(lambda tx: (tx.queue.waiting(1), tx.queue.length())) == (waiting[:1], 3)


async def test_of_people_who_wait_it_knows_their_servers_and_groups(store: SqlStore, servers: dict[str, Server]) -> None:
    ann, bob = servers["ann/"].user_id, servers["bob/"].user_id
    assert await store.read(lambda tx: tx.queue.active_of_people()) == {ann: 2}
    groups = await store.read(lambda tx: tx.queue.groups_of_people(["physics", "art", "no such group"]))
    assert groups == {ann: ["art", "physics"], bob: ["physics"]}
    assert await store.read(lambda tx: (tx.queue.groups_of_people([]), tx.queue.groups_of_people(["no such group"]))) == ({}, {})


async def test_the_load_of_the_site_is_counted_as_far_as_it_is_asked_for(store: SqlStore, servers: dict[str, Server]) -> None:
    assert await store.read(lambda tx: tx.queue.load(active=True)) == (Load(starting=1, active=4), 2)
    assert await store.read(lambda tx: tx.queue.load(active=False)) == (Load(starting=1, active=1), 2)
    for name, left in (("ann/", 2), ("bob/", 1), ("cleo/", 0)):
        await store.write(lambda tx: tx.servers.save(replace(servers[name], phase=Phase.STOPPED)))  # noqa: B023 - run at once
        assert (await store.read(lambda tx: tx.queue.load(active=False)))[1] == left


async def test_the_load_of_a_group_is_that_of_all_its_people(store: SqlStore, servers: dict[str, Server]) -> None:
    loads = await store.read(lambda tx: tx.queue.load_of_groups(["physics", "art", "others", "no such group"]))
    assert loads == {"physics": Load(starting=1, active=4), "art": Load(starting=0, active=3)}
    assert await store.read(lambda tx: tx.queue.load_of_groups([])) == {}


async def test_only_who_still_waits_is_taken(store: SqlStore, servers: dict[str, Server]) -> None:
    asked = [servers[name].id for name in ("ann/", "bob/", "dan/")]
    taken = await store.write(lambda tx: tx.queue.take(asked))
    assert {server.full_name for server in taken} == {"ann/", "bob/"}
    assert await store.write(lambda tx: tx.queue.take([])) == []


async def test_who_left_the_queue_is_counted_and_not_who_never_stood_in_it(store: SqlStore, clock: FakeClock, servers: dict[str, Server]) -> None:
    now = clock.now()

    def start(tx: Tx, name: str, asked_s: int, started_s: int) -> None:
        at = timedelta(seconds=1)
        tx.servers.save(replace(servers[name], phase=Phase.READY, queued_at=now + asked_s * at, started_at=now + started_s * at))

    def write(tx: Tx) -> None:
        start(tx, "ann/", 0, 10)
        start(tx, "bob/", 5, 20)
        start(tx, "cleo/", 30, 30)  # at once
        start(tx, "dan/", -9, -5)  # before

    await store.write(write)
    later = now + timedelta(seconds=10)
    assert await store.read(lambda tx: [tx.queue.left_since(moment) for moment in (now, later)]) == [2, 1]
    counted = await store.read(lambda tx: [tx.queue.left_since(now, group) for group in ("physics", "art", "others", "no such group")])
    assert counted == [2, 1, 1, 0]


@pytest.fixture
async def many(store: SqlStore, clock: FakeClock, url: str) -> SqlStore:
    """Enough for a plan to matter: 100 of 6,000 wait, and 20 have left the queue lately."""
    now = clock.now()

    def fill(tx: Tx) -> None:
        added = tx.users.add_missing([f"person-{number:05d}" for number in range(6000)], now=now)
        for number, user in enumerate(added):
            phase = Phase.QUEUED if number % 60 == 0 else Phase.READY if number % 60 == 1 else Phase.STOPPED
            started = now - timedelta(seconds=0 if number < 20 else 10**6)
            server = tx.servers.add(user.id, ServerName(""), now=now)
            tx.servers.save(replace(server, phase=phase, queued_at=started - timedelta(seconds=5), started_at=started))
        for group, size in (("few", 50), ("all", 6000)):
            tx.groups.add(group, now=now)
            tx.groups.add_users(group, [user.name for user in added[:size]], now=now)

    await store.write(fill)
    if not url.startswith("sqlite"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
    return store


ASKED: tuple[Callable[[Tx, datetime], Any], ...] = (
    lambda tx, _: tx.queue.waiting(100),
    lambda tx, _: tx.queue.load(active=True),
    lambda tx, _: tx.queue.active_of_people(),
    lambda tx, _: tx.queue.groups_of_people(["few"]),
    lambda tx, _: tx.queue.load_of_groups(["few"]),
    lambda tx, now: tx.queue.left_since(now - timedelta(minutes=1)),
    lambda tx, now: tx.queue.left_since(now - timedelta(minutes=1), "few"),
)


@pytest.mark.parametrize("number", range(len(ASKED)))
async def test_servers_at_rest_are_never_gone_through(many: SqlStore, clock: FakeClock, number: int) -> None:
    def ask(tx: Any) -> list[Any]:
        with recorded(tx.queue) as link:
            ASKED[number](tx, clock.now())
        return link.going_through("servers")

    assert await many.read(ask) == []


async def test_a_look_at_the_queue_takes_the_same_statements_however_many_wait(many: SqlStore) -> None:
    def ask(tx: Any) -> tuple[int, int]:
        with recorded(tx.queue) as link:
            waiting: list[Waiting] = tx.queue.waiting(1000)
            people: dict[UserId, list[str]] = tx.queue.groups_of_people(["few", "all"])
            tx.queue.active_of_people()
            tx.queue.load_of_groups(["few", "all"])
        assert len(people) == len(waiting)
        return len(waiting), len(link.asked)

    assert await many.read(ask) == (100, 5)
