"""A batch system's queue: where jobs of people are submitted, followed and cancelled. Knows nothing of Jupyter or of the hub."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol

from perijove.domain.batch.belief import History
from perijove.domain.batch.cluster import Association, Cluster
from perijove.domain.batch.request import JobRequest, Program
from perijove.domain.batch.status import JobId, JobStatus
from perijove.domain.errors import Blame, SpawnerError


class RefusedByQueueError(SpawnerError):
    """The batch system refused what was asked for, for a reason that lies in the request; its own words are in the message. Nothing was submitted."""

    code = "batch-refused"
    status = 400
    blame: ClassVar[Blame] = Blame.PERSON


class QueueAwayError(SpawnerError):
    """The batch system did not answer. What was asked may have been done or not; `submit` of the same name finds what was."""

    code = "batch-away"
    status = 503


class NotAllowedError(SpawnerError):
    """The hub may not act as this person, or the batch system does not let it."""

    code = "batch-not-allowed"
    status = 502


@dataclass(frozen=True, slots=True)
class Estimate:
    """When a job like this would begin, by what the scheduler knows now. `start` None: it takes it, but cannot say."""

    start: datetime | None
    nodes: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a job that the queue no longer has. `status`: its last, if the history has it."""

    history: History
    status: JobStatus | None = None


class Queue(Protocol):
    """All methods may raise QueueAwayError and NotAllowedError; those that act as a person act as exactly this account. Safe to cancel at any await:
    then the act may have been done or not, as with a lost answer."""

    async def submit(self, person: str, request: JobRequest, program: Program) -> JobId:
        """Submit as the person. If a living job of this person with `request.name` is there already (an answer was lost, or another replica
        was quicker), it is that one. Raises RefusedByQueueError, BadInputError.

        After QueueAwayError it may be called again with the same name, as often as it takes; there is never a second living job, unless two
        callers submit the same name at the same moment: then `find` shows both, and one must be cancelled.
        """
        ...

    async def find(self, names: Collection[str]) -> Mapping[str, Sequence[JobStatus]]:
        """The jobs by these names that the queue still has, ended ones included, oldest first. A name without jobs is left out."""
        ...

    async def query(self, jobs: Collection[JobId]) -> Mapping[JobId, JobStatus]:
        """All of them in one question. Those that the queue does not know are left out: what that means, domain.batch.belief says."""
        ...

    async def past(self, jobs: Collection[JobId]) -> Mapping[JobId, Past]:
        """What the history (accounting) says of jobs that `query` left out, in one question; an entry for each of them."""
        ...

    async def cancel(self, person: str, job: JobId, *, force: bool = False) -> None:
        """Ask the job to end (SIGTERM to all its processes, SIGKILL by the scheduler after its own wait); with `force` at once by SIGKILL. Returns
        when the scheduler has taken it, not when the job is gone. Fine if it has ended. Raises NotAllowedError for another person's job."""
        ...

    async def estimate(self, person: str, request: JobRequest) -> Estimate:
        """When it would begin. Nothing is submitted. Raises RefusedByQueueError as `submit` would."""
        ...

    async def cluster(self) -> Cluster:
        """What the cluster has, and what of it is free now."""
        ...

    async def associations(self, person: str) -> Sequence[Association] | None:
        """The accounts the person may use; None where the cluster keeps none."""
        ...

    async def ping(self) -> None:
        """A question that costs next to nothing. Raises QueueAwayError."""
        ...
