"""When does everybody know a route? Proxies report the revision they have applied; a server is ready when all live ones have it."""

import asyncio
from datetime import datetime, timedelta

from perijove.control.context import Hub
from perijove.control.trouble import complain
from perijove.ports.store.shared import ProxySeen
from perijove.ports.store.store import Tx

ALIVE = timedelta(seconds=25)
"""A proxy that has not reported for so long is not waited for (they report every 10 s)."""
PATIENCE_S = 3.0
"""A proxy that is alive but behind is waited for this long; whoever it sends to the hub is sent back (web/pages/spawn.py)."""
LOOK_S = 0.02


def live_proxies(tx: Tx, now: datetime) -> list[ProxySeen]:
    return tx.proxies.seen_since(now - ALIVE)


async def wait_for_proxies(hub: Hub) -> list[str]:
    """Wait until every live proxy has applied the table as it is now. Returns those that have not after PATIENCE_S."""
    revision, _ = await hub.store.read(lambda tx: tx.routes.all())
    began = hub.clock.monotonic()
    while True:
        now = hub.clock.now()
        behind = [proxy.proxy_id for proxy in await hub.store.read(lambda tx: live_proxies(tx, now)) if proxy.revision < revision]  # noqa: B023
        took_s = hub.clock.monotonic() - began
        if not behind or took_s > PATIENCE_S:
            hub.timings.routes_checked(took_s)
            return behind
        await hub.clock.sleep(LOOK_S)


class RouteWatch:
    """Asks the database for all who wait at once, however many they are. `run` must be running."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._waiting: dict[asyncio.Future[None], tuple[int, float]] = {}
        self._wanted = asyncio.Event()

    async def known_by_all(self, revision: int) -> None:
        """Return when every live proxy has applied all up to `revision`, or patience has run out."""
        known: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[known] = (revision, self._hub.clock.monotonic() + PATIENCE_S)
        self._wanted.set()
        try:
            await known
        finally:
            self._waiting.pop(known, None)

    async def run(self) -> None:
        """Until cancelled."""
        hub = self._hub
        while True:
            if not self._waiting:
                self._wanted.clear()
                await self._wanted.wait()
            now = hub.clock.now()
            try:
                proxies = await hub.store.read(lambda tx: live_proxies(tx, now))  # noqa: B023 - run before the loop goes on
                least = min((proxy.revision for proxy in proxies), default=None)
            except Exception as error:  # noqa: BLE001 - the database may be away for a while; patience ends all the same
                complain("cannot see how far the proxies are", error)
                least = -1
            moment = hub.clock.monotonic()
            for known, (revision, until) in list(self._waiting.items()):
                if not known.done() and (least is None or least >= revision or moment > until):
                    known.set_result(None)
                    self._waiting.pop(known, None)
            if self._waiting:
                await hub.clock.sleep(LOOK_S)
