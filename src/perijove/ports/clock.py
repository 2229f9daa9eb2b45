"""Time, as something that can be turned by hand in tests."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The present moment, aware, UTC."""
        ...

    def ahead_s(self) -> float:
        """By how many seconds the machine's own clock is before this one; not 0 only where replicas have agreed on the time."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock."""
        ...
