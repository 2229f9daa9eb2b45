"""Plays rude clients against our proxy: `.venv/bin/python bench/rude.py --help`.

Abandoned WebSockets, laptops closed midway, stale tabs that retry, slow readers and writers, malformed and refused upgrades, resets. Polite clients
use the same proxy meanwhile. At the end descriptors, memory and pools must be where they began: exit code 1 if not.
docs/explanation/rude-clients.md has the record of a long run.
"""

import argparse
import asyncio
import json
import random
import resource
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import uvloop
from hubs import free_port
from process_tree import cpu_s, memory_bytes, processes

_OURS = """
import sys, msgspec
from perijove.proxy import ProxySettings, run
sys.exit(run(msgspec.json.decode(sys.argv[1], type=ProxySettings), lambda address: print(address, flush=True)))
"""
_LIMITS = {
    "head_s": 2.0, "idle_s": 3.0, "body_s": 2.0, "response_s": 10.0, "send_s": 2.0, "tunnel_idle_s": 4.0, "half_close_s": 2.0, "pool_idle_s": 3.0,
    "max_connections": 8000, "max_connections_per_address": 0,
}  # fmt: skip
"""Minutes and hours would only make the run longer."""
_UPGRADE = (
    "GET /user/{} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_GARBAGE = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 5000, b"GET /user/a/ok HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n",
    b"POST /user/a/ok HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"GET /../../etc HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST /user/a/ok HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"GET /user/a/ok HTTP/1.1\r\nHost: h\r\nX" + b"y" * 70000,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /user/%00/ HTTP/1.1\r\nHost: h\r\n\r\n", b"\x00" * 100,
)  # fmt: skip
_AT_ONCE = struct.pack("ii", 1, 0)


class Rude(asyncio.Protocol):
    """A connection that knows no manners: counts what comes, and says when something did."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.heard = loop.create_future()
        self.gone = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if not self.heard.done():
            self.heard.set_result(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why does not matter
        for future in (self.heard, self.gone):
            if not future.done():
                future.set_result(b"")

    def reset(self) -> None:
        """Vanish without a goodbye."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None and not self.gone.done():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self.transport.abort()


class Crowd:
    """Everybody who is rude, a few hundred at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop = asyncio.get_running_loop()
        self.outcomes: Counter[str] = Counter()
        self._lingering = asyncio.Semaphore(300)
        self.done = 0
        self._ways: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (20, self.websocket_vanishes), (10, self.websocket_closes), (6, self.websocket_half_closes), (3, self.laptop_closed),
            (10, self.upgrade_refused), (20, self.stale_tab), (10, self.garbage), (6, self.half_a_head), (6, self.half_a_body), (6, self.download_dropped),
            (1, self.slow_head), (1, self.slow_reader), (5, self.pipelined_garbage),
        ]  # fmt: skip
        self._weights = [weight for weight, _ in self._ways]

    async def visit(self) -> None:
        way = random.choices([way for _, way in self._ways], self._weights)[0]
        try:
            async with asyncio.timeout(30):
                await way()
            self.outcomes[way.__name__] += 1
        except (OSError, TimeoutError) as error:
            self.outcomes[f"{way.__name__}: {type(error).__name__}"] += 1
        self.done += 1

    async def _connect(self) -> Rude:
        # Several addresses: one pair of them has 28,000 ports at most.
        place = (f"127.0.0.{random.randint(2, 60)}", 0)
        _, protocol = await self._loop.create_connection(lambda: Rude(self._loop), "127.0.0.1", self._port, local_addr=place)
        return protocol

    async def _say(self, data: bytes) -> Rude:
        rude = await self._connect()
        rude.transport.write(data)
        return rude

    async def _websocket(self) -> Rude:
        rude = await self._say(_UPGRADE.format("a/ws").encode())
        await rude.heard
        return rude

    async def websocket_vanishes(self) -> None:
        (await self._websocket()).reset()

    async def websocket_closes(self) -> None:
        rude = await self._websocket()
        rude.transport.close()
        await rude.gone

    async def websocket_half_closes(self) -> None:
        rude = await self._websocket()
        rude.transport.write_eof()
        await rude.gone

    async def laptop_closed(self) -> None:
        async with self._lingering:
            rude = await self._websocket()
            rude.transport.pause_reading()
            await asyncio.sleep(random.uniform(0, 8))
            rude.reset()

    async def upgrade_refused(self) -> None:
        what = random.choice(["a/ok", "a/no", "a/bad", "a/half", "a/close", "a/reset", "stopped/ws", "nobody/ws", "%zz/ws", "constructor/ws"])
        rude = await self._say(_UPGRADE.format(what).encode())
        await rude.heard
        rude.reset()

    async def stale_tab(self) -> None:
        rude = await self._connect()
        for _ in range(5):
            rude.heard = self._loop.create_future()
            rude.transport.write(b"GET /user/stopped/api/kernels HTTP/1.1\r\nHost: h\r\n\r\n")
            await rude.heard
        rude.transport.close()

    async def garbage(self) -> None:
        rude = await self._say(random.choice(_GARBAGE))
        if random.random() < 0.5:
            await rude.heard
        rude.reset()

    async def half_a_head(self) -> None:
        (await self._say(b"GET /user/a/ok HTTP/1.1\r\nHost: h\r\nX-Ha")).reset()

    async def half_a_body(self) -> None:
        rude = await self._say(b"POST /user/a/ok HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + b"x" * 1000)
        await asyncio.sleep(0)
        rude.reset()

    async def download_dropped(self) -> None:
        rude = await self._say(b"GET /user/a/big HTTP/1.1\r\nHost: h\r\n\r\n")
        await rude.heard
        rude.reset()

    async def slow_head(self) -> None:
        async with self._lingering:
            rude = await self._connect()
            while not rude.gone.done():
                rude.transport.write(b"G")
                await asyncio.wait({rude.gone}, timeout=0.5)

    async def slow_reader(self) -> None:
        async with self._lingering:
            rude = await self._say(b"GET /user/a/big HTTP/1.1\r\nHost: h\r\n\r\n")
            await rude.heard
            rude.transport.pause_reading()
            await asyncio.sleep(random.uniform(0, 6))
            rude.reset()

    async def pipelined_garbage(self) -> None:
        rude = await self._say(b"GET /user/a/ok HTTP/1.1\r\nHost: h\r\n\r\n" * 3 + b"\x00\x01 nonsense\r\n\r\n")
        await rude.heard
        rude.reset()


class Polite:
    """bench/polite.py."""

    def __init__(self, port: int) -> None:
        command = [sys.executable, str(Path(__file__).with_name("polite.py")), str(port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def told(self) -> str:
        """How it went since it was asked before."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def _state(pid: int, admin: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/status", timeout=10) as answer:
        totals = json.loads(answer.read())["totals"]
    descriptors = sum(len(list(Path(f"/proc/{one}/fd").iterdir())) for one in processes(pid))
    wanted = ("connections", "exchanges", "tunnels", "upstream_open", "upstream_idle", "accepted", "refused", "timeouts")
    return {"descriptors": descriptors, "MiB": round(memory_bytes(pid) / 2**20, 1), **{name: totals[name] for name in wanted}}


async def _play(port: int, admin: int, pid: int, polite: Polite, arguments: argparse.Namespace) -> int:
    crowd = Crowd(port)
    await asyncio.gather(*(crowd.visit() for _ in range(2000)))  # whatever first ones cost once: code, arenas, pools
    await asyncio.sleep(7)
    await asyncio.to_thread(polite.told)
    await asyncio.sleep(5)
    before = await asyncio.to_thread(_state, pid, admin)
    print(f"before: {before}\n        polite: {await asyncio.to_thread(polite.told)}", flush=True)
    began, used, crowd.done = time.monotonic(), cpu_s(pid), 0
    running: set[asyncio.Task[None]] = set()
    told = 0.0
    for number in range(arguments.connections):
        if len(running) >= arguments.at_once:
            _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        running.add(asyncio.create_task(crowd.visit()))
        if time.monotonic() - told > 10:
            told = time.monotonic()
            state = await asyncio.to_thread(_state, pid, admin)
            print(f"{number:9,} of {arguments.connections:,}: {state}", flush=True)
    await asyncio.wait(running)
    took = time.monotonic() - began
    print(
        f"{arguments.connections:,} rude connections in {took:.0f} s ({arguments.connections / took:.0f} a second, {cpu_s(pid) - used:.0f} s of CPU)"
    )
    print(f"during: polite: {await asyncio.to_thread(polite.told)}", flush=True)
    for what, count in sorted(crowd.outcomes.items()):
        print(f"        {what}: {count:,}")
    deadline = time.monotonic() + 60
    while True:
        after = await asyncio.to_thread(_state, pid, admin)
        kept = all(after[name] <= before[name] + 25 for name in ("descriptors", "connections", "upstream_open")) and after["tunnels"] == 0
        if kept or time.monotonic() > deadline:
            break
        await asyncio.sleep(1)
    await asyncio.to_thread(polite.told)
    await asyncio.sleep(5)
    after = await asyncio.to_thread(_state, pid, admin)
    print(f"after:  {after}\n        polite: {await asyncio.to_thread(polite.told)}")
    grown = after["MiB"] - before["MiB"]
    if not kept or grown > arguments.may_grow_mib:
        print("NOT where it began.")
        return 1
    print("All is where it began.")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=20_000, help="1,000,000 for a long run (default: %(default)s)")
    parser.add_argument("--at-once", type=int, default=400, help="(default: %(default)s)")
    parser.add_argument("--may-grow-mib", type=float, default=8.0, help="memory after less memory before (default: %(default)s)")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    backend = subprocess.Popen([sys.executable, Path(__file__).with_name("rude_backend.py")], stdout=subprocess.PIPE, text=True)
    proxy = None
    try:
        assert backend.stdout is not None
        url = f"http://127.0.0.1:{int(backend.stdout.readline())}"
        with tempfile.TemporaryDirectory() as folder, socket.socket() as stopped:
            stopped.bind(("127.0.0.1", 0))  # not listening
            state, admin = Path(folder) / "routes.json", free_port()
            routes = [{"spec": "/user/a/", "target": url}, {"spec": "/user/stopped/", "target": f"http://127.0.0.1:{stopped.getsockname()[1]}"}]
            state.write_text(json.dumps({"format": 1, "table": {"epoch": "e", "revision": 1, "routes": routes}}))
            settings = {
                "port": 0,
                "follow": False,
                "state_file": str(state),
                "log_level": "critical",
                "hubs": [url],
                "admin_port": admin,
                "limits": _LIMITS,
            }
            proxy = subprocess.Popen([sys.executable, "-c", _OURS, msgspec.json.encode(settings).decode()], stdout=subprocess.PIPE, text=True)
            assert proxy.stdout is not None
            port = int(proxy.stdout.readline().rpartition(":")[2])
            polite = Polite(port)
            try:
                return uvloop.run(_play(port, admin, proxy.pid, polite, arguments))
            finally:
                polite.end()
    finally:
        for process in filter(None, (proxy, backend)):
            process.terminate()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
