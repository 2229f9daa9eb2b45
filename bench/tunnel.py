"""What a tunnel costs: `.venv/bin/python bench/tunnel.py --help`.

One server, in a job of its own, is asked by two routes of one proxy: straight at its unix socket, and through gateway and agent, which dialled in by
way of the same proxy. Both take turns. All are processes of this machine, so what a network takes comes on top, once for each.
"""

import argparse
import asyncio
import base64
import hashlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import quote, unquote, urlsplit

import uvloop
from hubs import free_port
from process_tree import cpu_s

from perijove.processes.agent_file import packed
from perijove.wire.agents import agent_token

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(rb"(?i)\r\nsec-websocket-key:\s*(\S+)")
_BIG = 64 * 1024 * 1024
_CHUNK = b"x" * 65536
_TOKEN = "0123456789abcdef" * 4
_FRAME = bytes([0x82, 0x80 | 64, 0, 0, 0, 0]) + b"x" * 64
_HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class Backend(asyncio.Protocol):
    """In the job: 5 bytes for anybody, many for who asks for /big, and what came back after an upgrade."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._buffer = b""
        self._echo = False
        self._left = 0

    def data_received(self, data: bytes) -> None:
        if self._echo:
            self._transport.write(data)
            return
        self._buffer += data
        if b"\r\n\r\n" not in self._buffer:
            return
        head, self._buffer = self._buffer, b""
        if key := _KEY.search(head):
            accept = base64.b64encode(hashlib.sha1(key[1] + _MAGIC, usedforsecurity=False).digest())
            head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n" % accept
            self._echo = True
            self._transport.write(head)
        elif b"/big " in head.split(b"\r\n", 1)[0]:
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % _BIG)
            self._left = _BIG
            self.resume_writing()
        else:
            self._transport.write(_HELLO)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        while self._left > 0 and not self._full:
            self._left -= len(_CHUNK)
            self._transport.write(_CHUNK)


async def _serve(path: str, told: Path) -> None:
    server = await asyncio.get_running_loop().create_unix_server(Backend, path, backlog=1024)
    told.write_text(path)  # noqa: ASYNC240 - before anybody asks
    await server.serve_forever()


class Asker(asyncio.Protocol):
    """One connection with one thing under way."""

    def __init__(self, ask: bytes, size: int, latencies: list[float], upgrade: bytes = b"") -> None:
        self._ask = ask
        self._size = size
        self._latencies = latencies
        self._upgrade = upgrade
        self._left = 0
        self._sent = 0.0
        self.done = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        if self._upgrade:
            self._transport.write(self._upgrade)
        else:
            self._go()

    def _go(self) -> None:
        self._left = self._size
        self._sent = time.perf_counter()
        self._transport.write(self._ask)

    def data_received(self, data: bytes) -> None:
        if self._upgrade:
            if not data.startswith(b"HTTP/1.1 101"):
                raise SystemExit(f"no upgrade: {data[:200]!r}")
            self._upgrade = b""
            self._go()
            return
        self._left -= len(data)
        if self._left <= 0:
            if self._left < 0:
                raise SystemExit(f"more than was asked for: {data[:200]!r}")
            self._latencies.append(time.perf_counter() - self._sent)
            if not self.done:
                self._go()

    def end(self) -> None:
        self.done = True
        self._transport.abort()


async def _measure(port: int, user: str, what: str, connections: int, seconds: float) -> tuple[float, float, float]:
    """(per second, p50 and p99 in ms); of "big", megabytes per second."""
    latencies: list[float] = []
    line = f"GET /user/{user}/{'big' if what == 'big' else 'api/status'} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    upgrade = b""
    size = len(_HELLO)
    if what == "echo":
        upgrade = (
            f"GET /user/{user}/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ).encode()
        line, size = _FRAME, len(_FRAME)
    elif what == "big":
        size = _BIG + len(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % _BIG)
    loop = asyncio.get_running_loop()
    askers = [(await loop.create_connection(lambda: Asker(line, size, latencies, upgrade), "127.0.0.1", port))[1] for _ in range(connections)]
    await asyncio.sleep(seconds / 4)
    latencies.clear()
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    found, took = sorted(latencies), time.perf_counter() - began
    for asker in askers:
        asker.end()
    if not found:
        raise SystemExit(f"nothing came back of {what} by {user}")
    rate = len(found) / took * (_BIG / 1e6 if what == "big" else 1)
    return rate, found[len(found) // 2] * 1e3, found[len(found) * 99 // 100] * 1e3


@contextmanager
def _site(folder: Path) -> Iterator[tuple[int, dict[str, int]]]:
    """The proxy's port, and process ids by name."""
    proxy, gateway, nobody = free_port(), free_port(), free_port()
    socket_file = folder / "socket"
    (folder / "perijove-agent").write_bytes(packed())
    (folder / "gateway.toml").write_text(f'[proxy]\ntoken = {{ value = "{_TOKEN}" }}\n[gateway]\nlisten = "127.0.0.1:{gateway}"\n')
    (folder / "proxy.toml").write_text(
        f'[proxy]\ntoken = {{ value = "{_TOKEN}" }}\nlisten = "127.0.0.1:{proxy}"\nhubs = ["http://127.0.0.1:{nobody}"]\n'
        f'gateways = ["http://127.0.0.1:{gateway}"]\nstate_file = "routes.json"\n'
    )
    told = {"start_id": "bench", "dial": [f"ws://127.0.0.1:{proxy}/tunnel/"], "command": [sys.executable, str(Path(__file__).resolve()), "--backend"]}
    environ = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "SOCKET_FILE": str(socket_file), "PERIJOVE_AGENT": json.dumps(told),
        "PERIJOVE_AGENT_TOKEN": agent_token(_TOKEN, "bench"), "PYTHONPATH": str(Path(__file__).parent),
    }  # fmt: skip
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        started["agent"] = subprocess.Popen([sys.executable, str(folder / "perijove-agent"), "serve"], env=environ, stderr=subprocess.DEVNULL)
        _wait(socket_file.exists, "the server")
        routes = {"direct": f"http+unix://{quote(socket_file.read_text(), safe='')}", "tunnel": "tunnel://bench"}
        listed = [{"spec": f"/user/{user}/", "target": target, "data": {}} for user, target in routes.items()]
        (folder / "routes.json").write_text(json.dumps({"format": 1, "table": {"epoch": "e", "revision": 1, "routes": listed}}))
        for name in ("gateway", "proxy"):
            words = [sys.executable, "-m", "perijove", name, "--config", str(folder / f"{name}.toml")]
            started[name] = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        _wait(lambda: _answers(proxy), "the tunnel")
        yield proxy, {name: process.pid for name, process in started.items()}
    finally:
        for process in started.values():
            process.send_signal(signal.SIGTERM)
        for process in started.values():
            process.wait(30)


def _answers(port: int) -> bool:
    with suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=8)
        connection.request("GET", "/user/tunnel/api/status")
        return connection.getresponse().status == 200
    return False


def _wait(look: object, what: str) -> None:
    for _ in range(600):
        if look():  # type: ignore[operator]
            return
        time.sleep(0.05)
    raise SystemExit(f"{what} did not come up")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measure")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--backend", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.backend:
        uvloop.run(_serve(unquote(urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"]).netloc), Path(os.environ["SOCKET_FILE"])))
        return
    measures = (("requests, one connection", "get", 1), (f"requests, {arguments.connections} connections", "get", arguments.connections),
                ("echoes, one WebSocket", "echo", 1), (f"echoes, {arguments.connections} WebSockets", "echo", arguments.connections),
                ("a download, MB/s", "big", 1))  # fmt: skip
    found: dict[tuple[str, str], list[tuple[float, float, float, dict[str, float]]]] = {}
    with TemporaryDirectory(prefix="pj-bench-") as name, _site(Path(name)) as (port, pids):
        for _ in range(arguments.rounds):
            for title, what, connections in measures:
                for user in ("direct", "tunnel"):
                    before = {part: cpu_s(pid) for part, pid in pids.items()}
                    rate, p50, p99 = uvloop.run(_measure(port, user, what, connections, arguments.seconds))
                    used = {part: (cpu_s(pid) - before[part]) / (arguments.seconds * 1.25) for part, pid in pids.items()}
                    found.setdefault((title, user), []).append((rate, p50, p99, used))
    print(f"{'':28} {'':8} {'per s':>9} {'p50 ms':>8} {'p99 ms':>8}   CPUs in use: agent with server, gateway, proxy")
    for (title, user), rounds in found.items():
        rate, p50, p99 = median(one[0] for one in rounds), median(one[1] for one in rounds), median(one[2] for one in rounds)
        shares = [median(one[3][part] for one in rounds) for part in ("agent", "gateway", "proxy")]
        print(f"{title:28} {user:8} {rate:9.0f} {p50:8.2f} {p99:8.2f}   {'  '.join(f'{share:.2f}' for share in shares)}")


if __name__ == "__main__":
    main()
