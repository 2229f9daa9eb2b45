"""The queue port on a real slurmrestd: no Slurm on the hub's side but its address and a key."""

import asyncio
import os
import pwd
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from urllib.parse import quote

import pytest

from perijove.adapters.spawners.batch.doctor import Wanted, examine
from perijove.adapters.spawners.batch.slurmrest import KeyTokens, Rest, RestQueue, TokenCommand, Tokens
from perijove.adapters.system_clock import SystemClock
from perijove.domain.batch.belief import History
from perijove.domain.batch.doctor import Finding, Verdict
from perijove.domain.batch.request import Gpus, JobRequest, Program
from perijove.domain.batch.status import Cause, Ending, JobId, JobStatus, State
from perijove.ports.batch import NotAllowedError, QueueAwayError, RefusedByQueueError
from perijove.processes.agent_file import packed
from tests.running.slurm import Slurm, missing, slurm

SLEEP = Program(argv=("/bin/sleep", "300"))


@pytest.fixture(scope="module")
def cluster() -> Generator[Slurm]:
    reason = missing(rest=True)
    if reason:
        pytest.skip(reason)
    with slurm(rest=True, nodes=1) as found:
        yield found


def by_key(cluster: Slurm) -> Tokens:
    return KeyTokens(key_file=cluster.jwt_key, clock=SystemClock())


def queue(cluster: Slurm, tokens: Tokens | None = None, *, tcp: bool = False) -> RestQueue:
    url = f"http://127.0.0.1:{cluster.rest_port}" if tcp else f"http+unix://{quote(str(cluster.rest_socket), safe='')}"
    return RestQueue(Rest(url=url, tokens=tokens or by_key(cluster)), account="slurm", kept_s=5)


def asked(tmp: Path | None = None, **more: object) -> JobRequest:
    name = f"perijove-{secrets.token_hex(6)}"
    given: dict[str, object] = {"name": name, "comment": "hub=h;server=s", "folder": "/", "output": str(tmp / name) if tmp else "/dev/null"}
    return JobRequest(**given | more)  # type: ignore[arg-type]  # a test's own words


async def until(queue: RestQueue, job: JobId, met: Callable[[JobStatus], bool]) -> JobStatus:
    async with asyncio.timeout(25):
        while True:
            found = (await queue.query([job])).get(job)
            if found is not None and met(found):
                return found
            await asyncio.sleep(0.1)


async def test_a_job_runs_as_the_person_with_its_words_its_gpu_and_only_what_was_sent(cluster: Slurm, people: tuple[str, str]) -> None:
    alice = people[0]
    folder = Path("/tmp") / f"pj-rest-{os.getpid()}"  # alice must reach it
    folder.mkdir()
    os.chown(folder, pwd.getpwnam(alice).pw_uid, -1)
    told = 'echo "$(id -un)|$CUDA_VISIBLE_DEVICES|$SLURM_JOB_ID|$JUPYTERHUB_X|$PROLOGUE|$1"; exit 3'
    program = Program(argv=("/bin/bash", "-c", told, "-", "a b; touch /tmp/no"), environ={"JUPYTERHUB_X": "x,y 'z\""}, prologue="export PROLOGUE=ran")
    request = asked(folder, gpus=(Gpus(1, "fake"),), cpus=2, memory_mb=200, time_limit_s=600)
    asking = queue(cluster)
    job = await asking.submit(alice, request, program)
    status = await until(asking, job, lambda one: one.state is State.ENDED)
    assert (status.ending, status.user, status.name, status.comment) == (Ending(Cause.FAILED, 3), alice, request.name, request.comment)
    assert Path(str(request.output)).read_text() == f"{alice}|0|{job}|x,y 'z\"|ran|a b; touch /tmp/no\n"


async def test_a_submission_whose_answer_was_lost_is_found_and_others_jobs_are_not_the_persons(cluster: Slurm, people: tuple[str, str]) -> None:
    alice, bob = people
    asking, request = queue(cluster, tcp=True), asked()
    job = await asking.submit(alice, request, SLEEP)
    assert await asking.submit(alice, request, SLEEP) == job
    other = await asking.submit(bob, request, SLEEP)
    assert other != job
    found = (await asking.find([request.name]))[request.name]
    assert [(one.job, one.user) for one in found] == [(job, alice), (other, bob)]
    many = await asking.query([job, other, JobId("99991"), JobId("99992")])
    assert set(many) == {job, other}
    assert await asking.query([JobId("99991")]) == {}
    assert (await asking.past([job]))[job].history is History.NONE
    await asking.cancel(alice, job)
    assert (await until(asking, job, lambda one: one.state is State.ENDED)).ending == Ending(Cause.CANCELLED, 0)
    await asking.cancel(alice, job)
    await asking.cancel(alice, JobId("99991"))
    await asking.cancel(bob, other, force=True)


async def test_what_the_cluster_has_is_told_and_what_it_refuses_too(cluster: Slurm, people: tuple[str, str]) -> None:
    asking = queue(cluster)
    await asking.ping()
    found = await asking.cluster()
    main, short = found.partition(None), found.partition("short")
    assert main is not None
    assert short is not None
    assert (found.version[:2], main.name, main.max_time_s, main.gpus, short.max_time_s) == ((22, 5), "main", 86400, {"fake": 2}, 120)
    assert [(node.name, node.cpus, node.usable) for node in main.nodes] == [("n1", 4, True)]
    with pytest.raises(RefusedByQueueError, match=r"[Ii]nvalid partition"):
        await asking.submit(people[0], asked(partition="nosuch"), SLEEP)
    with pytest.raises(RefusedByQueueError, match="no partition"):
        await asking.estimate(people[0], asked(partition="nosuch"))
    assert (await asking.estimate(people[0], asked())).start is None


async def test_a_token_of_a_command_does_as_well_and_is_asked_for_once(cluster: Slurm, people: tuple[str, str], tmp_path: Path) -> None:
    made = tmp_path / "made"
    script = f'echo "$1" >> {made}; SLURM_CONF={cluster.conf} scontrol token username="$1" lifespan=1800'
    tokens = TokenCommand(command=("/bin/sh", "-c", script, "-", "{person}"), clock=SystemClock())
    asking = queue(cluster, tokens)
    await asking.ping()
    await asking.ping()
    job = await asking.submit(people[1], asked(), SLEEP)
    await asking.cancel(people[1], job)
    assert made.read_text().split() == ["slurm", people[1]]
    failing = queue(
        cluster, TokenCommand(command=(sys.executable, "-c", "print('SLURM_JWT=secret'); raise SystemExit('no key')"), clock=SystemClock())
    )
    with pytest.raises(NotAllowedError, match="no key") as refused:
        await failing.ping()
    assert "secret" not in str(refused.value)


async def test_a_wrong_key_lets_nobody_do_anything(cluster: Slurm, people: tuple[str, str], tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(secrets.token_bytes(32))
    key.chmod(0o600)
    asking = queue(cluster, KeyTokens(key_file=key, clock=SystemClock()))
    for call in (asking.ping(), asking.submit(people[0], asked(), SLEEP)):
        with pytest.raises((NotAllowedError, QueueAwayError)):
            await call
    key.chmod(0o644)
    with pytest.raises(NotAllowedError, match="Everybody can read"):
        await asking.ping()


async def test_slurmrestd_that_is_away_is_never_an_empty_answer(cluster: Slurm) -> None:
    asking = RestQueue(Rest(url="http://127.0.0.1:1", tokens=by_key(cluster)), account="slurm")
    with pytest.raises(QueueAwayError):
        await asking.query([JobId("1")])
    with pytest.raises(NotAllowedError, match="in the open"):
        Rest(url="http://head:6820", tokens=by_key(cluster))


async def test_anothers_job_is_not_cancelled(cluster: Slurm, people: tuple[str, str]) -> None:
    alice, bob = people
    asking = queue(cluster)
    job = await asking.submit(alice, asked(), SLEEP)
    with pytest.raises(NotAllowedError):
        await asking.cancel(bob, job)
    assert job in cluster.command("squeue", "-h", "-o", "%i").split()


async def test_the_doctor_looks_by_slurmrestd_and_a_job_tells_what_its_node_is_like(cluster: Slurm, people: tuple[str, str]) -> None:
    agent = Path(tempfile.mkdtemp(prefix="pj-agent-")) / "perijove-agent"
    try:
        agent.parent.chmod(0o755)
        agent.write_bytes(packed("/usr/bin/python3"))
        agent.chmod(0o755)
        wanted = Wanted(rest=queue(cluster), person=people[0], agent=str(agent), dial=("ws://127.0.0.1:1/tunnel/",), wait_s=40)
        found = [one async for one in examine(wanted, SystemClock()) if isinstance(one, Finding)]
    finally:
        shutil.rmtree(agent.parent)
    verdicts = {(one.topic, one.verdict) for one in found}
    assert {("slurmrestd", Verdict.GOOD), ("nodes", Verdict.GOOD), ("test job", Verdict.GOOD), ("way from node to hub", Verdict.BROKEN)} <= verdicts
    away = RestQueue(Rest(url="http://127.0.0.1:1", tokens=by_key(cluster)), account="slurm")
    found = [one async for one in examine(Wanted(rest=away), SystemClock()) if isinstance(one, Finding)]
    assert [(one.topic, one.verdict) for one in found] == [("slurmrestd", Verdict.BROKEN)]
