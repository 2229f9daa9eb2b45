"""Periodic work that one replica does for all: whoever holds the lease."""

import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta

from perijove.control.context import Hub
from perijove.control.trouble import complain


async def every(hub: Hub, name: str, period_s: float, work: Callable[[Hub], Awaitable[None]]) -> None:
    """Do `work` every `period_s` seconds, from now on, while this replica holds the lease `name`; until cancelled."""
    term = timedelta(seconds=max(15.0, 3 * period_s))
    try:
        while True:
            try:
                if not hub.store.shared or await _take(hub, name, term):
                    await work(hub)
            except Exception as error:  # noqa: BLE001 - the next time may go better, and other work must not end for it
                complain("periodic work failed", error, work=name)
            await hub.clock.sleep(period_s)
    finally:
        if hub.store.shared:
            with contextlib.suppress(Exception):  # then it expires
                await hub.store.write(lambda tx: tx.leases.release(name, hub.replica))


async def _take(hub: Hub, name: str, term: timedelta) -> bool:
    now = hub.clock.now()
    return await hub.store.write(lambda tx: tx.leases.take(name, hub.replica, now, now + term))
