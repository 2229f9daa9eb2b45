"""Processes named so that a reused pid is never taken for them: by pid and the moment they began."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = "/proc"
MARKER: Final = "PERIJOVE_START_ID"
"""In the environment of all that is launched, so that stragglers are found when the supervisor was killed."""


@dataclass(frozen=True, slots=True)
class Process:
    """`started`: clock ticks since the machine's start, field 22 of /proc/PID/stat (proc(5))."""

    pid: int
    started: int

    def alive(self) -> bool:
        """Whether it runs. A zombie has ended: it only waits for its parent to notice."""
        found = _stat(self.pid)
        return found is not None and found[0] not in {"Z", "X"} and found[1] == self.started

    def send(self, signal_number: int) -> None:
        """Signal it, unless it has ended. Raises PermissionError."""
        with suppress(ProcessLookupError):
            try:
                descriptor = os.pidfd_open(self.pid)
            except OSError as error:
                if isinstance(error, ProcessLookupError | PermissionError):
                    raise
                descriptor = -1  # a kernel before 5.3
            if descriptor < 0:
                if self.alive():
                    os.kill(self.pid, signal_number)
                return
            try:
                # looked at after the descriptor holds the pid, so it cannot become another's in between
                if self.alive():
                    signal.pidfd_send_signal(descriptor, signal_number)
            finally:
                os.close(descriptor)


def this_process(pid: int) -> Process | None:
    """The process that has this pid now."""
    found = _stat(pid)
    return Process(pid, found[1]) if found is not None else None


def with_environment(name: str, value: str) -> Iterator[Process]:
    """Living processes that were started with this variable, as far as we may look."""
    needle = f"{name}={value}".encode()
    for entry in Path(_PROC).iterdir():
        if not entry.name.isdecimal():
            continue
        process = this_process(int(entry.name))
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if process is not None and needle in variables and process.alive():
            yield process


def _stat(pid: int) -> tuple[str, int] | None:
    try:
        # not Path: this is what polling hundreds of servers costs
        descriptor = os.open(f"{_PROC}/{pid}/stat", os.O_RDONLY)
    except OSError:
        return None
    try:
        text = os.read(descriptor, 4096)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    # the name in parentheses may hold anything, so count from the last one
    fields = text[text.rfind(b")") + 2 :].split()
    return fields[0].decode(), int(fields[19])
