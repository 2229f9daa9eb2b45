"""What a start and a stop cost the hub itself, without HTTP and without a real server: `.venv/bin/python bench/lifecycle.py --help`.

Asks for all at once, as at the beginning of a course, and waits until every server is ready, then until every one has stopped. The spawner
starts nothing (perijove.testing.null_spawner), but its listener answers, so the probe takes place. The database is an SQLite file.
"""

import argparse
import asyncio
import gc
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from perijove.adapters.keys import Keys
from perijove.adapters.probe import HttpProber
from perijove.adapters.store_sql import open_store
from perijove.adapters.system_clock import SystemClock
from perijove.config.settings import Settings
from perijove.control.context import Hub
from perijove.control.servers.ask import ask_start, ask_stop
from perijove.control.servers.reconcile import run_reconciler
from perijove.control.watch import Watch
from perijove.domain.addresses import HubAddresses
from perijove.domain.lifecycle import Transition
from perijove.domain.server import Phase, Server
from perijove.ports.observer import AuditEvent
from perijove.ports.plugin import PluginContext
from perijove.testing.null_spawner import NullSpawner


class Count:
    """Counts servers as they come to rest; an observer."""

    def __init__(self) -> None:
        self._at = Counter[Phase]()
        self._wanted: tuple[Phase, int] | None = None
        self._reached = asyncio.Event()

    def transition(self, transition: Transition, at: datetime) -> None:  # noqa: ARG002 - an observer's signature
        self._at[transition.after.phase] += 1
        if self._wanted is not None and self._at[self._wanted[0]] >= self._wanted[1]:
            self._reached.set()

    def audit(self, event: AuditEvent) -> None:
        """Not counted."""

    @asynccontextmanager
    async def reaching(self, phase: Phase, number: int) -> AsyncIterator[None]:
        """Leaving waits until so many more have come to `phase`. Raises TimeoutError."""
        self._at.clear()
        self._reached.clear()
        self._wanted = (phase, number)
        yield
        async with asyncio.timeout(120):
            await self._reached.wait()


class CountedStore:
    """Counts transactions that may write."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.writes = self.reads = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def write(self, change: Callable[[Any], Any]) -> Any:
        self.writes += 1
        return await self._store.write(change)

    async def read(self, query: Callable[[Any], Any]) -> Any:
        self.reads += 1
        return await self._store.read(query)


@asynccontextmanager
async def opened(folder: Path, count: Count, limit: int) -> AsyncIterator[Hub]:
    """A hub of one replica that works until the end."""
    clock, keys = SystemClock(), Keys("benchmark" * 5)
    async with open_store(f"sqlite:///{folder / 'hub.sqlite'}", pool_size=4, clock=clock) as store:
        counted: Any = CountedStore(store)
        context = PluginContext(state_dir=folder, runtime_dir=folder, base_url="/", exposed=False, store=store, clock=clock, secrets=keys)
        async with NullSpawner.open(NullSpawner.Config(), context) as spawner:
            unused: Any = None  # nobody signs in
            hub = Hub(
                replica="bench",
                settings=msgspec.convert({"limits": {"concurrent_starts": limit}}, Settings),
                addresses=HubAddresses(base_url="/", api_url="http://127.0.0.1:8081/hub/api"),
                store=counted,
                clock=clock,
                secrets=keys,
                spawner=spawner,
                authenticator=unused,
                prober=HttpProber(),
                watch=Watch(store, clock),
                observers=(count,),
            )
            async with asyncio.TaskGroup() as group:
                working = group.create_task(run_reconciler(hub))
                await hub.watch.standing.wait()
                yield hub
                working.cancel()


async def measured(hub: Hub, name: str, number: int, work: Callable[[], Awaitable[None]]) -> None:
    store: Any = hub.store
    gc.collect()
    writes, reads, began, cpu = store.writes, store.reads, time.perf_counter(), time.process_time()
    await work()
    took, used = time.perf_counter() - began, time.process_time() - cpu
    print(
        f"{name:8} {number / took:8.0f} a second {used / number * 1e3:8.3f} ms of CPU each {number / used:8.0f} a second of CPU"
        f" {(store.writes - writes) / number:6.2f} writes {(store.reads - reads) / number:6.2f} reads each"
    )


async def bench(number: int, at_once: int, limit: int) -> None:
    with tempfile.TemporaryDirectory(prefix="perijove-bench-") as folder:
        count = Count()
        async with opened(Path(folder), count, limit) as hub:
            names = [f"person-{index:05d}" for index in range(number)]
            now = hub.clock.now()
            await hub.store.write(lambda tx: tx.users.add_missing(names, now=now))
            await _in_turns(at_once, names[:50], lambda name: ask_start(hub, name, "", options=None, actor="bench"))  # warm up

            async def start() -> None:
                async with count.reaching(Phase.READY, number - 50):
                    await _in_turns(at_once, names[50:], lambda name: ask_start(hub, name, "", options=None, actor="bench"))

            async def stop() -> None:
                async with count.reaching(Phase.STOPPED, number):
                    await _in_turns(at_once, names, lambda name: ask_stop(hub, name, "", actor="bench"))

            await measured(hub, "starts", number - 50, start)
            await measured(hub, "stops", number, stop)


async def _in_turns(at_once: int, names: list[str], ask: Callable[[str], Awaitable[Server]]) -> None:
    left = iter(names)

    async def asker() -> None:
        for name in left:
            await ask(name)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(asker())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, default=2000, help="(default: %(default)s)")
    parser.add_argument("--at-once", type=int, default=100, help="requests under way at a time (default: %(default)s)")
    parser.add_argument("--limit", type=int, default=0, help="concurrent_starts; 0: no limit (default: %(default)s)")
    arguments = parser.parse_args()
    sys.setswitchinterval(0.0005)  # as the hub does
    gc.set_threshold(50_000, 20, 50)
    uvloop.run(bench(arguments.servers, arguments.at_once, arguments.limit))
    return 0


if __name__ == "__main__":
    sys.exit(main())
