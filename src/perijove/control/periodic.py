"""Periodic work that one replica does for all: whoever holds the lease."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from perijove.control.context import Hub

_log = structlog.get_logger("perijove.periodic")


async def every(hub: Hub, name: str, period_s: float, work: Callable[[Hub], Awaitable[None]]) -> None:
    """Do `work` every `period_s` seconds, from now on, while this replica holds the lease `name`; until cancelled."""
    term = timedelta(seconds=max(15.0, 3 * period_s))
    try:
        while True:
            try:
                if not hub.store.shared or await _take(hub, name, term):
                    await work(hub)
            except Exception:  # noqa: BLE001 - the next time may go better, and other work must not end for it
                _log.exception("periodic work failed", work=name)
            await hub.clock.sleep(period_s)
    finally:
        if hub.store.shared:
            await hub.store.write(lambda tx: tx.leases.release(name, hub.replica))


async def _take(hub: Hub, name: str, term: timedelta) -> bool:
    now = hub.clock.now()
    return await hub.store.write(lambda tx: tx.leases.take(name, hub.replica, now, now + term))
