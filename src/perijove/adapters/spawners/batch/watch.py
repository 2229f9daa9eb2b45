"""One poller for all jobs of a cluster: one question for everybody, at a pace the controller bears, and news handed on to who waits."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field, replace

from perijove.domain.batch.belief import Absence, History, gone
from perijove.domain.batch.cluster import Cluster
from perijove.domain.batch.pace import SHORTEST_S, Breaker, interval_s
from perijove.domain.batch.status import Cause, Ending, JobId, JobStatus, State
from perijove.domain.errors import SpawnerError
from perijove.ports.batch import Past, Queue
from perijove.ports.clock import Clock

_NEW_S = 60.0
"""So long after it was first followed a job is asked after often."""
_KEPT_S = 3600.0
"""The configuration of a cluster is read anew after so long."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of one job. `status` None: no answer about it yet. `doubt`: why the last answer is not to be relied on ("" if it is)."""

    status: JobStatus | None = None
    doubt: str = ""


@dataclass(slots=True)
class _Followed:
    since: float
    sight: Sight = Sight()
    heard: float | None = None
    absent_times: int = 0
    absent_since: float = 0.0
    answered: bool = False
    """Some answer was about it, be it that it is not there."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, sight: Sight) -> None:
        if sight != self.sight:
            self.sight = sight
            self.changed.set()
            self.changed = asyncio.Event()


class JobWatch:
    """`run` asks for as long as it is awaited; its owner cancels it. All else may be called from any task of the same event loop."""

    def __init__(self, queue: Queue, clock: Clock, *, sees_all_jobs: bool | None = None) -> None:
        """`sees_all_jobs`: whether the hub is shown everybody's jobs, as an operator is also where jobs are private; None: by what the cluster says."""
        self._queue = queue
        self._clock = clock
        self._sees_all_jobs = sees_all_jobs
        self._jobs: dict[JobId, _Followed] = {}
        self._wake = asyncio.Event()
        self._round = asyncio.Event()
        self._breaker = Breaker()
        self._asked_at: float | None = None
        self._took_s = 0.0
        self._cluster: tuple[float, Cluster] | None = None
        self.questions = 0
        """How often the queue was asked anything, for metrics."""

    @property
    def away(self) -> bool:
        """Whether the scheduler did not answer lately and is only probed."""
        return self._breaker.open

    def follow(self, job: JobId, known: JobStatus | None = None) -> None:
        """Ask after it from now on, until `forget`; soon, if it is new. An ended job that is known to have ended costs no more questions."""
        if job not in self._jobs:
            doubt = "The scheduler does not answer just now." if self.away else ""
            self._jobs[job] = _Followed(self._clock.monotonic(), Sight(known, doubt))
            self._wake.set()

    def forget(self, job: JobId) -> None:
        """No longer. Who waits for news of it gets no more."""
        followed = self._jobs.pop(job, None)
        if followed is not None:
            followed.changed.set()

    def heard(self, job: JobId) -> None:
        """The job itself spoke just now (its agent's heartbeat): it is not believed gone for a while, whatever the scheduler says."""
        followed = self._jobs.get(job)
        if followed is not None:
            followed.heard = self._clock.monotonic()

    def hurry(self) -> None:
        """Something is about to change (a cancel was sent): ask as soon as the pace allows."""
        self._wake.set()

    def sight(self, job: JobId) -> Sight:
        """What is known now, without asking."""
        followed = self._jobs.get(job)
        return followed.sight if followed is not None else Sight()

    async def seen(self, jobs: Collection[JobId]) -> Mapping[JobId, Sight]:
        """What is known of them, after at least one answer (or failure to get one) about each. Follows those that are not followed yet."""
        for job in jobs:
            self.follow(job)
        while any(job in self._jobs and not self._jobs[job].answered and not self._jobs[job].sight.doubt for job in jobs):
            await self._round.wait()
        return {job: self.sight(job) for job in jobs}

    async def news(self, job: JobId) -> AsyncIterator[Sight]:
        """What is known, whenever it changes, the present first; ends after the job's end was told, or with `forget`."""
        self.follow(job)
        told: Sight | None = None
        while (followed := self._jobs.get(job)) is not None:
            changed, sight = followed.changed, followed.sight
            if sight != told:
                told = sight
                yield sight
                if sight.status is not None and sight.status.state is State.ENDED:
                    return
                continue  # it may have changed while the reader was busy
            await changed.wait()

    async def run(self) -> None:
        """Ask, and go on asking."""
        while True:
            await self._rest()
            asked = [job for job, followed in self._jobs.items() if _open(followed)]
            if asked and self._breaker.may_ask(self._clock.monotonic()):
                await self._ask(asked)

    async def _rest(self) -> None:
        """Until the next question is due: sooner if woken, never sooner than SHORTEST_S after the last, or than the breaker lets through."""
        now = self._clock.monotonic()
        if self._asked_at is not None:
            soonest = max(self._asked_at + max(SHORTEST_S, 5 * self._took_s), self._breaker.retry_at if self._breaker.open else 0.0)
            if soonest > now:
                await self._clock.sleep(soonest - now)
        while not any(_open(followed) for followed in self._jobs.values()):
            self._wake.clear()
            await self._wake.wait()
        if self._breaker.open or self._asked_at is None:
            self._wake.clear()
            return
        due = self._asked_at + interval_s(waiting=self._count(State.PENDING, State.REQUEUED), changing=self._changing(), last_took_s=self._took_s)
        if due > self._clock.monotonic() and not self._wake.is_set():
            await self._woken(due - self._clock.monotonic())
        self._wake.clear()

    async def _woken(self, within_s: float) -> None:
        async with asyncio.TaskGroup() as both:
            sleeping = both.create_task(self._clock.sleep(within_s))
            waking = both.create_task(self._wake.wait())
            await asyncio.wait({sleeping, waking}, return_when=asyncio.FIRST_COMPLETED)
            sleeping.cancel()
            waking.cancel()

    def _count(self, *states: State) -> int:
        return sum(1 for one in self._jobs.values() if one.sight.status is not None and one.sight.status.state in states)

    def _changing(self) -> int:
        now = self._clock.monotonic()
        new = sum(1 for one in self._jobs.values() if _open(one) and (now - one.since < _NEW_S or one.absent_times))
        return new + self._count(State.STARTING, State.COMPLETING)

    async def _ask(self, asked: list[JobId]) -> None:
        began = self._clock.monotonic()
        try:
            if self._breaker.open:
                self.questions += 1
                await self._queue.ping()
            self.questions += 1
            found = await self._queue.query(asked)
            absent = [job for job in asked if job not in found and job in self._jobs]
            past = await self._past(absent) if absent else {}
        except SpawnerError as error:
            self._breaker = self._breaker.failed(self._clock.monotonic())
            for job in asked:
                if (followed := self._jobs.get(job)) is not None:
                    followed.tell(replace(followed.sight, doubt=str(error)))
        else:
            self._breaker = self._breaker.answered()
            for job in asked:
                if (followed := self._jobs.get(job)) is not None:
                    followed.answered = True
                    if job in found:
                        followed.absent_times = 0
                        followed.tell(Sight(found[job]))
                    elif job in past:
                        self._missed(job, followed, past[job])
        finally:
            self._asked_at = self._clock.monotonic()
            self._took_s = self._asked_at - began
            self._round.set()
            self._round = asyncio.Event()

    async def _past(self, absent: list[JobId]) -> Mapping[JobId, Past]:
        self.questions += 1
        await self._facts()
        return await self._queue.past(absent)

    async def _facts(self) -> Cluster:
        now = self._clock.monotonic()
        if self._cluster is None or now - self._cluster[0] > _KEPT_S:
            self.questions += 1
            self._cluster = (now, await self._queue.cluster())
        return self._cluster[1]

    def _missed(self, job: JobId, followed: _Followed, past: Past) -> None:
        """It was left out of an answer: how much that means is judged by domain.batch.belief."""
        now = self._clock.monotonic()
        if not followed.absent_times:
            followed.absent_since = now
        followed.absent_times += 1
        cluster = self._cluster[1] if self._cluster is not None else None
        absence = Absence(
            times=followed.absent_times,
            sees_others_jobs=self._sees_all_jobs if self._sees_all_jobs is not None else cluster is not None and cluster.shows_all_jobs,
            heard_s_ago=None if followed.heard is None else now - followed.heard,
            history=past.history,
            absent_s=now - followed.absent_since,
            kept_s=cluster.kept_s if cluster is not None else 300.0,
        )
        if not gone(absence):
            followed.tell(replace(followed.sight, doubt="The scheduler does not show this job just now, which is not believed at once."))
            return
        before = followed.sight.status or JobStatus(job=job, state=State.UNKNOWN)
        ended = replace(before, state=State.ENDED, ending=Ending(Cause.UNKNOWN))
        if past.history is History.ENDED and past.status is not None:
            ended = replace(past.status, comment=before.comment)
        followed.tell(Sight(ended))


def _open(followed: _Followed) -> bool:
    status = followed.sight.status
    return status is None or status.alive
