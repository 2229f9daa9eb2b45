"""A site of several hubs and proxies over one PostgreSQL, with a place where servers run, and a relay on each way."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2 as httpx

from tests.contract.store.postgres import PostgresServer
from tests.faults.relay import Relay
from tests.running.perijove import free_port

CLONE = Path(__file__).parents[2]
ADMIN = "the-administrator-s-token-of-this-site"
_HUB = """
[hub]
listen = "127.0.0.1:{port}"
state_dir = "{state}"
runtime_dir = "{runtime}"
cookie_secret = {{ value = "{secret}" }}
[proxy]
listen = "127.0.0.1:{unused}"
token = {{ value = "proxies-and-hubs-of-the-site-share-this" }}
[store]
url = {{ value = "postgresql://hub@127.0.0.1:{database}/{name}" }}
[authenticator]
use = "dummy"
[access]
allow_all = true
[spawner]
use = "tests.faults.spawner:PlaceSpawner"
place = "{place}"
[cull]
poll_every = 3
[log]
level = "info"
format = "json"
[[services]]
name = "admin"
api_token = {{ value = "{admin}" }}
admin = true
"""
_PROXY = """
[hub]
state_dir = "{state}"
cookie_secret = {{ value = "{secret}" }}
[proxy]
listen = "127.0.0.1:{port}"
hubs = [{hubs}]
token = {{ value = "proxies-and-hubs-of-the-site-share-this" }}
admin_listen = "127.0.0.1:{admin}"
state_file = "{state}/routes"
"""


@dataclass
class Program:
    """One of ours, that can be killed, paused, and started again."""

    name: str
    command: list[str]
    log: Path
    environ: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    paused: bool = False

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=CLONE, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **self.environ}
            )
        self.paused = False

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        if self.process is not None and self.running:
            self.process.send_signal(number)

    def pause(self) -> None:
        self.paused = True
        self.send(signal.SIGSTOP)

    def go_on(self) -> None:
        self.paused = False
        self.send(signal.SIGCONT)

    async def kill(self) -> None:
        self.send(signal.SIGKILL)
        await self.ended()

    async def end(self) -> None:
        self.go_on()
        self.send(signal.SIGTERM)
        await self.ended()

    async def ended(self) -> None:
        if self.process is not None:
            await asyncio.to_thread(self.process.wait, 60)


@dataclass
class Hub(Program):
    port: int = 0
    to_database: Relay | None = None
    to_hub: Relay | None = None
    """What proxies reach it by."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url_for_proxies(self) -> str:
        assert self.to_hub is not None
        return f"http://127.0.0.1:{self.to_hub.port}"


@dataclass
class Proxy(Program):
    port: int = 0
    admin_port: int = 0
    hurt_at: float = 0.0
    """When a worker of it was killed last: then people's connections break, and nobody may complain."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]


@dataclass
class Site:
    folder: Path
    postgres: PostgresServer
    database: str
    place: Program
    hubs: list[Hub]
    proxies: list[Proxy]

    @property
    def place_socket(self) -> str:
        return str(self.folder / "place.sock")

    def programs(self) -> Iterable[Program]:
        return (*self.proxies, *self.hubs, self.place)

    def ask_database(self, sql: str) -> list[tuple[Any, ...]]:
        return self.postgres.execute(sql, self.database)

    def log(self, words: str) -> list[str]:
        """The lines of all logs that have these words."""
        return [
            f"{path.name}: {line}"
            for path in sorted(self.folder.glob("*.log"))
            for line in path.read_text(errors="replace").splitlines()
            if words in line
        ]


@asynccontextmanager
async def open_site(programs: Path, *, hubs: int = 3, proxies: int = 2, clocks: Iterable[str] = ()) -> AsyncIterator[Site]:
    """A site that is up. `clocks`: by how much hubs' machines are wrong, as faketime(1) writes it ("+7m")."""
    postgres = PostgresServer(programs)
    try:
        postgres.start()
        with TemporaryDirectory(prefix="site-") as name:
            site = await _build(Path(name), postgres, hubs, proxies, list(clocks))
            try:
                for program in reversed(list(site.programs())):
                    program.start()
                await _until_up(site)
                yield site
            finally:
                for program in site.programs():
                    program.go_on()
                    program.send(signal.SIGTERM)
                for program in site.programs():
                    await program.ended()
                if kept := os.environ.get("PERIJOVE_FAULTS_LOGS"):
                    for log in site.folder.glob("*.log"):
                        shutil.copy(log, kept)
                for hub in site.hubs:
                    for relay in (hub.to_database, hub.to_hub):
                        if relay is not None:
                            await relay.close()
    finally:
        postgres.close()


async def _build(folder: Path, postgres: PostgresServer, hubs: int, proxies: int, clocks: list[str]) -> Site:
    python, secret = [sys.executable, "-m"], "a-master-secret-of-more-than-32-characters"
    database = postgres.new_database()
    place = Program("place", [*python, "tests.faults.place", str(folder / "place.sock")], folder / "place.log")
    site = Site(folder, postgres, database, place, [], [])
    for number in range(hubs):
        to_database = Relay(partial(asyncio.open_unix_connection, str(postgres.folder / ".s.PGSQL.5432")))
        await to_database.listen()
        port = free_port()
        to_hub = Relay(partial(asyncio.open_connection, "127.0.0.1", port))
        await to_hub.listen()
        state, config = folder / f"hub{number}", folder / f"hub{number}.toml"
        config.write_text(
            _HUB.format(
                port=port,
                unused=free_port(),
                state=state,
                runtime=folder / f"r{number}",
                secret=secret,
                database=to_database.port,
                name=database,
                place=folder / "place.sock",
                admin=ADMIN,
            )
        )
        wrong = {"LD_PRELOAD": FAKETIME, "FAKETIME": clocks[number], "FAKETIME_DONT_FAKE_MONOTONIC": "1"} if number < len(clocks) else {}
        hub = Hub(f"hub{number}", [*python, "perijove", "hub", "--config", str(config)], folder / f"hub{number}.log", wrong)
        hub.port, hub.to_database, hub.to_hub = port, to_database, to_hub
        site.hubs.append(hub)
    for number in range(proxies):
        port, admin = free_port(), free_port()
        state, config = folder / f"proxy{number}", folder / f"proxy{number}.toml"
        addresses = ", ".join(f'"{hub.url_for_proxies}"' for hub in site.hubs)
        config.write_text(_PROXY.format(port=port, admin=admin, hubs=addresses, state=state, secret=secret))
        proxy = Proxy(f"proxy{number}", [*python, "perijove", "proxy", "--config", str(config)], folder / f"proxy{number}.log")
        proxy.port, proxy.admin_port = port, admin
        site.proxies.append(proxy)
    return site


FAKETIME = str(next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), ""))
"""Debian's package `faketime`; "" if it is not installed."""


async def _until_up(site: Site, within_s: float = 60.0) -> None:
    async with httpx.AsyncClient(timeout=2) as client:
        for program, url in [*((hub, hub.url) for hub in site.hubs), *((proxy, proxy.url) for proxy in site.proxies)]:
            async with asyncio.timeout(within_s):
                while not await _answers(client, f"{url}/hub/health"):
                    assert program.running, program.log.read_text()
                    await asyncio.sleep(0.05)  # a condition with a deadline


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code == 200
    except httpx.HTTPError:
        return False
