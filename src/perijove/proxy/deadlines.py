"""Deadlines of thousands of connections at next to no cost: extending one is an assignment, and one look a second serves all."""

import asyncio
import time
from typing import Protocol


class Timed(Protocol):
    """Something with a deadline. `due` may be moved later by assignment alone; to move it earlier call `Deadlines.arm`."""

    due: float
    slot: int

    def expired(self) -> None:
        """The deadline has passed. Sets a new one with `Deadlines.arm` if it lives on."""


class Deadlines:
    """Also the coarse clock: `now` (monotonic) and `wall` (since the epoch) are set once in a while, never per request."""

    TICK_S = 0.5

    def __init__(self) -> None:
        self.now = time.monotonic()
        self.wall = time.time()
        self._slots: dict[int, set[Timed]] = {}
        self._next = int(self.now)

    def arm(self, item: Timed, after_s: float) -> None:
        """Set the deadline `after_s` from now."""
        due = item.due = self.now + after_s
        slot = int(due) + 1
        if item.slot:
            if slot >= item.slot:
                return
            self._slots[item.slot].discard(item)
        self._put(item, slot)

    def drop(self, item: Timed) -> None:
        if item.slot:
            slot = self._slots.get(item.slot)
            if slot is not None:
                slot.discard(item)
            item.slot = 0

    def tick(self) -> None:
        """Advance the clock and call `expired` of everything whose deadline has passed."""
        self.now = now = time.monotonic()
        self.wall = time.time()
        while self._next < int(now) + 1:
            for item in self._slots.pop(self._next, ()):
                if item.slot != self._next:  # dropped or moved by one that expired just now
                    continue
                item.slot = 0
                if item.due <= now:
                    item.expired()
                else:
                    self._put(item, int(item.due) + 1)
            self._next += 1

    async def run(self) -> None:
        while True:
            self.tick()
            await asyncio.sleep(self.TICK_S)

    def _put(self, item: Timed, slot: int) -> None:
        item.slot = slot = max(slot, self._next)
        here = self._slots.get(slot)
        if here is None:
            here = self._slots[slot] = set()
        here.add(item)
