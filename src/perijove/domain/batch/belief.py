"""When a scheduler's "I know no such job" is believed. A hub that believes it too soon forgets a person's running server."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

TIMES: Final = 2
HEARD_S: Final = 90.0
"""A job that itself was heard within so long is not gone, whatever the scheduler says."""


class History(Enum):
    """What the accounting says of a job that the queue no longer knows."""

    NONE = "none"
    """The cluster keeps none."""
    SILENT = "silent"
    """It did not answer, or knows nothing of the job (yet)."""
    ALIVE = "alive"
    """It has the job as not ended: the accounting may lag, or the queue lie."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """What is known of a job that successful answers left out.

    `times`: in how many of them, one after another. `sees_others_jobs`: whether who asked is shown the person's jobs at all (Slurm's
    PrivateData=jobs shows nobody else's, and says nothing of it). `heard_s_ago`: since the job itself spoke (None: never).
    `absent_s`: since the first of these answers. `kept_s`: how long the queue remembers an ended job (Slurm: MinJobAge).
    """

    times: int
    sees_others_jobs: bool
    heard_s_ago: float | None
    history: History
    absent_s: float
    kept_s: float


def gone(absence: Absence) -> bool:
    """Whether the job is believed to be gone. With no accounting, its silence must last as long as the queue keeps an ended job."""
    if absence.heard_s_ago is not None and absence.heard_s_ago < HEARD_S:
        return False
    if absence.history is History.ENDED:
        return True  # accounting shows the person's jobs or says nothing: an end it has recorded is an end
    if not absence.sees_others_jobs or absence.times < TIMES or absence.history is History.ALIVE:
        return False
    return absence.absent_s >= absence.kept_s


def never_was(absence: Absence) -> bool:
    """Whether a submission whose answer was lost left no job. Judged like `gone`, and asked of the accounting too."""
    return gone(absence) and absence.history is not History.ENDED
