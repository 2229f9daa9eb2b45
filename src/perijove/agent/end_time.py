"""When the batch system will end the job. Times are seconds since the epoch; those of programs are the node's own local time."""

from __future__ import annotations

import asyncio
import calendar
import re
import time
from typing import Mapping

_ASK_S = 20.0
_TIME = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\b")


def told(environ: Mapping[str, str], began: float) -> float | None:
    """What the job's environment says. `began`: when this job began, as far as we know."""
    end = environ.get("SLURM_JOB_END_TIME", "")
    if end.isdigit() and int(end) > 0:
        return float(end)
    walltime = environ.get("PBS_WALLTIME", "")
    if walltime.isdigit() and int(walltime) > 0:
        return began + int(walltime)
    return None


async def asked(environ: Mapping[str, str]) -> float | None:
    """What the batch system says now: somebody may have prolonged the job. None if nobody knows."""
    job = environ.get("SLURM_JOB_ID", "")
    if not job.isdigit():
        return None
    # In UTC, whatever the node's clock shows people.
    out = await _output(["squeue", "--noheader", f"--jobs={job}", "--format=%e"], {**environ, "TZ": "UTC"})
    if out is None:
        return None
    return parsed(out)


def parsed(text: str) -> float | None:
    """A time of Slurm's, in UTC: 2026-03-01T12:00:00. Others (N/A, Unknown, NONE) are None."""
    found = _TIME.search(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups())
    return float(calendar.timegm((year, month, day, hour, minute, second, 0, 0, 0)))


def iso(moment: float | None) -> str | None:
    """As it is reported."""
    return None if moment is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


async def _output(words: list[str], environ: Mapping[str, str]) -> str | None:
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            env={name: value for name, value in environ.items() if not name.startswith(("JUPYTERHUB_", "PERIJOVE_"))},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    try:
        out, _ = await asyncio.wait_for(process.communicate(), _ASK_S)
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()
        return None
    return out.decode(errors="replace") if process.returncode == 0 else None
