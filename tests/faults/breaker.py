"""Somebody who breaks one thing after another, by a schedule that a seed decides, and mends it again."""

import asyncio
import os
import random
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from tests.faults.relay import Relay, Way
from tests.faults.site import Hub, Site

LEASE_S = 15.0


class Breaker:
    """`log` says what was done when, in seconds from the beginning."""

    def __init__(self, site: Site, seed: int) -> None:
        self._site = site
        self._random = random.Random(seed)
        self._began = asyncio.get_running_loop().time()
        self._mending: set[asyncio.Task[None]] = set()
        self._busy: set[str] = set()
        self.log: list[str] = []

    async def break_things(self, for_s: float) -> None:
        """Until the time is over; then everything is whole again."""
        deeds: list[tuple[float, Callable[[], Coroutine[Any, Any, None]]]] = [
            (4, self._kill_a_hub),
            (3, self._pause_a_hub),
            (2, self._cut_a_hub_from_the_database),
            (2, self._cut_a_hub_from_the_proxies),
            (2, self._kill_a_proxy_s_worker),
            (1, self._end_a_hub_politely),
            (0.7, self._restart_the_database),
        ]
        loop = asyncio.get_running_loop()
        until = loop.time() + for_s
        while loop.time() < until:
            (deed,) = self._random.choices([deed for _, deed in deeds], [weight for weight, _ in deeds])
            task = asyncio.create_task(deed())
            self._mending.add(task)
            task.add_done_callback(self._mending.discard)
            await asyncio.sleep(self._random.uniform(0.5, 4.0))
        while self._mending:
            await asyncio.gather(*self._mending)

    async def _kill_a_hub(self) -> None:
        if (hub := self._some_hub()) is not None:
            self._note(f"{hub.name} is killed")
            await hub.kill()
            await asyncio.sleep(self._random.uniform(0.0, 6.0))
            hub.start()
            self._back(hub)

    async def _end_a_hub_politely(self) -> None:
        if (hub := self._some_hub()) is not None:
            self._note(f"{hub.name} is asked to end")
            await hub.end()
            hub.start()
            self._back(hub)

    async def _pause_a_hub(self) -> None:
        if (hub := self._some_hub()) is not None:
            seconds = self._random.choice((2.0, LEASE_S - 1, LEASE_S + 4))
            self._note(f"{hub.name} is paused for {seconds:.0f} s")
            hub.pause()
            await asyncio.sleep(seconds)
            hub.go_on()
            self._back(hub)

    async def _cut_a_hub_from_the_database(self) -> None:
        if (hub := self._some_hub()) is not None:
            await self._cut(hub, hub.to_database, "the database")

    async def _cut_a_hub_from_the_proxies(self) -> None:
        if (hub := self._some_hub()) is not None:
            await self._cut(hub, hub.to_hub, "the proxies")

    async def _cut(self, hub: Hub, relay: Relay | None, from_what: str) -> None:
        assert relay is not None
        way, seconds = self._random.choice((Way.SILENT, Way.CLOSED)), self._random.choice((1.0, 6.0, LEASE_S + 4))
        self._note(f"{hub.name} is cut off from {from_what}, {way.value}, for {seconds:.0f} s")
        relay.turn(way)
        await asyncio.sleep(seconds)
        relay.turn(Way.OPEN)
        self._back(hub)

    async def _kill_a_proxy_s_worker(self) -> None:
        proxy = self._random.choice(self._site.proxies)
        workers = proxy.workers()
        if workers:
            self._note(f"a worker of {proxy.name} is killed")
            proxy.hurt_at = asyncio.get_running_loop().time()
            os.kill(self._random.choice(workers), signal.SIGKILL)

    async def _restart_the_database(self) -> None:
        if "database" in self._busy:
            return
        self._busy.add("database")
        self._note("the database is restarted")
        await asyncio.to_thread(self._site.postgres.stop)
        await asyncio.sleep(self._random.uniform(0.0, 3.0))
        await asyncio.to_thread(self._site.postgres.start)
        self._busy.discard("database")

    def _some_hub(self) -> Hub | None:
        """One that is whole."""
        whole = [hub for hub in self._site.hubs if hub.name not in self._busy]
        if not whole:
            return None
        hub = self._random.choice(whole)
        self._busy.add(hub.name)
        return hub

    def _back(self, hub: Hub) -> None:
        self._busy.discard(hub.name)

    def _note(self, what: str) -> None:
        self.log.append(f"{asyncio.get_running_loop().time() - self._began:6.1f} s  {what}")
