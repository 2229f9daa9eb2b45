"""Programs run, their lines followed, and ended with us whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Callable, Mapping, Sequence

from perijove.agent.environment.shell import MARK, NO_MODULES, NOT_LOADED
from perijove.agent.environment.trouble import ProgramError, last_lines

_KEPT = 400
"""Lines of output."""

# If we are killed with SIGKILL, nobody ends our children: the kernel does (PR_SET_PDEATHSIG). By a program of its own, since running
# Python between fork and exec may hang where there are threads.
_WITH_US = (
    "import ctypes, os, sys\n"
    "try:\n    ctypes.CDLL(None).prctl(1, 9)\n"
    "except Exception:\n    pass\n"
    "if os.getppid() != int(sys.argv[1]):\n    sys.exit(1)\n"
    "try:\n    os.execvp(sys.argv[2], sys.argv[2:])\n"
    "except OSError as error:\n    sys.stderr.write('%s: %s\\n' % (sys.argv[2], error.strerror))\n    sys.exit(127)\n"
)

Lines = Callable[[str], None]


def run(
    words: Sequence[str],
    *,
    doing: str,
    environ: Mapping[str, str],
    line: Lines | None = None,
    folder: str | None = None,
) -> str:
    """Both outputs, in order. `line` is told each line. Raises ProgramError; its message begins with what was being `doing`."""
    output: list[str] = []
    command = [sys.executable, "-I", "-S", "-c", _WITH_US, str(os.getpid()), *words]
    with subprocess.Popen(  # noqa: S603 - words are checked names and constants, never a shell's text
        command,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        cwd=folder,
        start_new_session=True,
    ) as process:
        try:
            for text in process.stdout or ():
                output.append(text)
                del output[:-_KEPT]
                if line is not None:
                    line(text.rstrip())
            status = process.wait()
        except BaseException:
            _end(process.pid)
            raise
    said = "".join(output)
    if status:
        raise failed(status, said, doing)
    return said


def _end(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def failed(status: int, said: str, doing: str) -> ProgramError:
    """What a program's failure means as far as the shell around it tells."""
    if status == NO_MODULES:
        text = "There are no modules on this machine (neither Environment Modules nor Lmod was found): leave `modules` out, or use a machine that has them."
        return ProgramError(text, said, status)
    if status == NOT_LOADED and MARK in said:
        name = said.rpartition(MARK)[2].splitlines()[0]
        return ProgramError(f"The module {name} cannot be loaded here: `module avail` lists those that can.", said, status)
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    return ProgramError(f"{doing} failed ({how}).", last_lines(said), status)
