"""A real Slurm, real people, and the batch helper installed as an administrator would."""

import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Thread

import pytest

import perijove
from perijove.adapters.spawners.batch.slurm import Commands, SlurmQueue, ThroughSudo
from tests.running.slurm import Slurm, admit, missing, slurm

_SOURCE = Path(perijove.__file__).parent
_CARRIED = ("__init__.py", "domain/__init__.py", "domain/errors.py", "domain/batch", "processes/__init__.py", "processes/batch_helper")
ENTRY = """#!/usr/bin/python3 -I
import sys
sys.path.insert(0, {folder!r})
from perijove.processes.batch_helper.main import main
raise SystemExit(main())
"""


@dataclass
class Site:
    """A cluster with the helper that acts on it. `folder`: readable by all, where people's jobs may write below `out`."""

    slurm: Slurm
    folder: Path
    alice: str
    bob: str
    lines: list[str] = field(default_factory=list)

    @property
    def helper(self) -> Path:
        return self.folder / "perijove-batch-helper"

    @property
    def rules(self) -> Path:
        return self.folder / "rules.json"

    def queue(self) -> SlurmQueue:
        commands = Commands(slurm_conf=str(self.slurm.conf))
        return SlurmQueue(commands, ThroughSudo(helper=str(self.helper), rules=str(self.rules)))

    def audited(self) -> list[str]:
        """The lines written since it was last asked."""
        found = self.lines[:]
        self.lines.clear()
        return found


@pytest.fixture(scope="session")
def people() -> Generator[tuple[str, str]]:
    """Two accounts of this machine, gone afterwards."""
    names = (f"pj-alice-{os.getpid()}", f"pj-bob-{os.getpid()}")  # of this run alone: others may run beside it
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(account(name))
        yield names


@contextmanager
def account(name: str) -> Iterator[None]:
    made = False
    try:
        pwd.getpwnam(name)
    except KeyError:
        subprocess.run(["useradd", "--create-home", "--shell", "/bin/bash", name], check=True, capture_output=True)
        made = True
    try:
        yield
    finally:
        if made:
            subprocess.run(["userdel", "--force", "--remove", name], check=False, capture_output=True)


@pytest.fixture(scope="session")
def session_site(people: tuple[str, str]) -> Generator[Site]:
    reason = missing()
    if reason:
        pytest.skip(reason)
    with slurm() as found, _site(found, people) as site:
        yield site


@pytest.fixture
def site(session_site: Site) -> Site:
    session_site.slurm.clear()
    session_site.audited()
    return session_site


@pytest.fixture(scope="session")
def accounted(people: tuple[str, str]) -> Generator[Site]:
    """One with accounting; alice may use the account "lab", bob none."""
    reason = missing(accounting=True)
    if reason:
        pytest.skip(reason)
    with slurm(accounting=True, nodes=1, min_job_age_s=2) as found, _site(found, people) as site:
        admit(found, site.alice)
        yield site


@contextmanager
def _site(found: Slurm, people: tuple[str, str]) -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="pj-helper-"))
    try:
        folder.chmod(0o755)
        (folder / "out").mkdir()
        (folder / "out").chmod(0o1777)
        for name in _CARRIED:
            there = folder / "perijove" / name
            there.parent.mkdir(parents=True, exist_ok=True)
            if (_SOURCE / name).is_dir():
                shutil.copytree(_SOURCE / name, there, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(_SOURCE / name, there)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as audit:
            audit.bind(str(folder / "log"))
            (folder / "log").chmod(0o666)
            site = Site(found, folder, *people)
            reader = Thread(target=partial(_log, audit, site.lines))
            reader.start()
            site.helper.write_text(ENTRY.format(folder=str(folder)))
            site.helper.chmod(0o755)
            rules = {"programs": ["/bin/bash", "/bin/sleep"], "slurm_conf": str(found.conf), "audit": str(folder / "log"), "least_uid": 1000,
                     "prologue": "export PROLOGUE=ran"}  # fmt: skip
            site.rules.write_text(json.dumps(rules))
            try:
                yield site
            finally:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ending:
                    ending.sendto(b"", str(folder / "log"))
                reader.join()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _log(audit: socket.socket, lines: list[str]) -> None:
    """A system log in short: it must be read, or who writes to it waits."""
    while line := audit.recv(65536):
        lines.append(line.decode())
