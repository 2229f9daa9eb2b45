"""`perijove-agent probe`: what a compute node is like and what it reaches, for `perijove doctor slurm`.

    probe [--dial URL]... [--hub URL] [--ca-file FILE] [--within SECONDS]

The outcome is one JSON object on standard output; in a job of Slurm, packed, in the job's comment too, where whoever asked reads it without
sharing a file system. Exit status 0 whatever is found: it is the reader's part to judge.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import platform
import socket
import ssl
import subprocess  # noqa: TID251 - the program in the job has no loop that could be blocked yet
import sys
import tempfile
import time
import zlib
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Mapping
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, Request, build_opener

from perijove.agent.websocket import Address, RefusedError, connect, parse, tls_context, web_proxy

MARK = "perijove-probe:"
"""Before the packed outcome in a job's comment."""
_TEXT = 160


def probe(arguments: list[str]) -> int:
    """The subcommand. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="perijove-agent probe", allow_abbrev=False)
    parser.add_argument("--dial", action="append", default=[], metavar="URL")
    parser.add_argument("--hub", default="", metavar="URL")
    parser.add_argument("--ca-file", default=None, metavar="FILE")
    parser.add_argument("--within", type=float, default=10.0, metavar="SECONDS")
    options = parser.parse_args(arguments)
    environ = dict(os.environ)  # noqa: TID251 - what the job was given
    found = node(environ)
    found["dial"] = [asyncio.run(dialled(url, options.ca_file, options.within)) for url in options.dial]
    if options.hub:
        found["hub"] = hub_health(options.hub, options.ca_file, options.within)
    text = json.dumps(found)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
    found["told"] = told_slurm(text, environ)
    return 0


def packed(text: str) -> str:
    return MARK + base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def unpacked(comment: str) -> dict[str, Any] | None:
    """What `packed` made; None if the comment is something else."""
    if not comment.startswith(MARK):
        return None
    try:
        found = json.loads(zlib.decompress(base64.b64decode(comment[len(MARK) :])))
    except (ValueError, zlib.error):
        return None
    return found if isinstance(found, dict) else None


def told_slurm(text: str, environ: Mapping[str, str]) -> bool:
    """Put it into the comment of the job that this is."""
    job = environ.get("SLURM_JOB_ID", "")
    if not job:
        return False
    try:
        argv = ["scontrol", "update", "jobid=" + job, "comment=" + packed(text)]
        subprocess.run(argv, timeout=30, check=True, stdin=subprocess.DEVNULL)  # noqa: S603 - no shell, and found as the job's environment says
    except (OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"scontrol does not take the outcome: {error}\n")
        return False
    return True


def node(environ: Mapping[str, str]) -> dict[str, Any]:
    """What needs no network. Times in ms."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    return {
        "host": socket.gethostname(),
        "python": platform.python_version(),
        "time": time.time(),  # noqa: TID251 - to be compared with others' clocks
        "uid": os.getuid(),
        "job": environ.get("SLURM_JOB_ID", ""),
        "cgroup": 2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1 if Path("/sys/fs/cgroup").is_dir() else 0,
        "in_job_cgroup": "slurm" in _read("/proc/self/cgroup") or "job_" in _read("/proc/self/cgroup"),
        "runtime_dir": runtime if not runtime or (Path(runtime).is_dir() and os.access(runtime, os.W_OK)) else "missing " + runtime,
        "gpus": len([name for name in _listed("/dev") if name.startswith("nvidia") and name[6:].isdigit()]),
        "cuda": environ.get("CUDA_VISIBLE_DEVICES", ""),
        "home": _writing(environ.get("HOME", "/")),
        "temporary": _writing(environ.get("TMPDIR", "") or tempfile.gettempdir()),
    }


def _writing(folder: str) -> dict[str, Any]:
    """How long a small file takes to be written for good and removed."""
    begun = time.monotonic()
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".perijove-probe-") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return {"folder": folder, "error": _words(error)}
    return {"folder": folder, "ms": _ms(begun)}


async def dialled(url: str, ca_file: str | None, within_s: float) -> dict[str, Any]:
    """As the agent would dial, step by step, as far as it goes: "failed" names the step. Without a token a gateway answers 401: that is success."""
    steps: dict[str, Any] = {"url": url}
    try:
        address = parse(url)
    except ValueError as error:
        return {**steps, "failed": "url", "error": _words(error)}
    step = "ca"
    try:
        context = tls_context(ca_file) if address.tls else None
        step = "proxy"
        proxy = web_proxy(address)
        if proxy is None:
            step = "dns"
            await _timed(steps, step, _resolved(address), within_s)
            step = "tcp"
            await _timed(steps, step, _opened(address, None), within_s)
            if context is not None:
                step = "tls"
                await _timed(steps, step, _opened(address, context), within_s)
        else:
            steps["proxy"] = f"{proxy[0]}:{proxy[1]}"
        step = "websocket"
        await _upgraded(steps, address, context, within_s)
    except (OSError, ValueError, ssl.SSLError, asyncio.TimeoutError) as error:
        return {**steps, "failed": step, "error": _words(error) if str(error) else f"no answer within {within_s:g} s"}
    except RefusedError as error:
        return {**steps, "failed": step, "status": error.status, "error": _words(error)}
    return steps


async def _upgraded(steps: dict[str, Any], address: Address, context: ssl.SSLContext | None, within_s: float) -> None:
    begun = time.monotonic()
    asked = address._replace(path=address.path.rstrip("/") + "/0")
    try:
        opened, _ = await connect(asked, context, {"Authorization": "token none", "Perijove-Start": "doctor"}, within_s)
        opened.close()
    except RefusedError as error:
        if error.status != 401:
            raise
    steps["websocket"] = _ms(begun)


async def _timed(steps: dict[str, Any], step: str, waited: Any, within_s: float) -> None:
    begun = time.monotonic()
    await asyncio.wait_for(waited, within_s)
    steps[step] = _ms(begun)


async def _resolved(address: Address) -> None:
    await asyncio.get_running_loop().getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)


async def _opened(address: Address, context: ssl.SSLContext | None) -> None:
    _, writer = await asyncio.open_connection(address.host, address.port, ssl=context, server_hostname=address.host if context else None)
    writer.close()


def hub_health(url: str, ca_file: str | None, within_s: float) -> dict[str, Any]:
    """What the hub says of itself, and how far this clock is ahead of its own (a second of error)."""
    begun = time.monotonic()
    found: dict[str, Any] = {"url": url}
    if not url.startswith(("http://", "https://")):
        return {**found, "error": "not an address of HTTP"}
    try:
        opener = build_opener(HTTPSHandler(context=tls_context(ca_file)))
        with opener.open(Request(url, headers={"Accept": "application/json"}), timeout=within_s) as answer:  # noqa: S310 - checked above
            status, date = answer.status, answer.headers.get("Date", "")
    except HTTPError as error:
        return {**found, "error": f"{error.code} {error.reason}"[:_TEXT], "status": error.code}
    except (OSError, ValueError) as error:
        return {**found, "error": _words(error)}
    found.update(status=status, ms=_ms(begun))
    with suppress(TypeError, ValueError):  # perhaps it tells no time
        found["ahead_s"] = round(time.time() - parsedate_to_datetime(date).timestamp(), 1)  # noqa: TID251 - this very clock is asked about
    return found


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _listed(folder: str) -> list[str]:
    try:
        return [path.name for path in Path(folder).iterdir()]
    except OSError:
        return []


def _words(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:_TEXT]


def _ms(begun: float) -> float:
    return round((time.monotonic() - begun) * 1000, 1)
