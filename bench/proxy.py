"""Measures proxies beside each other: `.venv/bin/python bench/proxy.py --help`.

configurable-http-proxy, nginx, Caddy, Traefik and ours, one worker each, with the same 10,000 routes before the same backends, take turns in each
measure. `direct` is no proxy at all: what the load program and the backends can do. docs/explanation/performance.md says what the figures mean.
"""

import argparse
import asyncio
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from shutil import which
from statistics import median

import uvloop
from http_client import BenchError
from hubs import clean_environ, free_port, running, scratch
from process_tree import cpu_s, memory_bytes
from proxy_peers import PEERS, Backends, Peer
from websockets_load import open_many, talk, talk_calmly

ROUTES = 10_000
_BIG = 50 * 1024 * 1024
_POST = 1024 * 1024
_BACKEND = """worker_processes 1; daemon off; pid {folder}/backend.pid; error_log {folder}/backend.errors error;
events {{ worker_connections 8192; }}
http {{ access_log off; keepalive_requests 100000000; default_type text/plain; sendfile on; client_body_temp_path {folder}/b1; proxy_temp_path {folder}/b2;
 fastcgi_temp_path {folder}/b3; uwsgi_temp_path {folder}/b4; scgi_temp_path {folder}/b5;
 server {{ listen 127.0.0.1:{port} backlog=2048; location / {{ return 200 "hello world, hello world, hello\\n"; }} location /user/u1/big {{ alias {folder}/big; }} }} }}
"""
_ANY_ROUTE = f'request = function() return wrk.format("GET", "/user/u" .. math.random(0, {ROUTES - 1}) .. "/api/status") end\n'
_UPLOAD = f'wrk.method = "POST"\nwrk.body = string.rep("x", {_POST})\n'

Figures = dict[str, float]
Found = dict[str, dict[str, list[Figures]]]
"""Of each peer, of each measure, one for each round."""
Measure = Callable[[Peer, argparse.Namespace, Path], Figures]


def _wrk(peer: Peer, path: str, arguments: argparse.Namespace, connections: int, *, script: str = "", folder: Path, fields: str = "") -> Figures:
    port = peer.busy_port if "/busy/" in path else peer.port
    command = ["wrk", "-t1", f"-c{connections}", f"-d{arguments.seconds:g}s", "--latency", "--timeout", "30s"]
    if script:
        (folder / "load.lua").write_text(script)
        command += ["-s", str(folder / "load.lua")]
    if fields:
        command += ["-H", fields]
    before = cpu_s(peer.pid)
    text = subprocess.run([*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True).stdout
    used = cpu_s(peer.pid) - before
    found = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    slowest = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(r"Socket errors: connect (\d+), read \d+, write (\d+), timeout (\d+)", text)
    if found is None or rate is None or slowest is None or int(found[1]) == 0:
        raise BenchError(f"{peer.name}: wrk says {text}")
    if wrong is not None:
        raise BenchError(f"{peer.name}: {wrong[1]} of {found[1]} answers were wrong")
    if broken is not None and any(map(int, broken.groups())):
        print(f"{peer.name}: {broken[0]}", file=sys.stderr)
    return {
        "per_s": float(rate[1]),
        "p99_ms": float(slowest[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[slowest[2]],
        "cpu_us": used / int(found[1]) * 1e6,
    }


def small(peer: Peer, arguments: argparse.Namespace, folder: Path) -> Figures:
    """Small requests on kept connections, as one person's browser asks its server."""
    return _wrk(peer, "/user/u5000/api/status", arguments, 32, folder=folder)


def spread(peer: Peer, arguments: argparse.Namespace, folder: Path) -> Figures:
    """The same, but each time for another of the 10,000 routes."""
    return _wrk(peer, "/", arguments, 32, script=_ANY_ROUTE, folder=folder)


def new(peer: Peer, arguments: argparse.Namespace, folder: Path) -> Figures:
    """A new connection for each request."""
    return _wrk(peer, "/user/u5000/api/status", arguments, 32, folder=folder, fields="Connection: close")


def upload(peer: Peer, arguments: argparse.Namespace, folder: Path) -> Figures:
    """POST of 1 MiB."""
    return _wrk(peer, "/user/busy/upload", arguments, 8, script=_UPLOAD, folder=folder)


def download(peer: Peer, arguments: argparse.Namespace, folder: Path) -> Figures:
    """GET of 50 MiB."""
    return _wrk(peer, "/user/u1/big", arguments, 4, folder=folder)


def echo(peer: Peer, arguments: argparse.Namespace, _folder: Path) -> Figures:
    """WebSocket echoes, 1,000 connections with one message under way each."""
    echoes = uvloop.run(talk(peer.busy_port, 1000, arguments.seconds, partial(cpu_s, peer.pid)))
    return {"per_s": echoes.per_s, "p99_ms": echoes.p99_s * 1000, "cpu_us": echoes.cpu_s * 1e6}


def calm(peer: Peer, arguments: argparse.Namespace, _folder: Path) -> Figures:
    """How long an echo takes when 1,000 WebSockets send 4,000 messages a second together."""
    echoes = uvloop.run(talk_calmly(peer.busy_port, 1000, 4000.0, arguments.seconds, partial(cpu_s, peer.pid)))
    return {"p50_ms": echoes.p50_s * 1000, "p99_ms": echoes.p99_s * 1000, "cpu_us": echoes.cpu_s * 1e6}


def idle(peer: Peer, _arguments: argparse.Namespace, _folder: Path) -> Figures:
    """Memory of an idle WebSocket, with 5,000 of them."""

    async def weigh() -> float:
        for talker in await open_many(peer.port, 200):  # whatever the first ones cost once
            talker.close()
        await asyncio.sleep(1.0)
        before = memory_bytes(peer.pid)
        talkers = await open_many(peer.port, 5000)
        await asyncio.sleep(1.0)
        after = memory_bytes(peer.pid)
        if lost := sum(talker.closed for talker in talkers):
            raise BenchError(f"{peer.name} closed {lost} idle WebSockets")
        for talker in talkers:
            talker.close()
        await asyncio.sleep(1.0)
        return (after - before) / 5000 / 1024

    return {"kib": uvloop.run(weigh())} if peer.pid else {}


def load(peer: Peer, _arguments: argparse.Namespace, _folder: Path) -> Figures:
    """10,000 routes at once, as far as the proxy has a way: until its last route answers."""
    return {"seconds": peer.loaded_s, "cpu_us": peer.loaded_cpu_s * 1e6} if peer.pid else {}


def one_by_one(peer: Peer, _arguments: argparse.Namespace, _folder: Path) -> Figures:
    """More routes beside the 10,000, one after the other, each live before the next."""
    if peer.add is None:
        return {}
    before = cpu_s(peer.pid)
    took_s = peer.add(peer.adds)
    return {"per_s": peer.adds / took_s, "cpu_us": (cpu_s(peer.pid) - before) / peer.adds * 1e6}


MEASURES: dict[str, tuple[Measure, str, bool]] = {
    "small": (small, "per_s", True), "spread": (spread, "per_s", True), "new": (new, "per_s", True), "upload": (upload, "per_s", True),
    "download": (download, "per_s", True), "echo": (echo, "per_s", True), "echo-p99": (calm, "p99_ms", False), "idle": (idle, "kib", False),
    "load": (load, "seconds", False), "add": (one_by_one, "per_s", True),
}  # fmt: skip
"""Name -> how it is measured, which figure counts, whether more is better."""
TARGETS = {
    ("small", "chp"): 10.0, ("small", "nginx"): 0.8, ("spread", "chp"): 10.0, ("spread", "nginx"): 0.8, ("download", "nginx"): 1.0,
    ("echo-p99", "chp"): 2.0, ("idle", "chp"): 3.0, ("load", "chp"): 50.0,
    **{(measure, peer): 1.0 for measure in MEASURES for peer in ("caddy", "traefik")},
}  # fmt: skip
"""How many times better than the peer ours is meant to be."""


@contextmanager
def _backends(folder: Path) -> Iterator[Backends]:
    nginx = which("nginx")
    if nginx is None or which("wrk") is None:
        raise BenchError("nginx and wrk are needed: ask the administrator of this machine for `apt-get install nginx-light wrk`")
    port = free_port()
    config = folder / "backend.conf"
    config.write_text(_BACKEND.format(folder=folder, port=port))
    with (folder / "big").open("wb") as file:
        file.write(os.urandom(1024 * 1024) * (_BIG // 1024 // 1024))
    folder.chmod(0o755)
    with running([nginx, "-c", config], folder / "backend.log", clean_environ()):
        busy = subprocess.Popen([sys.executable, Path(__file__).with_name("busy_backend.py")], stdout=subprocess.PIPE, text=True)
        try:
            assert busy.stdout is not None
            yield Backends(f"127.0.0.1:{port}", f"127.0.0.1:{int(busy.stdout.readline())}")
        finally:
            busy.kill()
            busy.wait()


_FAILURES = (BenchError, OSError, subprocess.CalledProcessError, TimeoutError)


def _round(names: list[str], wanted: list[str], arguments: argparse.Namespace, folder: Path, backends: Backends, found: Found) -> dict[str, str]:
    """All measures once. What went wrong, by name of peer; nothing is asked of that one after."""
    wrong: dict[str, str] = {}
    with ExitStack() as stack:
        peers: dict[str, Peer] = {}
        for name in names:
            own = folder / name
            own.mkdir()
            try:
                peers[name] = stack.enter_context(PEERS[name](own, backends, ROUTES))
            except _FAILURES as error:
                wrong[name] = str(error) or type(error).__name__
        for measure in wanted:
            for name, peer in peers.items():
                if name in wrong:
                    continue
                print(f"{measure}: {name} …", file=sys.stderr, flush=True)
                try:
                    found[name][measure].append(MEASURES[measure][0](peer, arguments, folder / name))
                except _FAILURES as error:
                    wrong[name] = f"{measure}: {str(error) or type(error).__name__}"
    return wrong


def _measure(names: list[str], wanted: list[str], arguments: argparse.Namespace) -> tuple[Found, dict[str, str]]:
    found: Found = {name: {measure: [] for measure in wanted} for name in names}
    wrong: dict[str, str] = {}
    with scratch(False) as folder, _backends(folder) as backends:
        for round_ in range(arguments.rounds):
            own = folder / str(round_)
            own.mkdir()
            wrong |= _round([name for name in names if name not in wrong], wanted, arguments, own, backends, found)
    return found, wrong


def _print(found: Found, wrong: dict[str, str], wanted: list[str]) -> None:
    for measure in wanted:
        how, figure, more = MEASURES[measure]
        print(f"\n{measure}: {(how.__doc__ or '').strip()}")
        rows = {name: [figures[figure] for figures in by[measure] if figure in figures] for name, by in found.items()}
        cpu = {name: [figures["cpu_us"] for figures in by[measure] if "cpu_us" in figures] for name, by in found.items()}
        slowest = {name: [figures["p99_ms"] for figures in by[measure] if "p99_ms" in figures] for name, by in found.items()}
        ours = rows.get("perijove") or rows.get("perijove-chp")
        for name, values in rows.items():
            if not values:
                continue
            said = f"  {name:14} {median(values):12,.2f} {figure}"
            if slowest[name] and figure != "p99_ms":
                said += f"  p99 {median(slowest[name]):8.2f} ms"
            if cpu[name] and median(cpu[name]):
                said += f"  {median(cpu[name]):9.1f} CPU µs each"
            if ours and name != "perijove":
                times = median(ours) / median(values) if more else median(values) / max(median(ours), 1e-9)
                said += f"  ours is {times:7.2f} times as good"
                per_cpu_s = None
                if cpu[name] and median(cpu[name]) and cpu.get("perijove") and median(cpu["perijove"]):
                    per_cpu_s = median(cpu[name]) / median(cpu["perijove"])
                    said += f", {per_cpu_s:.2f} per CPU second"
                if (target := TARGETS.get((measure, name))) is not None:
                    verdicts = [f"{'met' if times >= target else 'MISSED'} by the clock"]
                    if per_cpu_s is not None and figure == "per_s":
                        verdicts.append(f"{'met' if per_cpu_s >= target else 'MISSED'} per CPU second")
                    said += f"  (target {target:g}: {', '.join(verdicts)})"
            print(said)
    for name, why in wrong.items():
        print(f"\n{name} was left out from where it failed: {why}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=",".join(PEERS), help="(default: %(default)s)")
    parser.add_argument("--only", default=",".join(MEASURES), help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="in turns; medians are printed (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write all figures to this file")
    arguments = parser.parse_args()
    names, wanted = arguments.peers.split(","), sorted(arguments.only.split(","), key="idle".__ne__)  # weighed before anything has been eaten
    for word in [word for word in names if word not in PEERS] + [word for word in wanted if word not in MEASURES]:
        parser.error(f"{word!r} is not known")
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    try:
        found, wrong = _measure(names, wanted, arguments)
    except BenchError as error:
        raise SystemExit(str(error)) from None
    _print(found, wrong, wanted)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
