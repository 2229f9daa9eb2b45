"""Run the launcher with a plan, and hear what came of it."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, Final

from perijove.processes import launcher, supervisor

_LAUNCHER: Final = str(Path(launcher.__file__))
SUPERVISOR: Final = str(Path(supervisor.__file__))


async def run_launcher(plan: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """The launcher's answer (see launcher.py); None if it ended without one, with the last of what it said instead.

    Whether it launched anything then, the claim knows.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-S", _LAUNCHER),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={},
        cwd="/",
        start_new_session=True,  # what ends the hub's terminal or group does not end what is launched
    )
    try:
        output, _ = await process.communicate(json.dumps(plan).encode())
    except asyncio.CancelledError:
        # it may have forked already; then the claim says so to whoever stops this attempt
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    told = last_object(output)
    return told, "" if told else output.decode(errors="replace").strip().rsplit("\n", 1)[-1][-300:]


def last_object(output: bytes) -> dict[str, Any] | None:
    """The JSON object in the last line, if there is one."""
    try:
        told = json.loads(output.strip().rsplit(b"\n", 1)[-1])
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
