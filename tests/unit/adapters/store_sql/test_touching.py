"""What activity costs: it comes for thousands of servers at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perijove.adapters.store_sql import SqlStore, open_store
from perijove.domain.server import Server
from perijove.ports.store.store import Tx
from perijove.testing.clock import FakeClock
from perijove.wire.names import DEFAULT_SERVER

_KINDS: dict[str, Callable[[Tx, list[Server], Any], object]] = {
    "servers and people": lambda tx, servers, at: tx.servers.touch({server.id: at for server in servers}),
    "servers": lambda tx, servers, at: tx.servers.touch_alone({server.id: at for server in servers}),
    "people": lambda tx, servers, at: tx.users.touch_all({server.user_id: at for server in servers}),
    "sessions": lambda tx, servers, at: tx.sessions.seen_all({server.id: at for server in servers}),
    "ids": lambda tx, servers, _at: tx.servers.ids_of([server.user_name for server in servers]),
}


async def _steps(store: SqlStore, clock: FakeClock, number: int, kind: Callable[[Tx, list[Server], Any], object]) -> int:
    """Tens of instructions of SQLite's machine, however fast it is."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    def add(tx: Tx) -> list[Server]:
        users = tx.users.add_missing([f"p{number}-{at}" for at in range(number)], now=clock.now())
        return [tx.servers.add(user.id, DEFAULT_SERVER, now=clock.now()) for user in users]

    servers = await store.write(add)

    def touch(tx: Any) -> None:
        connection = tx.servers._link._connection
        connection.set_progress_handler(count, 10)
        kind(tx, servers, clock.now())
        connection.set_progress_handler(None, 0)

    await store.write(touch)
    return counted


@pytest.mark.parametrize("kind", _KINDS.values(), ids=_KINDS.keys())
async def test_ten_times_the_rows_take_ten_times_the_steps(kind: Callable[[Tx, list[Server], Any], object], tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_store(f"sqlite:///{tmp_path / 'hub.sqlite'}", pool_size=1, clock=clock) as store:
        few, many = [await _steps(store, clock, number, kind) for number in (60, 600)]
    assert few > 0
    assert many < 15 * few
