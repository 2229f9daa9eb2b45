"""How Slurm's commands are run: questions as the hub, acts as the person."""

import asyncio
import json
import os
import pwd
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from perijove.ports.batch import NotAllowedError, QueueAwayError
from perijove.processes.batch_helper import act
from perijove.processes.batch_helper.run import plain

_HELPER: Final = "perijove.processes.batch_helper"
_MOST_BYTES: Final = 64 << 20
_PACKAGES: Final = str(Path(act.__file__).parents[3])


@dataclass(frozen=True, slots=True)
class Said:
    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Where Slurm's programs are, and how long one may take. A command of a controller that is down takes 18 s to say so."""

    bin: str = "/usr/bin"
    slurm_conf: str = ""
    timeout_s: float = 30.0

    async def ask(self, name: str, *words: str) -> Said:
        """As the hub. Raises QueueAwayError when it takes too long or cannot be run."""
        environ = {"PATH": f"{self.bin}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "SLURM_TIME_FORMAT": "%s", "TZ": "UTC"}
        if self.slurm_conf:
            environ["SLURM_CONF"] = self.slurm_conf
        return await run([f"{self.bin}/{name}", *words], environ, b"", self.timeout_s)


class Acting(Protocol):
    """Acts as a person."""

    async def act(self, person: str, question: dict[str, Any]) -> dict[str, str]:
        """The helper's answer (perijove.processes.batch_helper.act.answer). Raises QueueAwayError, NotAllowedError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AsMyself:
    """The hub is the person: no other can be acted as."""

    commands: Commands = field(default_factory=Commands)
    timeout_s: float = 90.0

    async def act(self, person: str, question: dict[str, Any]) -> dict[str, str]:
        return await as_myself(person, [self.commands.slurm_conf, self.commands.bin], question, self.timeout_s)


async def as_myself(person: str, words: list[str], question: dict[str, Any], timeout_s: float) -> dict[str, str]:
    """The helper's answer without sudo. Raises QueueAwayError, NotAllowedError."""
    own = pwd.getpwuid(os.geteuid()).pw_name
    if person != own:
        raise NotAllowedError(
            f"The hub runs as {own} and cannot submit jobs as {person}.", "The administrator can set up the batch helper with sudo."
        )
    argv = [sys.executable, "-I", "-c", _ENTRY, _PACKAGES, "--as-myself", *words]
    return read_answer(await run(argv, {"PATH": "/usr/bin:/bin"}, json.dumps(question).encode(), timeout_s))


_ENTRY: Final = f"import sys; sys.path.insert(0, sys.argv.pop(1)); from {_HELPER}.main import main; raise SystemExit(main())"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughSudo:
    """`helper` and `rules` as in the sudoers line, word for word."""

    helper: str
    rules: str
    sudo: str = "/usr/bin/sudo"
    timeout_s: float = 90.0

    async def act(self, person: str, question: dict[str, Any]) -> dict[str, str]:
        if not person or person.startswith(("-", "#")) or not person.isprintable():
            raise NotAllowedError(f"{person!r} is not an account's name.")
        argv = [self.sudo, "-n", "-u", person, "--", self.helper, self.rules]
        said = await run(argv, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}, json.dumps(question).encode(), self.timeout_s)
        if said.code:
            raise NotAllowedError(
                f"sudo does not let the hub act as {person}: {plain(said.err)}.",
                "The administrator of the cluster can put the person into the group of the sudoers line (perijove-batch-helper --sudoers).",
            )
        return read_answer(said)


def read_answer(said: Said) -> dict[str, str]:
    try:
        found = json.loads(said.out)
    except ValueError:
        found = None
    if said.code or not isinstance(found, dict):
        raise NotAllowedError(f"The batch helper does not work: {plain(said.err or said.out)}.", "The administrator can mend its installation.")
    return {str(name): str(value) for name, value in found.items()}


async def run(argv: list[str], environ: dict[str, str], given: bytes, timeout_s: float) -> Said:
    """One program, without a shell. It is killed when it takes too long, or when its caller is cancelled. Raises QueueAwayError."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, env=environ, cwd="/", limit=_MOST_BYTES,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
    except OSError as error:
        raise QueueAwayError(f"{argv[0]} cannot be run: {error.strerror}.", "The administrator can install it, or say where it is.") from None
    try:
        async with asyncio.timeout(timeout_s):
            out, err = await process.communicate(given)
    except TimeoutError:
        raise QueueAwayError(f"{Path(argv[0]).name} took longer than {timeout_s:.0f} s.", "It is asked again by itself.") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):  # what sudo runs as somebody else ends with sudo's own timeout
                process.kill()
    return Said(process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace"))
