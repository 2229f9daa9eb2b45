"""How often the scheduler is asked, and when it is left alone because it does not answer."""

from dataclasses import dataclass, replace
from typing import Final

SHORTEST_S: Final = 5.0
"""Between two questions, whatever happens: at most 12 a minute."""
WAITING_S: Final = 15.0
RUNNING_S: Final = 60.0
"""While all just run: what matters is told by the jobs themselves."""
LONGEST_S: Final = 300.0
_TIMES_ITS_COST: Final = 5.0
"""A question that took a second is asked again after five at the earliest: a busy controller is left in peace."""


def interval_s(*, waiting: int, changing: int, last_took_s: float) -> float:
    """Seconds from the end of one question to the next, when `waiting` jobs wait and `changing` are new, starting or ending."""
    wanted = SHORTEST_S if changing else WAITING_S if waiting else RUNNING_S
    return min(LONGEST_S, max(wanted, _TIMES_ITS_COST * last_took_s))


@dataclass(frozen=True, slots=True)
class Breaker:
    """After `after` failures in a row nothing is asked but a probe (which costs a controller next to nothing), at growing intervals.

    Closed: failures < after. Open: `retry_at` lies ahead. Half-open: it lies behind; the next question is the probe.
    """

    failures: int = 0
    retry_at: float = 0.0
    after: int = 2
    first_s: float = 15.0
    longest_s: float = 120.0

    @property
    def open(self) -> bool:
        return self.failures >= self.after

    def may_ask(self, now: float) -> bool:
        return not self.open or now >= self.retry_at

    def failed(self, now: float) -> "Breaker":
        failures = self.failures + 1
        wait_s = min(self.longest_s, self.first_s * 2.0 ** min(20, max(0, failures - self.after)))
        return replace(self, failures=failures, retry_at=now + wait_s)

    def answered(self) -> "Breaker":
        return replace(self, failures=0, retry_at=0.0)
