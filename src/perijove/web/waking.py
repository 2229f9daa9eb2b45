"""A hub that stood still for a while (its process was paused, its machine suspended) and goes on.

What came in meanwhile lies in its sockets, and behind some of it that whoever sent it has given up. Threads that change the database go on at once,
while the event loop has hundreds of sockets to read first: nothing must be changed in between.
"""

import threading
from typing import Final

from perijove.ports.clock import Clock

TICK_S: Final = 0.25
STILL_S: Final = 1.0
"""Standing still for so long is more than having much to do."""
LISTEN_S: Final = 0.25
"""After waking: how long it takes to have read hundreds of sockets."""
_MOST_S: Final = 3.0
_NAP_S: Final = 0.02


class Waking:
    """`watch` runs as long as the hub does."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._woke_at = float("-inf")
        self._beat = float("inf")

    async def watch(self) -> None:
        """Until cancelled."""
        try:
            while True:
                before = self._beat = self._clock.monotonic()
                await self._clock.sleep(TICK_S)
                now = self._clock.monotonic()
                if now - before > TICK_S + STILL_S:
                    self._woke_at = now
        finally:
            self._beat = float("inf")

    def listening(self) -> bool:
        """Whether all has been read that came in while the hub stood still."""
        now = self._clock.monotonic()
        return now - self._beat <= TICK_S + STILL_S and now >= self._woke_at + LISTEN_S

    def until_listening(self) -> None:
        """Waits in a thread, for three seconds at most: returns at once but for the moment after standing still."""
        nap, most = threading.Event(), _MOST_S
        while most > 0 and not self.listening():
            nap.wait(_NAP_S)
            most -= _NAP_S
