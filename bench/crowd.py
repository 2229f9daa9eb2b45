"""A large site to list: who is there, in which groups, with which servers. The same for every hub, by number alone.

Imported by JupyterHub's own environment as well (crowd_jupyterhub.py), so nothing beyond the standard library is used.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

COHORTS = 4
"""Groups that hold everybody among them."""
CLASSES = 40
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Crowd:
    """`servers` of the `people` have a running one."""

    people: int
    servers: int

    def name(self, number: int) -> str:
        return f"student-{number:05d}"

    @property
    def names(self) -> list[str]:
        return [self.name(number) for number in range(self.people)]

    def active(self, number: int) -> datetime | None:
        """Last activity, in another order than names; every tenth person was never there, and some at the same moment."""
        return None if number % 10 == 3 else _BEGAN + timedelta(minutes=number * 7919 % self.people // 2)

    def runs(self, number: int) -> bool:
        """Spread evenly over all."""
        return number * self.servers // self.people != (number + 1) * self.servers // self.people

    @property
    def first_running(self) -> str:
        return next(self.name(number) for number in range(self.people) if self.runs(number))

    def groups(self) -> Iterator[tuple[str, list[int]]]:
        for cohort in range(COHORTS):
            yield f"cohort-{cohort}", [number for number in range(self.people) if number // 4 % COHORTS == cohort]
        for group in range(CLASSES):
            yield f"class-{group:02d}", [number for number in range(self.people) if number // 7 % CLASSES == group]
