"""Answers to "who am I?" that are given again: each server and service asks it for every visitor, far more often than it changes.

An answer holds as long as the identity it was made for is the one in memory (control/access/identity.py drops that when the person,
their groups, roles or the token change), no server has moved since, and it is not older than a second.
"""

from dataclasses import dataclass

from perijove.control.context import Hub
from perijove.domain.access import Identity
from perijove.domain.change import Notice

MAX_AGE_S = 1.0
MAX_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class _Kept:
    identity: Identity
    turn: int
    until: float
    body: bytes


class Answers:
    """One per process."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._kept: dict[int, _Kept] = {}
        self._turn = 0
        hub.watch.listen(self._on_notice)

    def get(self, identity: Identity) -> bytes | None:
        """The answer for exactly this identity, if it still holds. Sessions have none: they are asked for rarely."""
        kept = self._kept.get(identity.token_id or 0)
        if kept is None or kept.identity is not identity or kept.turn != self._turn or kept.until < self._hub.clock.monotonic():
            return None
        return kept.body

    @property
    def turn(self) -> int:
        """Take it before looking up what the answer is made from."""
        return self._turn

    def put(self, identity: Identity, turn: int, body: bytes) -> None:
        if identity.token_id is None:
            return
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[identity.token_id] = _Kept(identity, turn, self._hub.clock.monotonic() + MAX_AGE_S, body)

    def _on_notice(self, _notice: Notice | None) -> None:
        self._turn += 1
