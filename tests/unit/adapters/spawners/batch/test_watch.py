"""One poller for everybody, on a clock that is turned by hand."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager

import pytest

from perijove.adapters.spawners.batch.watch import JobWatch, Sight
from perijove.domain.batch.belief import History
from perijove.domain.batch.cluster import Cluster
from perijove.domain.batch.status import Cause, Ending, JobId, JobStatus, State
from perijove.ports.batch import Past, QueueAwayError
from perijove.testing.clock import FakeClock


class Table:
    """A queue that answers from a table. `away`: it does not."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.jobs: dict[JobId, JobStatus] = {}
        self.history: dict[JobId, Past] = {}
        self.away = False
        self.shows_all_jobs = True
        self.asked: list[tuple[float, str]] = []

    async def query(self, jobs: Collection[JobId]) -> Mapping[JobId, JobStatus]:
        self._ask("query")
        return {job: self.jobs[job] for job in jobs if job in self.jobs}

    async def past(self, jobs: Collection[JobId]) -> Mapping[JobId, Past]:
        self._ask("past")
        return {job: self.history.get(job, Past(History.NONE)) for job in jobs}

    async def cluster(self) -> Cluster:
        self._ask("cluster")
        return Cluster(name="c", version=(), partitions=(), kept_s=60, shows_all_jobs=self.shows_all_jobs)

    async def ping(self) -> None:
        self._ask("ping")

    def _ask(self, what: str) -> None:
        self.asked.append((self.clock.monotonic(), what))
        if self.away:
            raise QueueAwayError("It is away.")

    def within(self, start: float, end: float) -> list[str]:
        return [what for moment, what in self.asked if start <= moment < end]

    def put(self, state: State, *numbers: int, **more: object) -> None:
        for number in numbers:
            self.jobs[JobId(str(number))] = JobStatus(job=JobId(str(number)), state=state, **more)  # type: ignore[arg-type]  # a test's own words


@asynccontextmanager
async def watching(table: Table) -> AsyncIterator[JobWatch]:
    watch = JobWatch(table, table.clock)  # type: ignore[arg-type]  # has what a watch asks for
    async with asyncio.TaskGroup() as owner:
        asking = owner.create_task(watch.run())
        await table.clock.turn(0)
        yield watch
        asking.cancel()


@pytest.fixture
def table() -> Table:
    return Table(FakeClock())


async def settle(table: Table, seconds: float) -> None:
    for _ in range(round(seconds * 2)):
        await table.clock.turn(0.5)
        for _ in range(10):
            await asyncio.sleep(0)


async def test_three_hundred_jobs_cost_no_more_questions_than_one(table: Table) -> None:
    async with watching(table) as watch:
        for number in range(1, 301):
            table.put(State.PENDING, number)
            watch.follow(JobId(str(number)))
            if number % 10 == 0:
                await settle(table, 1)  # they come over half a minute
        assert len(table.within(0, 30)) <= 7
        await settle(table, 120)
        start = table.clock.monotonic()
        await settle(table, 60)
        assert table.within(start, start + 60) == ["query"] * 4
        table.put(State.RUNNING, *range(1, 301))
        await settle(table, 60)
        start = table.clock.monotonic()
        await settle(table, 120)
        assert table.within(start, start + 120) == ["query"] * 2
        assert all(watch.sight(JobId(str(number))).status == table.jobs[JobId(str(number))] for number in range(1, 301))
        for number in range(1, 301):
            watch.forget(JobId(str(number)))
        start = table.clock.monotonic()
        await settle(table, 300)
        assert len(table.within(start + 1, start + 300)) <= 1


async def test_everybody_who_waits_is_told_of_each_change_until_the_end(table: Table) -> None:
    job = JobId("1")
    table.put(State.PENDING, 1)
    told: list[list[Sight]] = [[], []]

    async def listen(to: list[Sight]) -> None:
        async for sight in watch.news(job):
            to.append(sight)  # noqa: PERF401 — it is looked at meanwhile

    async with watching(table) as watch, asyncio.TaskGroup() as both:
        for to in told:
            both.create_task(listen(to))
        await settle(table, 10)
        table.put(State.RUNNING, 1)
        await settle(table, 10)
        table.put(State.ENDED, 1, ending=Ending(Cause.TIME_LIMIT))
        await settle(table, 70)
    assert told[0] == told[1]
    assert [sight.status.state for sight in told[0] if sight.status] == [State.PENDING, State.RUNNING, State.ENDED]
    questions = len(table.asked)
    async with watching(table):
        await settle(table, 300)
    assert len(table.asked) == questions  # nothing is asked where nobody is followed


async def test_a_controller_that_is_away_is_probed_only_and_ends_nobody(table: Table) -> None:
    job = JobId("1")
    table.put(State.RUNNING, 1)
    async with watching(table) as watch:
        assert (await asyncio.wait_for(watch.seen([job]), 5))[job].status is not None
        table.away = True
        await settle(table, 200)
        assert watch.away
        assert watch.sight(job).status == table.jobs[job]
        assert "away" in watch.sight(job).doubt
        start = table.clock.monotonic()
        await settle(table, 600)
        assert set(table.within(start, start + 600)) == {"ping"}
        assert len(table.within(start, start + 600)) <= 6
        new = JobId("2")
        assert (await asyncio.wait_for(watch.seen([new]), 5))[new] == Sight(None, "The scheduler does not answer just now.")
        table.away = False
        table.put(State.RUNNING, 2)
        await settle(table, 130)
        assert not watch.away
        assert watch.sight(job) == Sight(table.jobs[job])
        assert watch.sight(new) == Sight(table.jobs[new])


async def test_a_job_left_out_is_doubted_before_it_is_gone(table: Table) -> None:
    job = JobId("1")
    table.put(State.RUNNING, 1, user="alice")
    async with watching(table) as watch:
        watch.follow(job)
        await settle(table, 6)
        status = table.jobs.pop(job)
        await settle(table, 55)
        assert (watch.sight(job).status, bool(watch.sight(job).doubt)) == (status, True)
        watch.heard(job)
        await settle(table, 60)
        assert watch.sight(job).status == status  # it spoke itself
        await settle(table, 120)
        ended = watch.sight(job).status
        assert ended is not None
        assert (ended.state, ended.ending, ended.user) == (State.ENDED, Ending(Cause.UNKNOWN), "alice")


async def test_where_nobody_sees_others_jobs_only_the_history_ends_one(table: Table) -> None:
    job = JobId("1")
    table.shows_all_jobs = False
    async with watching(table) as watch:
        watch.follow(job, JobStatus(job=job, state=State.RUNNING))
        await settle(table, 600)
        assert watch.sight(job).doubt
        table.history[job] = Past(History.ENDED, JobStatus(job=job, state=State.ENDED, ending=Ending(Cause.OUT_OF_MEMORY)))
        await settle(table, 60)
        status = watch.sight(job).status
        assert status is not None
        assert status.ending == Ending(Cause.OUT_OF_MEMORY)
