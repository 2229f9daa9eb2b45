"""Who has an attempt: the one file that decides between launching and calling off, and what else is kept of an attempt.

The launcher's claim is a hard link to a complete file, so it is there wholly or not at all; that of stopping is an empty file, which
also a full disk has room for. Either is made only if the name is free, so there is one winner. It outlives the run folder for a day, as a sign that the attempt is spent.
"""

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from perijove.processes.process import Process

KEEP_CLAIM_S: Final = 86400.0


@dataclass(frozen=True, slots=True)
class Launched:
    """The launcher was first."""

    supervisor: Process
    server: Process


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Stopping was first: this attempt never becomes a process."""


Claim = Launched | Cancelled


@dataclass(frozen=True, slots=True)
class Ending:
    """How the server ended. `code` is negative for a signal."""

    code: int
    out_of_memory: bool


@dataclass(frozen=True, slots=True)
class RunFolder:
    """What is kept of one attempt, by its key, below the spawner's runtime folder.

    `folder` may be passed by all and listed by the hub only; `own` is the account's, where the server makes its socket;
    `private` is the hub's, where the proxy finds it.
    """

    root: Path
    key: str

    @property
    def folder(self) -> Path:
        return self.root / self.key

    @property
    def own(self) -> Path:
        return self.folder / "u"

    @property
    def private(self) -> Path:
        return self.folder / "p"

    @property
    def server_socket(self) -> Path:
        return self.own / "s"

    @property
    def proxy_socket(self) -> Path:
        return self.private / "s"

    @property
    def claim_file(self) -> Path:
        return self.root / "claims" / self.key

    @property
    def failure_file(self) -> Path:
        return self.folder / "failure"

    def prepare(self, uid: int, gid: int) -> None:
        """Make the folders, or mend what a crash left half done. Raises OSError."""
        self.claim_file.parent.mkdir(mode=0o700, exist_ok=True)
        passable = 0o711 if os.geteuid() == 0 else 0o700
        for folder, mode in ((self.folder, passable), (self.private, 0o700), (self.own, 0o700)):
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(mode)
        if uid != os.geteuid():
            os.chown(self.own, uid, gid)

    def claim(self) -> Claim | None:
        """Who has it, if anybody. Raises OSError."""
        try:
            text = self.claim_file.read_text("ascii")
        except FileNotFoundError:
            return None
        if not text:
            return Cancelled()
        numbers = [int(word) for word in text.split()]
        return Launched(Process(numbers[0], numbers[1]), Process(numbers[2], numbers[3]))

    def cancel(self) -> Claim:
        """Claim it for never; tells who was first. Raises OSError."""
        self.claim_file.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            self.claim_file.touch(0o600, exist_ok=False)
        except FileExistsError:
            return self.claim() or Cancelled()
        return Cancelled()

    def ending(self) -> Ending | None:
        """What the supervisor wrote down, if it came to that."""
        try:
            code, oom = (self.folder / "exit").read_text("ascii").split()
        except (OSError, ValueError):
            return None
        return Ending(int(code), oom == "1")

    def failure(self) -> bytes | None:
        """What the launcher wrote down when the server could not even begin."""
        try:
            return self.failure_file.read_bytes()
        except OSError:
            return None

    def remove(self) -> None:
        """Remove all but the claim. What a hostile account made in its own folder may resist; that is left for later."""
        # rmtree holds folders by descriptor and follows no link; an absurdly deep tree ends in RecursionError
        with suppress(RecursionError):
            shutil.rmtree(self.folder, ignore_errors=True)


def sweep(root: Path, now: float) -> None:
    """Remove what is left of attempts that ended more than a day ago. `now`: seconds since the epoch."""
    with suppress(FileNotFoundError):
        for file in (root / "claims").iterdir():
            with suppress(OSError, ValueError, IndexError):
                run = RunFolder(root, file.name)
                if now - file.stat().st_mtime <= KEEP_CLAIM_S or _lives(run.claim()):
                    continue
                run.remove()
                if not run.folder.exists():
                    file.unlink()


def _lives(claim: Claim | None) -> bool:
    return isinstance(claim, Launched) and (claim.supervisor.alive() or claim.server.alive())
