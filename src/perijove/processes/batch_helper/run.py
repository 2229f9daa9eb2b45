"""Runs the scheduler's commands: no shell, nothing of the caller's environment, nobody else's files."""

import os
import re
import subprocess
from typing import Final

from .rules import Rules

Answer = dict[str, str]
LONGEST_S: Final = 60


class Sealed:
    """A file without a name, which nobody else can open or change, for a child's eyes."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __enter__(self) -> int:
        self.number = os.memfd_create("perijove")
        with os.fdopen(os.dup(self.number), "wb") as writing:
            writing.write(self.content)
        os.lseek(self.number, 0, os.SEEK_SET)
        return self.number

    def __exit__(self, *_: object) -> None:
        os.close(self.number)


def run(rules: Rules, name: str, words: list[str], files: tuple[int, ...] = (), given: bytes = b"") -> tuple[int, str, str]:
    """`given`: its standard input. Exit code, output and errors."""
    done = subprocess.run(  # noqa: S603 — no shell, and every word is checked
        [rules.command(name), *words], env=rules.environ(), cwd="/", input=given, capture_output=True, timeout=LONGEST_S, pass_fds=files, check=False
    )
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def plain(said: str) -> str:
    """The scheduler's own words without the names of its programs; the same thing said twice once."""
    lines = (re.sub(r"^(?:\w+: )?(?:(?:error|fatal): )?", "", line).strip() for line in said.strip().splitlines())
    return "; ".join(dict.fromkeys(line for line in lines if line))[:1000] or "it said nothing"
