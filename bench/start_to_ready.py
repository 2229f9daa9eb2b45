"""Measures what a hub adds to the start of a server: `.venv/bin/python bench/start_to_ready.py --help`.

A bare `jupyter lab`, a start through JupyterHub and a start through Perijove take turns, all three with the same environment. Each is timed
from the click (the process's start, or POST …/server) to the first good answer of the server's own /api (through the hub's proxy).
docs/explanation/performance.md says what the figures mean.
"""

import argparse
import asyncio
import json
import os
import pwd
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import uvloop
from http_client import BenchError, Client
from hubs import clean_environ, free_port, running, scratch
from whole_hubs import Whole, user_venv, whole_jupyterhub, whole_perijove

_ACCOUNT = "perijove-bench"
_PERSON = "ada"
_PATIENCE_S = 120.0
_BARE = "bare jupyter lab"


@dataclass(frozen=True, slots=True)
class Started:
    """`answered_ms` until POST …/server was answered, None for a bare server."""

    ready_ms: float
    answered_ms: float | None = None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--repetitions", type=int, default=7, help="starts of each kind, in turns, after one that does not count (default: %(default)s)"
    )
    parser.add_argument("--hubs", default="jupyterhub,perijove", help="(default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write all times to this file")
    parser.add_argument("--keep", action="store_true", help="keep the hubs' folders with their logs")
    return parser.parse_args()


def _account() -> str | None:
    """As root all three run as an ordinary account, made here if missing: that is what a Jupyter server is meant to do."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(_ACCOUNT)
    except KeyError:
        subprocess.run(["useradd", "--system", "--shell", "/usr/sbin/nologin", _ACCOUNT], check=True)
        print(f"Made the account {_ACCOUNT}; remove it with: userdel {_ACCOUNT}", file=sys.stderr)
    return _ACCOUNT


async def _until_answer(client: Client, path: str, every_s: float) -> None:
    """Raises BenchError after _PATIENCE_S without an answer of the 200 class."""
    deadline, request, seen = time.monotonic() + _PATIENCE_S, client.request("GET", path), "nothing"
    while time.monotonic() < deadline:
        try:
            answer = await client.one(request)
        except OSError as error:
            seen = str(error)
        else:
            if 200 <= answer.status < 300:
                return
            seen = f"{answer.status} {answer.body[:200].decode(errors='replace')}"
        await asyncio.sleep(every_s)
    raise BenchError(f"{path} did not answer within {_PATIENCE_S:.0f} s; the last answer was {seen}.")


async def _bare(folder: Path, account: str | None) -> Started:
    """Raises BenchError."""
    port, token, home = free_port(), secrets.token_hex(16), folder / "home"
    environ = clean_environ(HOME=str(home), JUPYTER_TOKEN=token)
    command: list[str | Path] = [user_venv() / "bin/jupyter", "lab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
    async with Client(f"http://127.0.0.1:{port}", token, 1) as client:
        began = time.perf_counter()
        with running(command, folder / "server.log", environ, account=account, cwd=home):
            await _until_answer(client, "/api", 0.01)
            return Started((time.perf_counter() - began) * 1e3)


async def _through(whole: Whole) -> Started:
    """Raises BenchError."""
    path = f"/users/{_PERSON}/server"
    async with Client(f"{whole.url}/hub/api", whole.token, 1) as api, Client(whole.url, whole.token, 1) as door:
        began = time.perf_counter()
        answer = await api.one(api.request("POST", path, b"{}"))
        answered_ms = (time.perf_counter() - began) * 1e3
        if answer.status not in {201, 202}:
            raise BenchError(f"{whole.name}: POST {path} was answered {answer.status}: {answer.body[:500].decode(errors='replace')}")
        try:
            # Asked only now, as before that the hub would have to answer, and be slower for it.
            await _until_answer(door, f"/user/{_PERSON}/api", 0.01)
            return Started((time.perf_counter() - began) * 1e3, answered_ms)
        finally:
            await api.one(api.request("DELETE", path))
            await _until_gone(api, whole.name)


async def _until_gone(api: Client, name: str) -> None:
    """Raises BenchError."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        answer = await api.one(api.request("GET", f"/users/{_PERSON}"))
        model = json.loads(answer.body)
        if not model["servers"] and model["pending"] is None:
            return
        await asyncio.sleep(0.1)
    raise BenchError(f"{name} did not stop the server within {_PATIENCE_S:.0f} s.")


async def _add_person(whole: Whole) -> None:
    """Raises BenchError."""
    async with Client(f"{whole.url}/hub/api", whole.token, 1) as api:
        answer = await api.one(api.request("POST", f"/users/{_PERSON}", b"{}"))
        if answer.status != 201:
            raise BenchError(f"{whole.name}: adding {_PERSON} was answered {answer.status}: {answer.body[:500].decode(errors='replace')}")


async def _measure(args: argparse.Namespace) -> dict[str, list[Started]]:
    """Raises BenchError, OSError, TimeoutError."""
    account = _account()
    setups = {"jupyterhub": whole_jupyterhub, "perijove": whole_perijove}
    names = [name for name in args.hubs.split(",") if name]
    if unknown := set(names) - set(setups):
        raise BenchError(f"--hubs knows {', '.join(setups)}, not {', '.join(sorted(unknown))}.")
    user_venv()  # made before anything runs beside it
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(scratch(args.keep))
        (folder / "home").mkdir()
        kinds: dict[str, Callable[[], Awaitable[Started]]] = {_BARE: lambda: _bare(folder, account)}
        _give(folder, account)
        for name in names:
            place = stack.enter_context(scratch(args.keep))
            _give(place, account)
            whole = await stack.enter_async_context(setups[name](place, account))
            await _add_person(whole)
            kinds[whole.name] = partial(_through, whole)
        times: dict[str, list[Started]] = {name: [] for name in kinds}
        for number in range(args.repetitions + 1):
            for name, kind in kinds.items():
                started = await kind()
                print(f"  {number or 'warming up'}: {name}: {started.ready_ms:.0f} ms", file=sys.stderr)
                if number:
                    times[name].append(started)
        return times


def _give(folder: Path, account: str | None) -> None:
    if account is not None:
        entry = pwd.getpwnam(account)
        for path in (folder, *folder.iterdir()):
            os.chown(path, entry.pw_uid, entry.pw_gid)


def _table(times: dict[str, list[Started]]) -> str:
    bare = median(started.ready_ms for started in times[_BARE])
    lines = [f"{'':24} {'click to ready':>14} {'overhead':>10} {'lowest':>10} {'highest':>10}   (ms; medians of {len(times[_BARE])})"]
    for name, all_started in times.items():
        ready = [started.ready_ms for started in all_started]
        over = "" if name == _BARE else f"{median(ready) - bare:.0f}"
        lines.append(f"{name:24} {median(ready):>14.0f} {over:>10} {min(ready):>10.0f} {max(ready):>10.0f}")
    return "\n".join(lines)


def main() -> int:
    args = _arguments()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell began us with it ignored
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # ends what was started, as Ctrl-C does
    try:
        times = uvloop.run(_measure(args))
    except KeyboardInterrupt:
        return 130
    except (BenchError, OSError, TimeoutError, subprocess.CalledProcessError) as error:
        print(f"bench: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    print(_table(times))
    if args.json is not None:
        text = json.dumps(
            {name: [{"ready_ms": one.ready_ms, "answered_ms": one.answered_ms} for one in starts] for name, starts in times.items()}, indent=1
        )
        args.json.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
