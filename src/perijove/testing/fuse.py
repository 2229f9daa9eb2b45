"""The sudden death of a hub: its n-th deed outside its own memory is its last."""

import asyncio


class Killed(BaseException):
    """No code of the hub may catch this or go on after it; a killed process does not clean up."""


class Fuse:
    """Of one replica. Whatever it does to the outside calls `burn` first, and again when it is done."""

    def __init__(self) -> None:
        self.points: list[str] = []
        """What was passed since it was armed."""
        self.blown = asyncio.Event()
        self._at: int | None = None

    def arm(self, at: int) -> None:
        """Blow at the `at`-th point from now, the first being 1."""
        self._at = at
        self.points.clear()

    def burn(self, point: str) -> None:
        """Raises Killed at the point for which it is armed, and ever after."""
        if self.blown.is_set():
            raise Killed(point)
        if self._at is None:
            return
        self.points.append(point)
        if len(self.points) == self._at:
            self.blown.set()
            raise Killed(point)
