"""A login node with nothing of ours on it, a real Slurm behind it, and a person with an account there and no other rights."""

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import pytest

from tests.integration.batch.conftest import account
from tests.running import slurm as slurms
from tests.running import sshd as sshds
from tests.running.slurm import Slurm, slurm
from tests.running.sshd import Sshd, sshd

_WITHIN_S = 60.0


@dataclass
class Running:
    """The command at work: `said` are its lines so far."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    def until(self, start: str) -> str:
        """Its next line that begins so; raises AssertionError if it ends before."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.rstrip("\n"))
            if line.startswith(start):
                return self.said[-1]
        pytest.fail(f"it ended with {self.process.wait()}: {self.said}")

    def interrupt(self) -> str:
        """As Ctrl-C does it; what it says after that."""
        self.process.send_signal(signal.SIGINT)
        _, rest = self.process.communicate(timeout=_WITHIN_S)
        assert self.process.returncode == 130, rest
        return rest

    def drain(self) -> None:
        """Read on, so that it never waits for us."""
        Thread(target=lambda: self.said.extend(self.process.stderr or ()), daemon=True).start()


@dataclass
class Place:
    """Where a person connects to."""

    slurm: Slurm
    sshd: Sshd
    person: str
    environment: Path

    @property
    def home(self) -> Path:
        return Path(pwd.getpwnam(self.person).pw_dir)

    @property
    def records(self) -> Path:
        return self.home / ".local/share/perijove/connect"

    def words(self, verb: str, *options: str, ssh: str = "asyncssh") -> list[str]:
        return [sys.executable, "-m", "perijove", "connect", verb, "login", "--ssh-config", str(self.sshd.config), "--ssh", ssh, *options]

    def run(self, verb: str, *options: str, ssh: str = "asyncssh") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.words(verb, *options, ssh=ssh),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_WITHIN_S,
            check=False,
            env=_environ(),
        )

    @contextmanager
    def running(self, verb: str, *options: str, ssh: str = "asyncssh") -> Iterator[Running]:
        words = self.words(verb, "--no-browser", *options, ssh=ssh)
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=_environ())
        try:
            yield Running(process)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            if process.stderr is not None:
                process.stderr.close()

    def jobs(self) -> list[str]:
        """Those of the person that live."""
        return self.slurm.command("squeue", "-h", f"--user={self.person}", "--states=PD,R,CF", "-o", "%i").split()


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "SSH_AUTH_SOCK"}


@pytest.fixture(scope="package")
def only_place(user_env: Path) -> Iterator[Place]:
    reason = slurms.missing() or sshds.missing()
    if reason:
        pytest.skip(reason)
    person = f"pj-carol-{os.getpid()}"
    with account(person), slurm(nodes=1) as cluster, sshd(person) as login:
        place = Place(cluster, login, person, user_env)
        (place.home / ".bash_profile").write_text(f"echo welcome to the cluster\nexport SLURM_CONF={cluster.conf}\n")
        yield place


@pytest.fixture
def place(only_place: Place) -> Place:
    only_place.slurm.clear()
    only_place.sshd.know(only_place.sshd.host_key)
    for record in only_place.records.glob("*"):
        record.unlink()
    return only_place
