"""Tells the hub when this server was last used, so that it knows which servers are idle."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone

from .hub import HubRefusedError, HubUnavailableError

_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 15.0
_GIVE_UP_AFTER_S = 60.0


class ActivityReporter:
    """Reports at the start and then every interval, give or take a tenth, if anything happened."""

    def __init__(
        self,
        last_activity: Callable[[], datetime],
        send: Callable[[datetime], Awaitable[None]],
        *,
        interval_s: float,
        log: logging.Logger | logging.LoggerAdapter[logging.Logger],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        uniform: Callable[[float, float], float],
    ) -> None:
        self._last_activity = last_activity
        self._send = send
        self._interval_s = interval_s
        self._log = log
        self._sleep = sleep
        self._uniform = uniform
        self._reported: datetime | None = None

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            await self.report()
            # Spread out, or the servers of a class that started together report together for ever.
            await self._sleep(self._interval_s * self._uniform(0.9, 1.1))

    async def report(self) -> None:
        """Report once if there is news; try again for a minute while no hub answers."""
        latest = self._last_activity()
        if latest.tzinfo is None:
            latest = latest.replace(tzinfo=timezone.utc)
        if self._reported is not None and latest <= self._reported:
            return
        waited_s, wait_s = 0.0, _FIRST_WAIT_S
        while True:
            try:
                await self._send(latest)
            except HubRefusedError as error:  # noqa: PERF203 - it waits between attempts
                self._log.error(
                    "The hub does not take this server's activity report: %s. If this stays so the "
                    "hub may stop this server as idle: save your work, then stop and start the "
                    "server on the hub's page.",
                    error,
                )
                return
            except HubUnavailableError as error:
                if waited_s >= _GIVE_UP_AFTER_S:
                    self._log.warning(
                        "No hub took this server's activity report (%s); trying again in %.0f s.",
                        error,
                        self._interval_s,
                    )
                    return
                await self._sleep(wait_s)
                waited_s += wait_s
                wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
            else:
                self._reported = latest
                return
