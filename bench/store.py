"""How many transactions a second the store does, many callers at once: python bench/store.py [--url URL] [--callers N].

Without --url: an SQLite file in a temporary folder, waiting for the disk at each commit and not. PostgreSQL by its URL (an
empty database). `--busy` keeps the event loop's thread computing meanwhile, as a loaded hub does, and `--switch` sets
Python's thread switch interval: what handing the interpreter's lock from thread to thread costs.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import perf_counter

from perijove.adapters.store_sql import SqlStore, open_store
from perijove.adapters.system_clock import SystemClock
from perijove.domain.change import Topic
from perijove.domain.server import Phase, Server, ServerId
from perijove.domain.token import Token, TokenKind, hash_secret
from perijove.ports.observer import AuditEvent
from perijove.ports.store.access import UserQuery
from perijove.ports.store.servers import StoredRoute
from perijove.ports.store.store import Tx
from perijove.wire.names import DEFAULT_SERVER

CLOCK = SystemClock()
Act = Callable[[int], Awaitable[object]]


async def rate(name: str, number: int, callers: int, act: Act, *, busy: bool) -> None:
    """Run `act` for 0 … number-1, `callers` at a time, and print how fast that went and how long each waited."""
    waits: list[float] = []
    turns = iter(range(number))

    async def caller() -> None:
        for turn in turns:
            began = perf_counter()
            await act(turn)
            waits.append(perf_counter() - began)

    done = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        if busy:
            tasks.create_task(compute(done))
        began = perf_counter()
        async with asyncio.TaskGroup() as work:
            for _ in range(min(callers, number)):
                work.create_task(caller())
        took = perf_counter() - began
        done.set()
    ordered = sorted(waits)
    print(
        f"  {name:<34} {number / took:>9,.0f} /s   median {statistics.median(ordered) * 1e3:>7.2f} ms   99% {ordered[len(ordered) * 99 // 100] * 1e3:>7.2f} ms"
    )


async def compute(done: asyncio.Event) -> None:
    """Half a millisecond of Python at a time, as a request handler has."""
    while not done.is_set():
        until = perf_counter() + 0.0005
        while perf_counter() < until:
            pass
        await asyncio.sleep(0)


async def measure(title: str, url: str, number: int, callers: int, *, busy: bool) -> None:
    began = perf_counter()
    async with open_store(url, pool_size=8, clock=CLOCK) as store:
        print(f"{title}: {callers} callers (opened and migrated in {perf_counter() - began:.2f} s)")
        await changes(store, number, callers, busy=busy)
        await queries(store, number, callers, busy=busy)


async def changes(store: SqlStore, number: int, callers: int, *, busy: bool) -> None:
    async def add(turn: int) -> None:
        await store.write(lambda tx: tx.users.add(f"user-{turn:06}", now=CLOCK.now()))

    await rate("users.add + notice", number, callers, add, busy=busy)
    own = min(number, 1000)
    servers = await store.write(
        lambda tx: [tx.servers.add(user.id, DEFAULT_SERVER, now=CLOCK.now()) for user in tx.users.page(UserQuery(limit=own)).items]
    )

    async def save(turn: int) -> None:
        at = turn % own
        servers[at] = await store.write(lambda tx: tx.servers.save(replace(servers[at], attempt=turn)))

    await rate("servers.save + notice", number, min(callers, own), save, busy=busy)

    async def transition(turn: int) -> None:
        await store.write(lambda tx: _transition(tx, servers[turn % own].id, turn))

    await rate("get, save, route, token, audit", number, min(callers, own), transition, busy=busy)

    async def seen(turn: int) -> None:
        await store.write(lambda tx: tx.servers.touch({servers[turn % own].id: CLOCK.now() + timedelta(seconds=turn)}))

    await rate("activity of one server", number, callers, seen, busy=busy)


def _transition(tx: Tx, server_id: ServerId, turn: int) -> Server | None:
    """What a move to routing does in one transaction."""
    server, now = tx.servers.get(server_id), CLOCK.now()
    if server is None:
        return None
    after = tx.servers.save(replace(server, phase=Phase.ROUTING if turn % 2 else Phase.READY, address=f"http://127.0.0.1:{turn}"))
    tx.routes.set(StoredRoute(spec=f"/user/{server.user_name}/", target=f"http://127.0.0.1:{turn}", server_id=server.id), now)
    tx.tokens.add(Token(id=0, kind=TokenKind.SERVER, user_id=server.user_id, server_id=server.id, created=now), hash_secret(f"{turn}"))
    tx.audit.add(AuditEvent(action="server.started", at=now, actor=server.user_name, target=server.full_name))
    return after


async def queries(store: SqlStore, number: int, callers: int, *, busy: bool) -> None:
    async def get(turn: int) -> None:
        await store.read(lambda tx: tx.users.get(f"user-{turn:06}"))

    await rate("users.get", number, callers, get, busy=busy)

    async def find(turn: int) -> None:
        await store.read(lambda tx: tx.tokens.find(hash_secret(f"{turn}")))

    await rate("tokens.find", number, callers, find, busy=busy)
    missing = [f"more-{turn:06}" for turn in range(50_000 - number)]
    for start in range(0, len(missing), 5000):
        await store.write(lambda tx, some=missing[start : start + 5000]: tx.users.add_missing(some, now=CLOCK.now()))  # type: ignore[misc]
    pages: Sequence[tuple[str, UserQuery]] = (
        ("page of 200 of 50,000 people", UserQuery()),
        ("  the last one, by name", UserQuery(sort="name", offset=49_800)),
        ("  the last one, by activity, falling", UserQuery(sort="-last_activity", offset=49_800)),
        ("  searched", UserQuery(search="-0123")),
        ("  active ones", UserQuery(state="active", sort="name")),
    )
    for name, query in pages:

        async def page(_: int, query: UserQuery = query) -> None:
            await store.read(lambda tx: tx.users.page(query))

        await rate(name, 50, 2, page, busy=busy)

    async def due(_: int) -> None:
        await store.read(lambda tx: (tx.servers.due("bench", CLOCK.now(), 100), tx.servers.counts()))

    await rate("due and counts", 200, 2, due, busy=busy)

    async def after(_: int) -> None:
        await store.read(lambda tx: tx.notices.after(tx.notices.last() - 10, (Topic.SERVER,)))

    await rate("newest notices", 200, 2, after, busy=busy)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a database of its own; without it, SQLite files")
    parser.add_argument("--callers", type=int, default=200)
    parser.add_argument("--number", type=int, default=10_000)
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--switch", type=float, help="seconds; Python's own is 0.005")
    given = parser.parse_args()
    if given.switch:
        sys.setswitchinterval(given.switch)
    if given.url:
        asyncio.run(measure("the given database", given.url, given.number, given.callers, busy=given.busy))
        return
    for mode in ("normal", "full"):
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{Path(folder) / 'bench.sqlite'}?synchronous={mode}"
            asyncio.run(measure(f"SQLite, synchronous={mode}", url, given.number, given.callers, busy=given.busy))


if __name__ == "__main__":
    main()
