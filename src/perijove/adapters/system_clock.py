"""The machine's own clock, or that of all replicas."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Final

_ELAPSED: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the machine sleeps, where there is such a clock (clock_gettime(2))."""
STEADY: Final = timedelta(milliseconds=20)
"""A difference as small as that is left alone: asking takes time, too."""


class SystemClock:
    """Implements ports.clock.Clock. Goes by the machine's time until it is told another (`agree`), then by that."""

    def __init__(self) -> None:
        self._agreed: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        if self._agreed is None:
            return datetime.now(UTC)
        moment, since = self._agreed
        return moment + timedelta(seconds=time.clock_gettime(_ELAPSED) - since)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def ahead_s(self) -> float:
        """By how many seconds the machine's own clock is before this one."""
        return (datetime.now(UTC) - self.now()).total_seconds()

    def agree(self, moment: datetime) -> None:
        """It is `moment` now, for everybody: leases mean the same to replicas whose machines disagree about the time. Any thread may
        call it."""
        if self._agreed is None or abs(moment - self.now()) > STEADY:
            self._agreed = moment, time.clock_gettime(_ELAPSED)
