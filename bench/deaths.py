"""Measures what people notice when workers of the proxy die or give way: `.venv/bin/python bench/deaths.py --help`.

The real proxy with 10,000 routes on disk and no hub serves new connections as fast as they come. Meanwhile one worker is killed, then all are,
then all are replaced in order (SIGUSR2). For each: requests that failed, requests that a route was missing for, and the longest time without any
good answer. docs/explanation/performance.md says what the figures mean.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import uvloop

_PROGRAM = """
import sys, msgspec
from perijove.proxy import ProxySettings, run
sys.exit(run(msgspec.json.decode(sys.argv[1], type=ProxySettings), lambda address: print(address, flush=True)))
"""
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwork"
_PATIENCE_S = 30.0


@dataclass(slots=True)
class Seen:
    """What the visitors saw since somebody began to look."""

    outcomes: Counter[str] = field(default_factory=Counter)
    last: float = field(default_factory=time.monotonic)
    longest_s: float = 0.0

    def note(self, outcome: str) -> None:
        self.outcomes[outcome] += 1
        if outcome == "good":
            now = time.monotonic()
            self.longest_s = max(self.longest_s, now - self.last)
            self.last = now


class _Backend(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"\r\n\r\n")):
            self._transport.write(_ANSWER)  # type: ignore[attr-defined]


class Visitors:
    """Several people who open a connection, ask for one of the routes, and go."""

    def __init__(self, port: int, routes: int) -> None:
        self._port = port
        self._routes = routes
        self.seen = Seen()

    async def visit(self) -> None:
        while True:
            outcome = "cut off"
            writer = None
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.write(b"GET /user/u%d/lab HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" % random.randrange(self._routes))
                async with asyncio.timeout(_PATIENCE_S):
                    answer = await reader.read()
                if answer:
                    outcome = "good" if answer.startswith(b"HTTP/1.1 200") else "no route"
            except TimeoutError:
                outcome = "too late"
            except OSError:
                pass
            finally:
                if writer is not None:
                    writer.transport.abort()
            self.seen.note(outcome)


def _children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


async def _until(condition: object, what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise SystemExit(f"gave up waiting for {what}")
        await asyncio.sleep(0.005)


async def _measure(visitors: Visitors, proxy: subprocess.Popen[str], workers: int, name: str, killed: int) -> dict[str, object]:
    """`killed`: how many to kill; 0: have all replaced."""
    before = _children(proxy.pid)
    await asyncio.sleep(1.0)
    visitors.seen = seen = Seen()
    if killed:
        for pid in sorted(before)[:killed]:
            os.kill(pid, signal.SIGKILL)
    else:
        proxy.send_signal(signal.SIGUSR2)
    await _until(lambda: len(_children(proxy.pid) - before) == (killed or workers), "new workers")
    await _until(lambda: len(_children(proxy.pid)) == workers, "the workers before to end")
    await asyncio.sleep(1.0)
    return {"event": name, "longest_silence_ms": round(seen.longest_s * 1000, 1), **seen.outcomes}


async def _run(arguments: argparse.Namespace) -> list[dict[str, object]]:
    backend = await asyncio.get_running_loop().create_server(_Backend, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{backend.sockets[0].getsockname()[1]}"
    with tempfile.TemporaryDirectory() as folder, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening: whoever is sent to the hub gets 503
        state = Path(folder) / "routes.json"
        routes = [{"spec": f"/user/u{number}/", "target": url} for number in range(arguments.routes)]
        state.write_text(json.dumps({"format": 1, "table": {"epoch": "e", "revision": 1, "routes": routes}}))
        settings = {
            "port": 0, "follow": False, "state_file": str(state), "workers": arguments.workers, "log_level": "critical",
            "hubs": [f"http://127.0.0.1:{taken.getsockname()[1]}"], "limits": {"retire_tunnels_s": 1.0},
        }  # fmt: skip
        command = [sys.executable, "-c", _PROGRAM, msgspec.json.encode(settings).decode()]
        proxy = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220 - nothing else runs yet
        try:
            assert proxy.stdout is not None
            address = await asyncio.to_thread(proxy.stdout.readline)
            visitors = Visitors(int(address.rpartition(":")[2]), arguments.routes)
            crowd = [asyncio.create_task(visitors.visit()) for _ in range(arguments.visitors)]
            found = []
            for _ in range(arguments.rounds):
                found.append(await _measure(visitors, proxy, arguments.workers, "one worker killed", 1))
                found.append(await _measure(visitors, proxy, arguments.workers, "all workers killed", arguments.workers))
                found.append(await _measure(visitors, proxy, arguments.workers, "all workers replaced", 0))
            for visitor in crowd:
                visitor.cancel()
            await asyncio.wait(crowd)
            return found
        finally:
            proxy.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                proxy.wait(_PATIENCE_S)
            backend.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--routes", type=int, default=10_000, help="(default: %(default)s)")
    parser.add_argument("--visitors", type=int, default=8, help="at a time (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    found = uvloop.run(_run(parser.parse_args()))
    columns = ("event", "longest_silence_ms", "good", "cut off", "no route", "too late")
    print(" | ".join(columns))
    for row in found:
        print(" | ".join(str(row.get(column, 0)) for column in columns))


if __name__ == "__main__":
    main()
