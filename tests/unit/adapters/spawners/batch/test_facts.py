"""Many people look at the form; the controller is asked once a minute, and its absence is told rather than suffered."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from perijove.adapters.spawners.batch.facts import MOST_ESTIMATES, ClusterFacts
from perijove.domain.batch.cluster import Association, Cluster, Node, Partition
from perijove.domain.batch.request import Gpus, JobRequest
from perijove.ports.batch import Estimate, QueueAwayError, RefusedByQueueError
from perijove.testing.clock import FakeClock

START = datetime(2026, 5, 1, tzinfo=UTC)


class Scheduler:
    """The edge: what a scheduler answers, and how often it was asked."""

    def __init__(self) -> None:
        node = Node(name="n", partitions=frozenset({"gpu"}), cpus=16, free_cpus=3, memory_mb=64_000, free_memory_mb=1, gpus={"a100": 2})
        self.told = Cluster(name="c", version=(23,), partitions=(Partition(name="gpu", default=True, max_time_s=3600, nodes=(node,)),))
        self.accounts: list[Association] = [Association(account="mine", qos=("normal",))]
        self.asked: list[str] = []
        self.away = False
        self.refuses = ""
        self.answer = asyncio.Event()
        self.answer.set()

    async def cluster(self) -> Cluster:
        self.asked.append("cluster")
        await self.answer.wait()
        if self.away:
            raise QueueAwayError("slurmctld does not answer")
        return self.told

    async def associations(self, person: str) -> Sequence[Association] | None:
        self.asked.append(person)
        if self.away:
            raise QueueAwayError("slurmdbd does not answer")
        return self.accounts

    async def estimate(self, person: str, request: JobRequest) -> Estimate:
        self.asked.append("estimate")
        if self.refuses:
            raise RefusedByQueueError(self.refuses)
        return Estimate(START)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler()


@pytest.fixture
def facts(scheduler: Scheduler, clock: FakeClock) -> ClusterFacts:
    return ClusterFacts(scheduler, clock)  # type: ignore[arg-type]


async def test_three_hundred_who_look_within_a_minute_cost_one_question(facts: ClusterFacts, scheduler: Scheduler, clock: FakeClock) -> None:
    scheduler.answer.clear()
    async with asyncio.TaskGroup() as looking:
        for _ in range(300):
            looking.create_task(facts.offers("ann"))
        await asyncio.sleep(0)
        scheduler.answer.set()
    assert scheduler.asked == ["cluster", "ann"]
    await clock.turn(59)
    assert (await facts.offers("ann")).age_s == 59
    await clock.turn(2)
    assert (await facts.offers("ann")).age_s == 0
    assert scheduler.asked == ["cluster", "ann", "cluster"]


async def test_while_one_asks_anew_the_others_have_what_was_known(facts: ClusterFacts, scheduler: Scheduler, clock: FakeClock) -> None:
    await facts.offers("ann")
    await clock.turn(61)
    scheduler.answer.clear()
    async with asyncio.TaskGroup() as looking:
        asking = looking.create_task(facts.offers("ann"))
        await asyncio.sleep(0)
        assert (await facts.offers("ann")).age_s == 61
        assert not asking.done()
        scheduler.answer.set()
    assert asking.result().age_s == 0


async def test_while_the_scheduler_is_away_old_offers_are_shown_as_old_and_it_is_left_alone(
    facts: ClusterFacts, scheduler: Scheduler, clock: FakeClock
) -> None:
    await facts.offers("ann")
    scheduler.away = True
    await clock.turn(3600)
    for _ in range(10):
        found = await facts.offers("ann")
        assert (found.away, found.age_s) == (True, 3600)
        assert found.accounts is not None
    assert scheduler.asked == ["cluster", "ann", "cluster", "ann"]
    scheduler.away = False
    await clock.turn(121)
    assert not (await facts.offers("ann")).away


async def test_a_scheduler_that_never_answered_is_told_at_once_each_time_and_asked_seldom(facts: ClusterFacts, scheduler: Scheduler) -> None:
    scheduler.away = True
    for _ in range(3):
        with pytest.raises(QueueAwayError, match="does not answer"):
            await facts.offers("ann")
    assert scheduler.asked == ["cluster"]
    assert await facts.problems("ann", JobRequest(name="j", cpus=10_000)) == []


async def test_what_can_never_begin_is_refused_beside_its_option_without_asking(facts: ClusterFacts, scheduler: Scheduler) -> None:
    verdict = await facts.verdict("ann", JobRequest(name="j", time_limit_s=7200, account="other", gpus=(Gpus(8, "a100"),)))
    assert set(verdict.problems) == {"time", "account", "gpus"}
    assert verdict.problems["time"] == "The partition gpu allows 1:00 h, not 2:00 h."
    assert "estimate" not in scheduler.asked
    assert (await facts.verdict("ann", JobRequest(name="j"))).start == START
    scheduler.refuses = "Requested node configuration is not available"
    assert (await facts.verdict("bob", JobRequest(name="j"))).problems == {"": scheduler.refuses}


async def test_however_many_try_requests_out_the_scheduler_is_asked_a_bounded_number_of_times(
    facts: ClusterFacts, scheduler: Scheduler, clock: FakeClock
) -> None:
    for attempt in range(5):
        assert (await facts.verdict("ann", JobRequest(name=f"j{attempt}", cpus=2))).start == START
    assert scheduler.asked.count("estimate") == 1, "it is the same but for the attempt's own name"
    told = [await facts.verdict("ann", JobRequest(name="j", time_limit_s=60 + number)) for number in range(300)]
    assert scheduler.asked.count("estimate") == MOST_ESTIMATES
    assert (told[0].start, told[-1].start, told[-1].problems) == (START, None, {})
    assert "ask again" in told[-1].text
    await clock.turn(61)
    assert (await facts.verdict("ann", JobRequest(name="j", time_limit_s=400))).start == START
    scheduler.away = True
    await clock.turn(61)
    for _ in range(5):
        with pytest.raises(QueueAwayError):
            await facts.verdict("ann", JobRequest(name="j", time_limit_s=400))
    assert scheduler.asked.count("estimate") == MOST_ESTIMATES + 1, "it is not tried while the scheduler is away"
