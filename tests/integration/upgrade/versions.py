"""The version before this one, from the history of this clone, and programs of either version."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

CLONE = Path(__file__).parents[3]
FIRST = "src/perijove/adapters/store_sql/migrations/versions/v0005_managed_roles.py"
"""The first migration that hubs of two versions had to live with. The commit before it stands for the version before, until there is a release."""


def _git(*words: str) -> bytes:
    return subprocess.run(["git", "-C", str(CLONE), *words], check=True, capture_output=True).stdout


def previous() -> str:
    """The newest release before this commit, else the commit above. Skips where there is no history, as in a source archive."""
    try:
        tagged = subprocess.run(["git", "-C", str(CLONE), "describe", "--tags", "--abbrev=0", "HEAD^"], capture_output=True, text=True, check=False)
        if tagged.returncode == 0:
            return tagged.stdout.strip()
        added = _git("log", "--diff-filter=A", "--format=%H", "--", FIRST).split()[-1].decode()
        return _git("rev-parse", "--verify", f"{added}^").decode().strip()
    except (OSError, subprocess.CalledProcessError, IndexError):
        pytest.skip("This copy has no history from which the version before could be had: use a full clone (git clone without --depth)")


def unpacked(commit: str, folder: Path) -> Path:
    """Its sources: a folder for PYTHONPATH."""
    folder.mkdir()
    subprocess.run(["tar", "-x", "-f", "-", "-C", str(folder)], input=_git("archive", "--format=tar", commit, "src"), check=True)
    return folder / "src"


@dataclass
class Program:
    """`perijove WORDS` of the version in `source`."""

    words: tuple[str, ...]
    source: Path
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        path = os.pathsep.join((str(self.source), str(Path(__file__).parent)))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "perijove", *self.words],
                cwd=self.log.parent, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": path},
            )  # fmt: skip

    def end(self) -> int:
        """As an administrator has it end. The exit code."""
        assert self.process is not None
        self.process.terminate()
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def kill(self) -> None:
        """If it runs."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
