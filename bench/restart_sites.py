"""Hubs behind their proxies, of which the hub alone is ended and started again, with servers that run on."""

import asyncio
import json
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from crowd import Crowd
from http_client import BenchError, Client
from hubs import BENCH, CLONE, JUPYTERHUB, clean_environ, free_port, jupyterhub_venv, listener, running, scratch, until_up
from listing_fill import fill
from postgres import postgres

_SCOPES = (*BENCH, "admin:groups")


@dataclass(slots=True)
class Site:
    """`door`: the proxy's URL; `hub`: the hub's own, which is restarted; both without a path. `replacement`: the command that has the hub
    replaced, in place of its end and a new start."""

    name: str
    door: str
    hub: str
    token: str
    command: Sequence[str | Path]
    environ: Mapping[str, str]
    folder: Path
    proxy_token: str = ""
    replacement: Sequence[str | Path] = ()
    pid: int = 0
    _process: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        self.pid = self._process.enter_context(running(self.command, self.folder / "hub.log", self.environ, cwd=self.folder))

    def end(self) -> None:
        """By SIGTERM; blocks until it has ended."""
        self._process.close()

    def replace(self) -> None:
        """Blocks until it is done. Raises BenchError."""
        done = subprocess.run(self.replacement, env=self.environ, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError(f"{self.name} was not replaced: {done.stdout}{done.stderr}")

    async def up(self) -> None:
        """Raises BenchError."""
        await until_up(f"{self.hub}/hub/health", self.pid, self.folder / "hub.log")


def _chp() -> tuple[Path, dict[str, str]]:
    """configurable-http-proxy and what of the environment it needs. Raises BenchError."""
    done = subprocess.run([sys.executable, CLONE / "scripts/environments.py", "chp"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"configurable-http-proxy cannot be installed: {done.stderr}")
    place = Path(done.stdout.strip())
    return place / "node_modules/.bin/configurable-http-proxy", {"PATH": f"{place / 'bin'}:{os.environ.get('PATH', os.defpath)}"}


@asynccontextmanager
async def jupyterhub(keep: bool, crowd: Crowd) -> AsyncIterator[Site]:
    """JupyterHub as it restarts best: its proxy goes on, and it answers before all servers are looked after. Raises BenchError."""
    (program, more), venv, secret, token = _chp(), jupyterhub_venv(), secrets.token_hex(32), secrets.token_hex(16)
    door, api, hub = (f"http://127.0.0.1:{free_port()}" for _ in range(3))
    with scratch(keep) as folder, listener() as address:
        owners = {"bench": {"token": token, "scopes": list(_SCOPES)}}
        environ = clean_environ(
            BENCH_URL=hub,
            BENCH_OWNERS=json.dumps(owners),
            BENCH_LISTENER=address,
            BENCH_FOLDER=str(folder),
            BENCH_PROXY=api,
            BENCH_DOOR=door,
            BENCH_INIT_SPAWNERS_S="10",  # JupyterHub's default
            CONFIGPROXY_AUTH_TOKEN=secret,
        )
        filler = [Path(__file__).with_name("crowd_jupyterhub.py"), f"sqlite:///{folder}/jupyterhub.sqlite", address, crowd.people, crowd.servers]
        command: list[str | Path] = [venv / "bin/python", *map(str, filler)]
        await asyncio.to_thread(lambda: subprocess.run(command, env=environ, cwd=folder, check=True))
        ports = ["--ip=127.0.0.1", f"--port={door.rpartition(':')[2]}", "--api-ip=127.0.0.1", f"--api-port={api.rpartition(':')[2]}"]
        chp: list[str | Path] = [program, *ports, f"--default-target={hub}", "--log-level=error"]
        config = Path(__file__).with_name("jupyterhub_config.py")
        with running(chp, folder / "proxy.log", clean_environ(CONFIGPROXY_AUTH_TOKEN=secret, **more)):
            site = Site(f"jupyterhub {JUPYTERHUB}", door, hub, token, [venv / "bin/jupyterhub", "--config", config], environ, folder)
            async with _started(site):
                yield site


_LIMITS = "concurrent_starts = 0"
_OURS = """\
[proxy]
listen = "{door}"
hubs = {hubs}
token = {{ file = "{folder}/proxy.token" }}
[hub]
listen = "{hub}"
state_dir = "{folder}/state"
[store]
url = "{store}"
[spawner]
use = "perijove.testing.null_spawner:NullSpawner"
address = "{address}"
{spawner}
[authenticator]
use = "dummy"
[access]
allow_all = true
admin_users = ["bench-admin"]
[limits]
{limits}
[log]
level = "warning"
[[services]]
name = "bench"
api_token = "{token}"
[[roles]]
name = "bench"
services = ["bench"]
scopes = {scopes}
"""


@asynccontextmanager
async def perijove(keep: bool, crowd: Crowd, *, spawner: str = "", limits: str = _LIMITS) -> AsyncIterator[Site]:
    """`perijove proxy`, and `perijove hub` with an SQLite file. `spawner`, `limits`: lines of these sections. Raises BenchError."""
    with scratch(keep) as folder:
        async with _perijove("perijove", folder, crowd, "", 1, spawner, limits) as site:
            yield site


@asynccontextmanager
async def replaced(keep: bool, crowd: Crowd) -> AsyncIterator[Site]:
    """`perijove up` with an SQLite file, which replaces itself. Raises BenchError."""
    with scratch(keep) as folder:
        async with _perijove("perijove up --replace", folder, crowd, "", 1, up=True) as site:
            yield site


@asynccontextmanager
async def replicas(keep: bool, crowd: Crowd) -> AsyncIterator[Site]:
    """`perijove proxy` and two hubs on PostgreSQL, of which that one is restarted which the proxy asks. Raises BenchError."""
    with scratch(keep) as folder:
        async with postgres(folder / "postgres") as database, _perijove("perijove, two hubs", folder, crowd, database.url, 2) as site:
            yield site


@asynccontextmanager
async def _perijove(
    name: str, folder: Path, crowd: Crowd, store: str, count: int, spawner: str = "", limits: str = _LIMITS, *, up: bool = False
) -> AsyncIterator[Site]:
    token, proxy_token, door = secrets.token_hex(16), secrets.token_hex(16), f"127.0.0.1:{free_port()}"
    hubs = [f"127.0.0.1:{free_port()}" for _ in range(count)]
    secret = folder / "proxy.token"
    secret.write_text(proxy_token, encoding="ascii")
    secret.chmod(0o600)
    with listener() as address, ExitStack() as others:
        for number, hub in enumerate(hubs):
            text = _OURS.format(
                door=door,
                hubs=json.dumps([f"http://{hub}" for hub in hubs]),
                hub=hub,
                folder=folder,
                store=store,
                address=address,
                token=token,
                spawner=spawner,
                limits=limits,
                scopes=json.dumps(list(_SCOPES)),
            )
            config = folder / f"perijove-{number}.toml"
            config.write_text(text, encoding="utf-8")
            config.chmod(0o600)
        ours, config = [sys.executable, "-m", "perijove"], folder / "perijove-0.toml"
        site = Site(
            name,
            f"http://{door}",
            f"http://{hubs[0]}",
            token,
            [*ours, "up" if up else "hub", "--config", config],
            clean_environ(),
            folder,
            proxy_token,
            [*ours, "up", "--replace", "--config", config] if up else (),
        )
        async with _started(site):
            for number in range(1, count):
                log = folder / f"hub-{number}.log"
                pid = others.enter_context(running([*ours, "hub", "--config", folder / f"perijove-{number}.toml"], log, clean_environ(), cwd=folder))
                await until_up(f"http://{hubs[number]}/hub/health", pid, log)
            if not up:
                others.enter_context(running([*ours, "proxy", "--config", config], folder / "proxy.log", clean_environ(), cwd=folder))
            async with Client(f"{site.hub}/hub/api", token, 32) as client:
                await fill(client, crowd)
            yield site


@asynccontextmanager
async def _started(site: Site) -> AsyncIterator[Site]:
    site.start()
    try:
        await site.up()
        yield site
    finally:
        await asyncio.to_thread(site.end)
