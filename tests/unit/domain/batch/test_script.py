"""What a job's script does around the program, run by a real bash."""

import signal
import subprocess
from pathlib import Path

import pytest

from perijove.domain.batch.request import Program
from perijove.domain.batch.script import packed_script
from perijove.domain.batch.slurm import job_script


def ran(script: str, *argv: str) -> tuple[int, str]:
    done = subprocess.run(["/bin/bash", "-s", "--", *argv], input=script, capture_output=True, text=True, timeout=20, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize("status", [0, 3])
def test_the_epilogue_runs_after_the_program_whose_status_stays(status: int) -> None:
    script = job_script("echo before", "echo after")
    assert ran(script, "/bin/sh", "-c", f"echo during; exit {status}") == (status, "before\nduring\nafter\n")


def test_words_stay_words() -> None:
    assert ran(job_script("", "echo after"), "/bin/echo", "$(id)", "a  b", "'") == (0, "$(id) a  b '\nafter\n")


def test_without_one_the_program_takes_the_shells_place() -> None:
    assert ran(job_script("x=$$"), "/bin/sh", "-c", "echo $PPID")[0] == 0
    assert job_script("").endswith('exec "$@"\n')


@pytest.mark.parametrize(("number", "says"), [(signal.SIGTERM, "term"), (signal.SIGUSR1, "usr1")])
def test_signals_reach_the_program_and_then_comes_the_epilogue(tmp_path: Path, number: signal.Signals, says: str) -> None:
    script = tmp_path / "job"
    script.write_text(job_script("", "echo after"))
    program = "trap 'echo term; exit 5' TERM; trap 'echo usr1; exit 6' USR1; echo up; while :; do sleep 0.05; done"
    with subprocess.Popen(["/bin/bash", str(script), "/bin/bash", "-c", program], stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout is not None
        assert job.stdout.readline() == "up\n"
        job.send_signal(number)
        assert job.stdout.read() == f"{says}\nafter\n"
    assert job.returncode == {"term": 5, "usr1": 6}[says]


def test_so_it_is_where_the_scheduler_takes_nothing_but_a_script() -> None:
    program = Program(argv=("/bin/sh", "-c", 'echo "$A"; exit 4'), environ={"A": "it's $HOME"}, prologue="echo before", epilogue="echo after")
    assert ran(packed_script(program, "/")) == (4, "before\nit's $HOME\nafter\n")
