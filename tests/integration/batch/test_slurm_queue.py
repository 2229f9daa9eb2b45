"""The queue port on a real Slurm."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest

from perijove.adapters.spawners.batch.slurm import Acting, AsMyself, Commands, SlurmQueue
from perijove.adapters.spawners.batch.watch import JobWatch
from perijove.adapters.system_clock import SystemClock
from perijove.domain.batch.cluster import never_starts
from perijove.domain.batch.request import Gpus, JobRequest, Program
from perijove.domain.batch.status import Cause, Ending, JobId, JobStatus, State
from perijove.domain.batch.words import hopeless
from perijove.ports.batch import NotAllowedError, Queue, QueueAwayError, RefusedByQueueError
from tests.integration.batch.conftest import Site

SLEEP = Program(argv=("/bin/sleep", "300"))


def asked(site: Site, **more: object) -> JobRequest:
    name = f"perijove-{secrets.token_hex(6)}"
    given: dict[str, object] = {"name": name, "comment": "hub=h;server=s;attempt=1", "folder": "/", "output": str(site.folder / "out" / name)}
    return JobRequest(**given | more)  # type: ignore[arg-type]  # a test's own words


async def until(queue: Queue, job: JobId, met: Callable[[JobStatus], bool], within_s: float = 25) -> JobStatus:
    async with asyncio.timeout(within_s):
        while True:
            found = (await queue.query([job])).get(job)
            if found is not None and met(found):
                return found
            await asyncio.sleep(0.1)


@pytest.fixture(scope="module", autouse=True)
def timed(accounted: Site) -> JobId:
    """A job whose time is up. Slurm looks at that every half minute, so it is begun before all other tests and looked at after them."""
    sbatch = ("sbatch", "--parsable", "--account=lab", "--chdir=/", "--output=/dev/null", "--time=1", "--wrap=exec sleep 300")
    job = JobId(accounted.slurm.command(*sbatch, user=accounted.alice).strip())
    accounted.slurm.until(lambda: "RUNNING" in accounted.slurm.command("squeue", "-h", "-j", job, "-o", "%T"), "it runs")
    accounted.slurm.command("scontrol", "update", f"jobid={job}", "TimeLimit=0")
    return job


def running(status: JobStatus) -> bool:
    return status.state is State.RUNNING


def ended(status: JobStatus) -> bool:
    return status.state is State.ENDED


async def test_a_job_runs_as_the_person_with_its_gpu_and_only_what_was_sent(site: Site) -> None:
    queue = site.queue()
    told = 'echo "$(id -un)|$CUDA_VISIBLE_DEVICES|$SLURM_JOB_ID|$JUPYTERHUB_X|$PROLOGUE|$HOME|${SUDO_USER:-none}|$1"; exit 3'
    program = Program(argv=("/bin/bash", "-c", told, "-", "a b; touch /tmp/no"), environ={"JUPYTERHUB_X": "x,y\n'z\""})
    request = asked(site, gpus=(Gpus(1, "fake"),), cpus=2, memory_per_cpu_mb=100, time_limit_s=600)
    job = await queue.submit(site.alice, request, program)
    status = await until(queue, job, ended)
    assert (status.ending, status.user, status.name, status.comment) == (Ending(Cause.FAILED, 3), site.alice, request.name, request.comment)
    gpu, printed = "0", Path(str(request.output)).read_text()
    assert printed == f"{site.alice}|{gpu}|{job}|x,y\n'z\"|ran|/home/{site.alice}|none|a b; touch /tmp/no\n"
    lines = site.audited()
    assert any('"verb": "submit"' in line and request.name in line and '"by": "root"' in line for line in lines)
    assert not any("touch" in line or "x,y" in line for line in lines)


class Losing:
    """Acts, and loses the first answer on the way back."""

    def __init__(self, acting: Acting) -> None:
        self.acting = acting
        self.lost: list[dict[str, str]] = []

    async def act(self, person: str, question: dict[str, Any]) -> dict[str, str]:
        answer = await self.acting.act(person, question)
        if not self.lost:
            self.lost.append(answer)
            raise QueueAwayError("The connection broke.")
        return answer


async def test_a_submission_whose_answer_was_lost_is_found_and_not_repeated(site: Site) -> None:
    losing, request = Losing(site.queue()._acting), asked(site)
    queue = SlurmQueue(Commands(slurm_conf=str(site.slurm.conf)), losing)
    with pytest.raises(QueueAwayError):
        await queue.submit(site.alice, request, SLEEP)
    again = await queue.submit(site.alice, request, SLEEP)
    assert again == losing.lost[0]["job"]
    assert [one.job for one in (await queue.find([request.name, "nothing"]))[request.name]] == [again]
    other = await queue.submit(site.bob, replace(request, output=None), SLEEP)
    assert other != again  # somebody else's job by this name is not the person's


async def test_where_jobs_are_private_nothing_is_believed_gone_or_submitted_twice(site: Site) -> None:
    site.slurm.conf.write_text(site.slurm.conf.read_text() + "PrivateData=jobs\n")
    site.slurm.command("scontrol", "reconfigure")
    try:
        queue, request = site.queue(), asked(site)
        assert not (await queue.cluster()).shows_all_jobs
        job = await queue.submit(site.alice, request, SLEEP)
        assert not site.slurm.command("squeue", "--noheader", "--all", user=site.bob)  # whoever is no operator, as a hub should be, sees nothing
        assert await queue.submit(site.alice, request, SLEEP) == job
    finally:
        site.slurm.conf.write_text(site.slurm.conf.read_text().replace("PrivateData=jobs\n", ""))
        site.slurm.command("scontrol", "reconfigure")


async def test_a_job_waits_for_a_reason_and_is_cancelled_while_it_waits(site: Site) -> None:
    queue = site.queue()
    first = [await queue.submit(site.alice, asked(site, gpus=(Gpus(2),), time_limit_s=3600), SLEEP) for _ in range(2)]
    for job in first:
        await until(queue, job, running)
    job = await queue.submit(site.bob, asked(site, gpus=(Gpus(1),), time_limit_s=3600), SLEEP)
    status = await until(queue, job, lambda one: one.reason == "Resources" and one.expected_start is not None)
    assert status.state is State.PENDING
    assert (await queue.estimate(site.bob, asked(site, gpus=(Gpus(2),)))).start is not None
    cluster = await queue.cluster()
    main = cluster.partition(None)
    assert main is not None
    assert (main.name, main.gpus, main.free_gpus, main.free_cpus) == ("main", {"fake": 4}, {"fake": 0}, 6)
    with pytest.raises(NotAllowedError):
        await queue.cancel(site.alice, job)
    await queue.cancel(site.bob, job)
    assert (await until(queue, job, ended)).ending == Ending(Cause.CANCELLED, 0)
    await queue.cancel(site.bob, job)


async def test_a_job_that_heeds_no_polite_signal_is_ended_by_force(site: Site) -> None:
    queue = site.queue()
    request = asked(site)
    stubborn = Program(argv=("/bin/bash", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"))
    job = await queue.submit(site.alice, request, stubborn)
    await until(queue, job, running)
    async with asyncio.timeout(10):
        while not (output := Path(str(request.output))).exists() or "up" not in output.read_text():
            await asyncio.sleep(0.1)
    await queue.cancel(site.alice, job, force=True)
    status = await until(queue, job, ended)
    assert status.ending is not None
    assert status.ending.signal == SIGKILL


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"partition": "nosuch"}, "invalid partition"),
        ({"gpus": (Gpus(9),)}, "node configuration is not available"),
        ({"constraint": "moon"}, "[Ii]nvalid feature"),
        ({"reservation": "later"}, "reservation is invalid"),
    ],
)
async def test_what_slurm_refuses_is_told_in_its_words_and_leaves_no_job(site: Site, more: dict[str, object], words: str) -> None:
    queue, request = site.queue(), asked(site, **more)
    with pytest.raises(RefusedByQueueError, match=words):
        await queue.estimate(site.alice, request)
    with pytest.raises(RefusedByQueueError, match=words):
        await queue.submit(site.alice, request, SLEEP)
    left = (await queue.find([request.name])).get(request.name, ())  # Slurm may keep a record of what it refused
    assert not [one for one in left if one.alive]


async def test_a_request_that_slurm_takes_but_never_starts_is_known_before(site: Site) -> None:
    queue, request = site.queue(), asked(site, partition="short", time_limit_s=3600)
    assert never_starts(request, await queue.cluster()) == ["The partition short allows 0:02 h, not 1:00 h."]
    job = await queue.submit(site.alice, request, SLEEP)
    assert hopeless(await until(queue, job, lambda one: one.reason not in {"", "None"}))


async def test_a_job_is_suspended_and_goes_on_and_begins_anew_after_a_requeue(site: Site) -> None:
    queue = site.queue()
    job = await queue.submit(site.alice, asked(site), SLEEP)
    await until(queue, job, running)
    site.slurm.command("scontrol", "suspend", job)
    await until(queue, job, lambda one: one.state is State.SUSPENDED)
    site.slurm.command("scontrol", "resume", job)
    await until(queue, job, running)
    site.slurm.command("scontrol", "requeue", job)
    status = await until(queue, job, lambda one: one.state in {State.PENDING, State.REQUEUED})
    assert status.alive
    status = await until(queue, job, lambda one: one.reason == "BeginTime")
    site.slurm.command("scontrol", "update", f"jobid={job}", "StartTime=now")
    await until(queue, job, running)


async def test_a_node_that_fails_ends_the_job_with_its_cause(site: Site) -> None:
    queue = site.queue()
    job = await queue.submit(site.alice, asked(site, may_requeue=False), SLEEP)
    status = await until(queue, job, running)
    site.slurm.end(status.host, SIGKILL)
    try:
        site.slurm.command("scontrol", "update", f"nodename={status.host}", "state=down", "reason=test")  # as Slurm does after SlurmdTimeout
        found = await until(queue, job, ended)
        assert found.ending is not None
        assert found.ending.cause is Cause.NODE_FAILURE
        gone = next(node for part in (await queue.cluster()).partitions for node in part.nodes if node.name == status.host)
        assert not gone.usable
    finally:
        site.slurm.start_node(status.host)
        site.slurm.wait_for_nodes()


async def test_while_the_controller_is_away_nothing_is_believed_and_afterwards_all_is_there(site: Site) -> None:
    queue, request = site.queue(), asked(site)
    job = await queue.submit(site.alice, request, SLEEP)
    await until(queue, job, running)
    site.slurm.end("slurmctld")
    hasty = SlurmQueue(Commands(slurm_conf=str(site.slurm.conf), timeout_s=2), queue._acting)
    try:
        async with asyncio.TaskGroup() as together:  # each of them takes long to fail
            for call in (queue.ping(), queue.estimate(site.alice, request), hasty.query([job]), hasty.submit(site.alice, request, SLEEP)):
                together.create_task(_refused_as_away(call))
    finally:
        site.slurm.start_controller()
        site.slurm.wait_for_nodes()
    assert running(await until(queue, job, running))
    assert await queue.submit(site.alice, request, SLEEP) == job


async def _refused_as_away(call: Awaitable[object]) -> None:
    with pytest.raises(QueueAwayError):
        await call


async def test_accounting_knows_who_ended_a_job_that_the_queue_forgot_and_which_accounts_are_ours(accounted: Site) -> None:
    queue = accounted.queue()
    job = await queue.submit(accounted.alice, asked(accounted, account="lab"), SLEEP)
    await until(queue, job, running)
    associations = await queue.associations(accounted.alice)
    assert associations is not None
    assert [(one.account, one.qos) for one in associations] == [("lab", ("normal",))]
    assert never_starts(asked(accounted, account="other"), await queue.cluster(), associations) == ["The account 'other' is not one of yours (lab)."]
    with pytest.raises(RefusedByQueueError, match="account"):
        await queue.submit(accounted.bob, asked(accounted, account="lab"), SLEEP)
    async with _watched(queue) as watch:
        assert (await watch.seen([job]))[job].status is not None
        await queue.cancel(accounted.alice, job)
        accounted.slurm.until(lambda: job not in accounted.slurm.command("squeue", "-h", "-t", "all", "-o", "%i").split(), "Slurm forgot it")
        async with asyncio.timeout(20):
            async for sight in watch.news(job):
                last = sight
    assert last.status is not None
    assert last.status.ending is not None
    assert last.status.ending.cause is Cause.CANCELLED
    assert last.status.ending.by


@asynccontextmanager
async def _watched(queue: Queue) -> AsyncIterator[JobWatch]:
    watch = JobWatch(queue, SystemClock())
    async with asyncio.TaskGroup() as owner:
        asking = owner.create_task(watch.run())
        try:
            yield watch
        finally:
            asking.cancel()


async def test_a_hub_that_is_the_person_needs_no_sudo_and_can_be_nobody_else(site: Site) -> None:
    commands = Commands(slurm_conf=str(site.slurm.conf))
    queue = SlurmQueue(commands, AsMyself(commands=commands))
    after = site.folder / "after"
    program = Program(argv=("/bin/sh", "-c", "exit 4"), prologue="true", epilogue=f"echo $SLURM_JOB_ID > {after}")
    job = await queue.submit("root", asked(site), program)
    assert (await until(queue, job, ended)).ending == Ending(Cause.FAILED, 4)
    assert after.read_text().strip() == job
    with pytest.raises(NotAllowedError, match=r"runs as root and cannot submit jobs as pj-"):
        await queue.submit(site.alice, asked(site), SLEEP)


async def test_a_job_whose_time_is_up_has_ended_of_that(accounted: Site, timed: JobId) -> None:
    queue = accounted.queue()
    async with _watched(queue) as watch, asyncio.timeout(60):
        async for sight in watch.news(timed):
            last = sight
    assert last.status is not None
    assert last.status.ending is not None
    assert last.status.ending.cause is Cause.TIME_LIMIT
    assert last.status.user == accounted.alice
