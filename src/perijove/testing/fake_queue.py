"""A batch system in memory, whose jobs do what a test says."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from perijove.domain.batch.belief import History
from perijove.domain.batch.cluster import Association, Cluster, Partition
from perijove.domain.batch.request import JobRequest, Program
from perijove.domain.batch.status import Cause, Ending, JobId, JobStatus, State
from perijove.domain.errors import SpawnerError
from perijove.ports.batch import Estimate, NotAllowedError, Past, QueueAwayError
from perijove.ports.clock import Clock


class FakeQueue:
    """Implements ports.batch.Queue, and `prolong`. `away`: it answers nothing. `loses_answers`: so many submissions are done, and their answers lost.
    `starts_at_once`: jobs run as soon as they are submitted. `blind`: so many submissions do not see a job of the same name, as two at one moment do not.
    `stubborn`: jobs end by force only."""

    def __init__(self, clock: Clock, *, starts_at_once: bool = False, max_time_s: int | None = None) -> None:
        self._clock = clock
        self.starts_at_once = starts_at_once
        self.max_time_s = max_time_s
        self.away = self.stubborn = False
        self.loses_answers = self.blind = 0
        self.jobs: dict[JobId, JobStatus] = {}
        self.owners: dict[JobId, str] = {}
        self.submitted: list[tuple[str, JobRequest, Program]] = []
        self.asked: list[str] = []
        self.prolonged: list[tuple[JobId, int]] = []

    def alive(self, name: str | None = None) -> list[JobId]:
        """Of all jobs, or of those by this name."""
        return [one.job for one in self.jobs.values() if one.alive and (name is None or one.name == name)]

    def put(self, job: JobId, state: State, reason: str = "", ending: Ending | None = None) -> None:
        """Have the job be in this state."""
        if state is not State.ENDED:
            ending = None
        self.jobs[job] = replace(self.jobs[job], state=state, reason=reason, ending=ending, host="n1" if state is State.RUNNING else "")

    async def submit(self, person: str, request: JobRequest, program: Program) -> JobId:
        self._ask("submit")
        there = self.alive(request.name)
        if there and not self.blind:
            return there[0]
        self.blind = max(0, self.blind - 1)
        job = JobId(str(len(self.jobs) + 1))
        state = State.RUNNING if self.starts_at_once else State.PENDING
        self.jobs[job] = JobStatus(job=job, state=state, name=request.name, user=person, partition="short", comment=request.comment)
        self.owners[job] = person
        self.submitted.append((person, request, program))
        if self.loses_answers:
            self.loses_answers -= 1
            raise QueueAwayError("The answer was lost.")
        return job

    async def find(self, names: Collection[str]) -> Mapping[str, Sequence[JobStatus]]:
        self._ask("find")
        found = {name: [one for one in self.jobs.values() if one.name == name] for name in names}
        return {name: jobs for name, jobs in found.items() if jobs}

    async def query(self, jobs: Collection[JobId]) -> Mapping[JobId, JobStatus]:
        self._ask("query")
        return {job: self.jobs[job] for job in jobs if job in self.jobs}

    async def past(self, jobs: Collection[JobId]) -> Mapping[JobId, Past]:
        self._ask("past")
        return {job: Past(History.NONE) for job in jobs}

    async def cancel(self, person: str, job: JobId, *, force: bool = False) -> None:
        self._ask("cancel by force" if force else "cancel")
        if self.owners.get(job, person) != person:
            raise NotAllowedError("This is another person's job.")
        if job in self.jobs and self.jobs[job].alive and (force or not self.stubborn):
            self.put(job, State.ENDED, ending=Ending(Cause.CANCELLED))

    async def estimate(self, person: str, request: JobRequest) -> Estimate:  # noqa: ARG002 - the port's
        self._ask("estimate")
        return Estimate(None)

    async def cluster(self) -> Cluster:
        self._ask("cluster")
        return Cluster(name="c", version=(), partitions=(Partition(name="short", default=True, max_time_s=self.max_time_s),), kept_s=60)

    async def associations(self, person: str) -> Sequence[Association] | None:  # noqa: ARG002 - the port's
        self._ask("associations")
        return None

    async def ping(self) -> None:
        self._ask("ping")

    async def prolong(self, job: JobId, by_s: int) -> None:
        """Take note of it. Raises SpawnerError if the job does not run."""
        self._ask("prolong")
        if self.jobs[job].state is not State.RUNNING:
            raise SpawnerError("It does not run.")
        self.prolonged.append((job, by_s))

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.away:
            raise QueueAwayError("It is away.")
