"""What every queue must do, whichever scheduler is behind it. The programs say what was written down; the batch helper between is the real one."""

import os
import pwd
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from perijove.adapters.spawners.batch.pbs import PbsAsMyself, PbsCommands, PbsQueue
from perijove.adapters.spawners.batch.slurm import AsMyself, Commands, SlurmQueue
from perijove.domain.batch.belief import History
from perijove.domain.batch.cluster import never_starts
from perijove.domain.batch.request import Gpus, JobRequest, Program
from perijove.domain.batch.script import packed_script
from perijove.domain.batch.status import Cause, JobId, State
from perijove.domain.batch.words import Kind, reason_words
from perijove.domain.errors import BadInputError
from perijove.ports.batch import NotAllowedError, Queue, QueueAwayError, RefusedByQueueError
from perijove.processes.batch_helper.act import answer
from perijove.processes.batch_helper.rules import Rules
from tests.contract.batch import pbs_says, slurm_says
from tests.contract.batch.dialogue import Line, Scheduler

ME = pwd.getpwuid(os.geteuid()).pw_name
REQUEST = JobRequest(
    name="perijove-a1", time_limit_s=3 * 3600, partition="main", account="def-x", cpus=8, memory_mb=24000, gpus=(Gpus(1),), folder="/"
)
PROGRAM = Program(argv=("/bin/echo", "it is; touch /x"), environ={"JUPYTERHUB_X": "two\nlines, 'quoted'"})


class House:
    def __init__(self, folder: Path, says: ModuleType) -> None:
        self.says: Any = says
        self.scheduler = Scheduler(folder, says.PROGRAMS)
        self.queue: Queue
        if says is slurm_says:
            slurm = Commands(bin=str(folder))
            self.queue = SlurmQueue(slurm, AsMyself(commands=slurm))
        else:
            pbs = PbsCommands(bin=str(folder))
            self.queue = PbsQueue(pbs, PbsAsMyself(commands=pbs))

    def will(self, *scenes: str) -> None:
        lines: list[Line] = [line for scene in scenes for line in self.says.SAYS[scene]]
        self.scheduler.will_say(lines)


@pytest.fixture(params=[slurm_says, pbs_says], ids=["slurm", "pbs"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> House:
    return House(tmp_path, request.param)


async def test_a_job_is_submitted_with_all_that_was_asked_for(house: House) -> None:
    house.will("submit")
    assert await house.queue.submit(ME, REQUEST, PROGRAM) == house.says.JOB
    house.scheduler.over()
    script = house.scheduler.folder / "script"
    if script.exists():  # PBS gets program and environment in its script, Slurm on its command line and in a file of its own
        assert subprocess.run(["/bin/bash", script], capture_output=True, text=True, check=True).stdout == "it is; touch /x\n"


async def test_a_submission_that_is_there_already_is_not_repeated(house: House) -> None:
    house.will("submit again")
    assert await house.queue.submit(ME, REQUEST, PROGRAM) == house.says.JOB
    house.scheduler.over()


async def test_where_it_cannot_be_known_whether_a_job_is_there_none_is_submitted(house: House) -> None:
    house.will("submit while away")
    with pytest.raises(QueueAwayError):
        await house.queue.submit(ME, REQUEST, PROGRAM)
    house.scheduler.over()


async def test_what_the_scheduler_refuses_is_told_in_its_own_words(house: House) -> None:
    house.will("refuse")
    with pytest.raises(RefusedByQueueError, match=r"invalid partition|Unknown queue"):
        await house.queue.submit(ME, REQUEST, PROGRAM)
    house.scheduler.over()


async def test_nobody_else_is_acted_as(house: House) -> None:
    with pytest.raises(NotAllowedError):
        await house.queue.submit("somebody-else", REQUEST, PROGRAM)
    house.scheduler.over()


async def test_a_request_with_a_mistake_reaches_no_program(house: House) -> None:
    with pytest.raises(BadInputError, match="partition"):
        await house.queue.submit(ME, JobRequest(name="perijove-a1", partition="a b"), PROGRAM)
    house.scheduler.over()


async def test_many_jobs_are_asked_for_at_once_and_one_unknown_spoils_nothing(house: House) -> None:
    house.will("query")
    says = house.says
    found = await house.queue.query([JobId(job) for job in (says.JOB, says.OTHER, says.ENDED, says.UNKNOWN)])
    assert set(found) == {says.JOB, says.OTHER, says.ENDED}
    waits, runs, ended = (found[JobId(job)] for job in (says.JOB, says.OTHER, says.ENDED))
    assert (waits.state, waits.reason, waits.expected_start) == (State.PENDING, says.WAITS_FOR, datetime.fromtimestamp(1700003600, UTC))
    assert (waits.name, waits.user, waits.partition, waits.submitted) == ("perijove-a1", "ada", "main", datetime.fromtimestamp(1700000000, UTC))
    assert reason_words(waits.reason).kind is Kind.RESOURCES
    assert (runs.state, runs.host) == (State.RUNNING, "n1")
    assert (runs.start, runs.end) == (datetime.fromtimestamp(1700000100, UTC), datetime.fromtimestamp(1700010900, UTC))
    assert ended.ending is not None
    assert (ended.state, ended.alive, ended.ending.cause, ended.ending.exit_code) == (State.ENDED, False, Cause.FAILED, 3)
    house.scheduler.over()


async def test_one_job_that_is_not_known_is_left_out(house: House) -> None:
    house.will("query one unknown")
    assert await house.queue.query([JobId(house.says.UNKNOWN)]) == {}
    assert await house.queue.query([]) == {}
    house.scheduler.over()


async def test_a_scheduler_that_is_away_is_never_an_empty_answer(house: House) -> None:
    house.will("query while away", "ping while away")
    with pytest.raises(QueueAwayError):
        await house.queue.query([JobId(house.says.JOB)])
    with pytest.raises(QueueAwayError):
        await house.queue.ping()
    house.scheduler.over()


async def test_a_ping_that_is_answered_is_quiet(house: House) -> None:
    house.will("ping")
    await house.queue.ping()
    house.scheduler.over()


async def test_jobs_are_found_by_their_names(house: House) -> None:
    house.will("find")
    found = await house.queue.find(["perijove-a1", "nothing"])
    assert {name: [one.job for one in jobs] for name, jobs in found.items()} == {"perijove-a1": [house.says.JOB]}
    house.scheduler.over()


async def test_where_no_history_is_kept_that_is_said_of_each_job(house: House) -> None:
    house.will("past")
    found = await house.queue.past([JobId(house.says.UNKNOWN)])
    assert found[JobId(house.says.UNKNOWN)].history is History.NONE
    house.scheduler.over()


async def test_a_job_is_cancelled_and_one_that_has_ended_is_no_mistake(house: House) -> None:
    house.will("cancel", "cancel one that ended", "force")
    await house.queue.cancel(ME, JobId(house.says.JOB))
    await house.queue.cancel(ME, JobId(house.says.ENDED))
    await house.queue.cancel(ME, JobId(house.says.JOB), force=True)
    house.scheduler.over()


async def test_anothers_job_is_not_cancelled_and_that_is_told(house: House) -> None:
    house.will("cancel another's")
    with pytest.raises(NotAllowedError):
        await house.queue.cancel(ME, JobId(house.says.OTHER))
    house.scheduler.over()


@pytest.mark.parametrize("job", ["-u root", "1 2", "all", "", "1;id"])
async def test_only_one_jobs_number_is_taken_for_a_job(house: House, job: str) -> None:
    with pytest.raises(BadInputError):
        await house.queue.cancel(ME, JobId(job))
    house.scheduler.over()


async def test_the_cluster_is_told_with_what_is_free_and_judges_requests(house: House) -> None:
    house.will("cluster")
    cluster = await house.queue.cluster()
    main, short = cluster.partition(None), cluster.partition("short")
    assert main is not None
    assert short is not None
    assert (main.name, main.up, main.max_time_s, main.max_nodes) == ("main", True, 86400, 2)
    assert (main.free_cpus, main.gpus, main.free_gpus) == (24, {"": 4}, {"": 3})
    assert (short.up, short.max_time_s) == (False, 1800)
    assert [(node.name, node.usable, node.free_memory_mb) for node in main.nodes] == [("n1", True, 48000), ("n2", False, 64000)]
    assert cluster.shows_all_jobs
    assert never_starts(JobRequest(name="x", partition="short", time_limit_s=3600), cluster) == ["The partition short allows 0:30 h, not 1:00 h."]
    house.scheduler.over()


@pytest.mark.parametrize("scheduler", ["slurm", "pbs"])
def test_the_administrators_rules_hold_for_every_scheduler(scheduler: str, tmp_path: Path) -> None:
    rules = Rules(programs=("/bin/echo",), scheduler=scheduler, bin=str(tmp_path))
    request = {"name": "perijove-a1"}
    for program, why in (
        ({"argv": ["/usr/bin/id"]}, "may not run"),
        ({"argv": ["/bin/echo"], "prologue": "id"}, "prologue"),
        ({"argv": ["/bin/echo"], "environ": {"LD_PRELOAD": "x"}}, "LD_PRELOAD"),
    ):
        found = answer({"verb": "submit", "request": request, "program": program}, rules)
        assert found["error"] == "not-allowed"
        assert why in found["message"]
    assert answer({"verb": "run", "request": request}, rules)["error"] == "bad"


def test_the_script_that_pbs_keeps_runs_the_program_with_its_words_and_its_environment(tmp_path: Path) -> None:
    """What qsub is given, run by a real shell as on a node: no word of a person's is read by it."""
    told = 'printf "%s|" "$PWD" "$JUPYTERHUB_X" "$EARLY" "$@"; env | grep -c perijove_'
    awkward = ("it's; touch /x", "$(id)", "two\nlines", "", "#PBS -q other")
    program = Program(argv=("/bin/bash", "-c", told, "-", *awkward), environ={"JUPYTERHUB_X": "a'b\n\"c$d"}, prologue="export EARLY=yes\n")
    script = packed_script(program, str(tmp_path))
    said = subprocess.run(["/bin/bash"], input=script, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}, check=False)
    assert said.stdout == f"{tmp_path}|a'b\n\"c$d|yes|it's; touch /x|$(id)|two\nlines||#PBS -q other|0\n"
