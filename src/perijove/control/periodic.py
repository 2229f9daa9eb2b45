"""Periodic work that one replica does for all: whoever holds the lease.

The lease is short and renewed while the work is done and between, however rare the work: so when its holder dies, another one goes on within
seconds.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import structlog

from perijove.control.context import Hub
from perijove.control.trouble import complain

LEASE: Final = timedelta(seconds=9)
RENEW_S: Final = 2.0
_log = structlog.get_logger("perijove.periodic")
Work = Callable[[Hub], Awaitable[None]]


class _LeaseLostError(Exception):
    """Another replica may do the work now."""


async def every(hub: Hub, name: str, period_s: float, work: Work) -> None:
    """Do `work` every `period_s` seconds, from now on, while this replica holds the lease `name`; until cancelled.

    Whoever takes the lease over does the work at once, for it does not know when it was last done: it must bear being done too often.
    """
    if not hub.store.shared:
        await _keep_doing(hub, name, period_s, work)
    while True:
        try:
            if await _take(hub, name):
                await _hold(hub, name, period_s, work)
        except Exception as error:  # noqa: BLE001 - the database may be away for a while
            complain("cannot see who does periodic work", error, work=name)
        await hub.clock.sleep(RENEW_S)


async def _keep_doing(hub: Hub, name: str, period_s: float, work: Work) -> None:
    while True:
        try:
            await work(hub)
        except Exception as error:  # noqa: BLE001 - the next time may go better, and other work must not end for it
            complain("periodic work failed", error, work=name)
        await hub.clock.sleep(period_s)


async def _hold(hub: Hub, name: str, period_s: float, work: Work) -> None:
    """Until the lease cannot be renewed: what is being done then is broken off, for another replica may begin."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_keep_doing(hub, name, period_s, work), name=f"periodic {name}")
            group.create_task(_keep_lease(hub, name), name=f"lease {name}")
    except* _LeaseLostError:
        _log.warning("another hub may do this periodic work now, for this one cannot renew its lease", work=name)
    finally:
        with contextlib.suppress(Exception):  # then it expires
            await hub.store.write(lambda tx: tx.leases.release(name, hub.replica))


async def _keep_lease(hub: Hub, name: str) -> None:
    """Raises _LeaseLostError before the lease ends."""
    clock = hub.clock
    until = clock.monotonic() + LEASE.total_seconds() - RENEW_S
    while True:
        await clock.sleep(RENEW_S)
        moment, held = clock.monotonic(), True
        try:
            async with asyncio.timeout(RENEW_S):
                held = await _take(hub, name)
            until = moment + LEASE.total_seconds()
        except Exception as error:  # noqa: BLE001 - tried again, as long as it lasts
            complain("the lease on periodic work cannot be renewed", error, work=name)
        if not held or clock.monotonic() + 2 * RENEW_S > until:
            raise _LeaseLostError


async def _take(hub: Hub, name: str) -> bool:
    """Only who may get it, or has it, writes: those who wait for it just look."""
    now = hub.clock.now()
    holder = (await hub.store.read(lambda tx: tx.leases.held(now))).get(name, hub.replica)
    return holder == hub.replica and await hub.store.write(lambda tx: tx.leases.take(name, hub.replica, now, now + LEASE))
