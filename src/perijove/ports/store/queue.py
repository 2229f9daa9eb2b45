"""The queue of starts, for who decides on it and who shows it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from perijove.domain.limits import Load, Waiting
from perijove.domain.server import Server, ServerId, UserId


class Queue(Protocol):
    """Each answer is a statement or two, however many wait. "People" are those who wait."""

    def length(self) -> int: ...

    def load(self, *, active: bool) -> tuple[Load, int]:
        """Of the whole site, and how many wait: 0, 1, or 2 for more. Without `active`, servers that are not starting are not counted."""
        ...

    def waiting(self, limit: int) -> list[Waiting]:
        """Who waits, by the moment they asked."""
        ...

    def active_of_people(self) -> dict[UserId, int]:
        """How many servers each has that exist already (limits.ACTIVE_PHASES); who has none is absent."""
        ...

    def groups_of_people(self, names: Sequence[str]) -> dict[UserId, list[str]]:
        """In which of these groups each is, sorted by name; who is in none is absent."""
        ...

    def load_of_groups(self, names: Sequence[str]) -> dict[str, Load]:
        """How many servers the people of each group have; one without any is absent. It counts who does not wait, too."""
        ...

    def take(self, server_ids: Sequence[ServerId]) -> list[Server]:
        """Those of them that wait still; in a change they are held."""
        ...

    def left_since(self, moment: datetime, group: str = "") -> int:
        """How many had to wait, and were let through later than `moment`; `group`: of its people. What was started once more, or
        deleted, since then is not counted."""
        ...
