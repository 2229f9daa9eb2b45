"""The life of a service: what is known of it, and when one that ended is started again."""

import signal
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 60.0
STEADY_S: Final = 60.0
"""What ran for so long was well: when it ends, that is a new trouble, not the old one again."""
NO_PROCESS: Final = "Its process does not run."


class RunPhase(Enum):
    """Of the process of a managed service."""

    STOPPED = "stopped"
    RUNNING = "running"
    WAITING = "waiting"
    """It ended, or could not be started, and is started again at `next_start`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRun:
    """The process of a managed service. `replica` is the hub that answers for it, `exit_code` how the last one ended (negative: by
    that signal), `problem` why it does not run, `last_output` what it wrote before it ended last."""

    phase: RunPhase = RunPhase.STOPPED
    pid: int = 0
    replica: str = ""
    since: datetime | None = None
    restarts: int = 0
    exit_code: int | None = None
    problem: str = ""
    next_start: datetime | None = None
    last_output: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceHealth:
    """Whether a service with an address answers there. `up` None: not asked yet. `since`: when that began, or was first seen."""

    up: bool | None = None
    since: datetime | None = None
    problem: str = ""

    def seen(self, problem: str, at: datetime) -> "ServiceHealth":
        """The health after one question; "" is no problem. The same object if nothing changed."""
        up = not problem
        if self.up == up:
            return self if self.problem == problem else ServiceHealth(up=up, since=self.since, problem=problem)
        return ServiceHealth(up=up, since=at, problem=problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceState:
    """All that is recorded of how a service is. `restarts_asked` counts the times somebody asked for a restart."""

    service_id: int
    run: ServiceRun = ServiceRun()
    health: ServiceHealth = ServiceHealth()
    restarts_asked: int = 0


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often in a row it came to nothing."""

    failures: int = 0

    @property
    def wait_s(self) -> float:
        """Until the next start: twice as long each time, up to LONGEST_WAIT_S."""
        return 0.0 if not self.failures else float(min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(self.failures - 1, 30)))

    def ended(self, ran_s: float) -> "Backoff":
        """After one that ran for so long (0: it could not be started)."""
        return Backoff(1 if ran_s >= STEADY_S else self.failures + 1)


def ending_words(code: int | None) -> str:
    """How a process ended, for people. None: nobody saw how."""
    if code is None:
        return "it ended, and how is not known"
    if code >= 0:
        return f"it ended with exit code {code}"
    try:
        return f"it was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was ended by signal {-code}"
