"""Servers as jobs of a batch system, whichever it is: submitted, followed, prolonged and cancelled through the queue port."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, runtime_checkable

import structlog

from perijove.adapters.spawners.batch.facts import ClusterFacts
from perijove.adapters.spawners.batch.job import Jobs
from perijove.adapters.spawners.batch.settings import Config
from perijove.adapters.spawners.batch.state import State, read_state
from perijove.adapters.spawners.batch.watch import JobWatch, Sight
from perijove.domain.batch.amounts import seconds
from perijove.domain.batch.offers import Offers
from perijove.domain.batch.options import requested
from perijove.domain.batch.status import Cause, JobId, JobStatus
from perijove.domain.batch.status import State as JobState
from perijove.domain.batch.words import hopeless, status_words
from perijove.domain.errors import BadInputError, BadOptionsError, SpawnerError
from perijove.domain.options import OptionField
from perijove.domain.server import JsonObject
from perijove.ports.batch import Queue, QueueAwayError
from perijove.ports.cluster_spawner import Verdict
from perijove.ports.plugin import PluginContext
from perijove.ports.spawner import (
    Address,
    Checkpoint,
    Exited,
    Handle,
    Pending,
    Progress,
    Running,
    StartEvent,
    StartRequest,
    Status,
    Unclear,
)

_log = structlog.get_logger("perijove.spawner.batch")
AGAIN_S: Final = 10.0
"""Between attempts to submit while the scheduler is away."""
SPENT_S: Final = 900.0
"""For so long after a stop a job is looked for that somebody who was paused may still submit."""
SWEEP_S: Final = 15.0
IDLE_S: Final = 600.0
"""A job after which nobody asked for so long is not followed any more: another replica looks after it."""
ORPHANS_S: Final = 600.0
"""How often it is looked for jobs that belong to no server, and how old they are at least."""
_WAITS: Final = frozenset({JobState.PENDING, JobState.REQUEUED, JobState.STARTING})


@runtime_checkable
class Lists(Protocol):
    """A queue may have this beside the port's methods."""

    async def living(self, prefix: str) -> Sequence[JobStatus]:
        """All jobs that wait or run and whose names begin so. It may be costly, and is asked every ten minutes."""
        ...


@runtime_checkable
class Prolongs(Protocol):
    """A queue may have this beside the port's methods."""

    async def prolong(self, job: JobId, by_s: int) -> None:
        """Move a running job's end back. Raises SpawnerError with the scheduler's reason if it does not."""
        ...


class BatchSpawner:
    """Implements ports.spawner.Spawner, and of ports.cluster_spawner OffersChoices, Estimates and Extends. `run` works as long as it is awaited."""

    def __init__(self, config: Config, queue: Queue, context: PluginContext) -> None:
        self._config = config
        self._queue = queue
        self._clock = context.clock
        self._policy = config.policy
        self._jobs = Jobs(config, context)
        self._watch = JobWatch(queue, context.clock, sees_all_jobs=config.sees_all_jobs)
        self._facts = ClusterFacts(queue, context.clock)
        self._starting: set[JobId] = set()
        self._asked: dict[JobId, float] = {}
        """When somebody asked after a job, last."""
        self._store = context.store
        self._orphans_at = context.clock.monotonic()
        self._spent: dict[str, tuple[float, str]] = {}

    @property
    def concurrent_starts(self) -> int:
        return self._config.concurrent_starts

    @property
    def queues_starts(self) -> bool:
        return True

    @property
    def poll_together(self) -> bool:
        return True

    async def run(self) -> None:
        """Follow jobs, and cancel what others submit too late; until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch.run(), name="jobs")
            group.create_task(self._sweep(), name="late jobs")

    async def start(self, request: StartRequest) -> AsyncIterator[StartEvent]:
        handle = request.handle
        state = read_state(handle.state) if handle.state is not None else None
        if state is None:
            state = State(self._jobs.name(handle), self._jobs.person(handle))
            wanted = self._jobs.request(handle, state, request.options)
            if found := await self._facts.problems(state.person, wanted):
                raise BadOptionsError({"": " ".join(found)}, "Change what is asked for, and start again.")
            yield Checkpoint(state.as_json())
        job = state.job
        if job is None:
            yield Progress("Submitting the job", 5)
            async for event in self._submit(request, state):
                yield event
                if isinstance(event, Checkpoint):
                    state = read_state(event.state)
                    job = state.job
        if job is None:
            return
        self._starting.add(job)
        try:
            async for event in self._until_running(state, job):
                yield event
        finally:
            self._starting.discard(job)
            if job not in self._asked:
                self._watch.forget(job)
        yield Address(f"tunnel://{handle.start_id}", state.as_json())

    async def _submit(self, request: StartRequest, state: State) -> AsyncIterator[StartEvent]:
        """Until there is exactly one job by this name; the last event is a Checkpoint with its number."""
        wanted, program = self._jobs.request(request.handle, state, request.options), self._jobs.program(request)
        while True:
            try:
                job = await self._queue.submit(state.person, wanted, program)
                yield Checkpoint(state.with_job(await self._only_one(state, job), self._clock.now().timestamp()).as_json())
            except QueueAwayError as error:
                yield Progress(f"The scheduler does not take jobs just now; trying again. {error.message}", 5, waits=True)
                await self._clock.sleep(AGAIN_S)
            else:
                return

    async def _only_one(self, state: State, job: JobId) -> JobId:
        """Two replicas may have submitted in the same moment: the first of the jobs is the one."""
        living = [one.job for one in (await self._queue.find([state.name])).get(state.name, ()) if one.alive and one.state is not JobState.COMPLETING]
        first = min(living, key=_number, default=job)
        for other in living:
            if other != first:
                await self._queue.cancel(state.person, other, force=True)
        return first

    async def _until_running(self, state: State, job: JobId) -> AsyncIterator[StartEvent]:
        """Raises SpawnerError if it will not run."""
        yield Progress(f"Job {job} is in the queue.", 10, waits=True)
        began = state.since or self._clock.now().timestamp()
        news = self._watch.news(job)
        pending: asyncio.Task[Sight] | None = None
        limit_s = self._config.queue_timeout
        try:
            while True:
                pending = pending or asyncio.ensure_future(anext(news))  # noqa: TID251 - cancelled below
                if not await self._done(pending, began + limit_s - self._clock.now().timestamp() if limit_s else None):
                    await self._queue.cancel(state.person, job)
                    raise SpawnerError(
                        f"The job did not begin within {limit_s / 60:.0f} minutes and was cancelled.", "Ask for less, or try at another time."
                    )
                sight, pending = pending.result(), None
                status = sight.status
                if status is None or status.state in _WAITS:
                    if status is not None and hopeless(status):
                        await self._queue.cancel(state.person, job)
                    yield self._waiting(job, sight)
                elif status.state is JobState.ENDED:
                    words = status_words(status, self._clock.now())
                    raise SpawnerError(words.text, words.advice)
                elif status.state in {JobState.RUNNING, JobState.SUSPENDED}:
                    yield Progress(status_words(status, self._clock.now()).text, 60, detail=_detail(status))
                    return
        except StopAsyncIteration:
            raise SpawnerError(f"Job {job} is no longer followed.", "Start again.") from None
        finally:
            if pending is not None:
                pending.cancel()

    async def _done(self, task: "asyncio.Task[Any]", within_s: float | None) -> bool:
        """Whether it is by then, by the hub's clock; it goes on if not."""
        if within_s is None:
            await asyncio.wait({task})
            return True
        sleeping = asyncio.ensure_future(self._clock.sleep(max(0.0, within_s)))  # noqa: TID251 - cancelled below
        try:
            await asyncio.wait({task, sleeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
        return task.done()

    def _waiting(self, job: JobId, sight: Sight) -> Progress:
        status = sight.status
        if status is None:
            return Progress(sight.doubt or f"Job {job} is in the queue.", 10, waits=True)
        words = status_words(status, self._clock.now())
        if hopeless(status):
            raise SpawnerError(words.text, words.advice)
        text = f"{words.text} {sight.doubt}".strip()
        return Progress(text, 20, estimate=status.expected_start, detail=_detail(status), waits=status.state is not JobState.STARTING)

    async def poll(self, handles: Sequence[Handle]) -> Sequence[Status]:
        states = [read_state(handle.state) if handle.state is not None else None for handle in handles]
        nameless = [state.name for state in states if state is not None and state.job is None]
        try:
            found = await self._queue.find(nameless) if nameless else {}
        except SpawnerError as error:
            return [Unclear(str(error)) for _ in handles]
        jobs = [state.job or _living(found.get(state.name, ())) if state is not None else None for state in states]
        now = self._clock.monotonic()
        self._asked |= {job: now for job in jobs if job is not None}
        sights = await self._watch.seen([job for job in jobs if job is not None])
        return [Exited(None, "The job was never submitted.") if job is None else self._status(sights.get(job, Sight())) for job in jobs]

    def _status(self, sight: Sight) -> Status:
        status = sight.status
        if status is None:
            return Unclear(sight.doubt or "The scheduler has not answered yet.")
        words = status_words(status, self._clock.now())
        match status.state:
            case JobState.ENDED:
                return Exited(_exit_code(status), words.text, words.advice)
            case JobState.RUNNING | JobState.SUSPENDED | JobState.COMPLETING:
                return Running()
            case JobState.UNKNOWN:
                return Unclear(str(words))
            case _ if hopeless(status):
                return Exited(None, words.text, words.advice)  # put back into the queue, and no longer startable: it is cancelled
            case _:
                return Pending(str(words), self._waiting_again(words.text, status))

    def _waiting_again(self, text: str, status: JobStatus) -> Progress:
        return Progress(text, 20, estimate=status.expected_start, detail=_detail(status), waits=True)

    async def stop(self, handle: Handle, grace_s: float) -> None:
        if handle.state is None:
            return
        state = read_state(handle.state)
        job = state.job
        if job is None:
            self._spent[state.name] = (self._clock.monotonic() + SPENT_S, state.person)
            job = _living((await self._queue.find([state.name])).get(state.name, ()))
            if job is None:
                return
        await self._queue.cancel(state.person, job)
        ending = asyncio.ensure_future(self._until_ended(job))  # noqa: TID251 - cancelled below
        try:
            if not await self._done(ending, grace_s + 10.0):  # Slurm's own wait before it kills comes on top
                await self._queue.cancel(state.person, job, force=True)
            await ending
        finally:
            ending.cancel()
            self._asked.pop(job, None)
            self._watch.forget(job)

    async def _until_ended(self, job: JobId) -> None:
        self._watch.follow(job)
        self._watch.hurry()
        async for sight in self._watch.news(job):
            if sight.status is not None and sight.status.state is JobState.ENDED:
                return
            self._watch.hurry()

    async def _sweep(self) -> None:
        """An attempt that was stopped before anybody knew of its job is never begun, also by a replica that was paused just before it submitted."""
        while True:
            await self._clock.sleep(SWEEP_S)
            now = self._clock.monotonic()
            self._spent = {name: spent for name, spent in self._spent.items() if spent[0] > now}
            for job in [job for job, at in self._asked.items() if now - at > IDLE_S]:
                del self._asked[job]
                if job not in self._starting:
                    self._watch.forget(job)
            try:
                if self._asked and now - self._orphans_at > ORPHANS_S:
                    self._orphans_at = now
                    await self._cancel_orphans()
                for name, jobs in (await self._queue.find(list(self._spent)) if self._spent else {}).items():
                    for one in jobs:
                        if one.alive:
                            _log.warning("a job that came too late is cancelled", job=one.job, name=name)
                            await self._queue.cancel(self._spent[name][1], one.job)
            except SpawnerError as error:
                _log.warning("late jobs cannot be looked for", problem=str(error))

    async def _cancel_orphans(self) -> None:
        """Jobs of this site that belong to no server, whoever forgot them. Asked by whoever looks after the servers."""
        if not isinstance(self._queue, Lists):
            return
        old = self._clock.now() - timedelta(seconds=ORPHANS_S)
        for one in await self._queue.living(self._jobs.prefix):
            meant = self._jobs.meant(one.name)
            if meant is None or one.submitted is None or one.submitted > old:
                continue
            server = await self._store.read(lambda tx: tx.servers.get(meant[0]))  # noqa: B023 - read at once
            if server is None or server.start_id != meant[1] or server.stopped:
                _log.warning("a job that belongs to no server is cancelled", job=one.job, name=one.name, person=one.user)
                await self._queue.cancel(one.user, one.job)

    async def log_tail(self, handle: Handle, max_bytes: int) -> str:  # noqa: ARG002 - the port's
        """The hub has it from the job's own reports."""
        return ""

    def option_fields(self, user_name: str) -> Sequence[OptionField]:  # noqa: ARG002 - the port's
        return self._policy.fields(self._config.choices.titles, own_environments=self._config.own_environments)

    def check_options(self, options: Mapping[str, Any]) -> JsonObject:
        checked = self._policy.options(options)
        try:
            self._config.choices.described(checked.get("environment"))
        except BadInputError as error:
            raise BadOptionsError({"environment": error.message}, error.hint) from None
        return checked

    async def offers(self, user_name: str) -> Offers:
        return await self._facts.offers(self._jobs.person_of(user_name))

    async def estimate(self, user_name: str, options: Mapping[str, Any]) -> Verdict:
        return await self._facts.verdict(self._jobs.person_of(user_name), requested(options, name="estimate", comment=""))

    def extendable_s(self, handle: Handle) -> int:  # noqa: ARG002 - the port's
        return seconds(self._config.extend) if self._config.extend and isinstance(self._queue, Prolongs) else 0

    async def extend(self, handle: Handle, by_s: int) -> datetime:
        queue, state = self._queue, read_state(handle.state or {})
        if state.job is None or not isinstance(queue, Prolongs):
            raise SpawnerError("This server cannot be prolonged.", "Start it again when it has ended.")
        status = (await queue.query([state.job])).get(state.job)
        if status is None or status.end is None or status.state not in {JobState.RUNNING, JobState.SUSPENDED}:
            raise SpawnerError("The server's job does not run now, so its end cannot be moved.", "Try again when it runs.")
        by_s = min(by_s, self.extendable_s(handle), await self._room_s(status))
        if by_s < 60:
            raise SpawnerError(f"The partition {status.partition} allows no more time.", "Start again with the same request when it has ended.")
        await queue.prolong(state.job, by_s)
        self._watch.hurry()
        return status.end + timedelta(seconds=by_s - by_s % 60)

    async def _room_s(self, status: JobStatus) -> int:
        """How much more time its partition allows: Slurm lets operators go beyond."""
        partition = (await self._queue.cluster()).partition(status.partition or None)
        if partition is None or partition.max_time_s is None or status.start is None or status.end is None:
            return 366 * 86400
        return int(partition.max_time_s - (status.end - status.start).total_seconds())

    async def forget(self, user_name: str, server_name: str) -> None:
        """Nothing stays: a job's remains are Slurm's, environments are the person's."""


def _exit_code(status: JobStatus) -> int | None:
    """The server's own. What ended by the scheduler's will has a code by chance: 0, if the server took its leave in good order."""
    ending = status.ending
    if ending is None or ending.cause not in {Cause.FINISHED, Cause.FAILED}:
        return None
    return -ending.signal or ending.exit_code


def _living(jobs: Sequence[JobStatus]) -> JobId | None:
    return min((one.job for one in jobs if one.alive), key=_number, default=None)


def _number(job: JobId) -> tuple[int, str]:
    digits = job.partition(".")[0]
    return (int(digits) if digits.isdecimal() else 0, job)


def _detail(status: JobStatus) -> str:
    reason = f" ({status.reason})" if status.reason else ""
    where = f" on {status.host or status.nodes}" if status.host or status.nodes else ""
    return f"Job {status.job}: {status.raw_state or status.state.value}{reason}{where}"
