"""Where a job stands, in the words of no particular scheduler."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NewType

JobId = NewType("JobId", str)


class State(Enum):
    PENDING = "pending"
    """It waits; `reason` says for what."""
    STARTING = "starting"
    """Its nodes are found and get ready (booting, prologue)."""
    RUNNING = "running"
    SUSPENDED = "suspended"
    """It stands still with its memory, and will go on."""
    REQUEUED = "requeued"
    """It was ended by the scheduler and waits to begin anew, with the same id, perhaps on another node."""
    COMPLETING = "completing"
    """It is being ended or cleared up: neither alive nor gone."""
    ENDED = "ended"
    UNKNOWN = "unknown"
    """The scheduler used a word we do not know. Never taken for gone."""


class Cause(Enum):
    """Why a job ended."""

    FINISHED = "finished"
    """By itself, with exit code 0."""
    FAILED = "failed"
    """By itself, with another exit code or by a signal."""
    TIME_LIMIT = "time limit"
    OUT_OF_MEMORY = "out of memory"
    NODE_FAILURE = "node failure"
    PREEMPTED = "preempted"
    CANCELLED = "cancelled"
    BOOT_FAILURE = "boot failure"
    LAUNCH_FAILURE = "launch failure"
    DEADLINE = "deadline"
    UNKNOWN = "unknown"
    """It is gone, and nothing tells why."""


@dataclass(frozen=True, slots=True)
class Ending:
    """`by`: who cancelled it (a name, or a uid as text), if known. `signal` 0: none."""

    cause: Cause
    exit_code: int | None = None
    signal: int = 0
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """One answer about one job. Times are aware, UTC. `expected_start`: the scheduler's estimate while it waits."""

    job: JobId
    state: State
    name: str = ""
    user: str = ""
    partition: str = ""
    comment: str = ""
    raw_state: str = ""
    reason: str = ""
    """The scheduler's own word for why it waits or ended ("" if none)."""
    host: str = ""
    """Where its first process runs."""
    nodes: str = ""
    submitted: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None
    """When it ended, or when its time is up."""
    expected_start: datetime | None = None
    ending: Ending | None = None

    @property
    def alive(self) -> bool:
        """It has, or will have, processes."""
        return self.state is not State.ENDED

    def same_news(self, other: "JobStatus | None") -> bool:
        """Whether the other says the same to a person who waits."""
        return other is not None and self == other
