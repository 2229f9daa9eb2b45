"""A site without any hub: a proxy that knows one route, gateways, and a job whose agent starts a real Jupyter server. All are processes."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

import httpx2 as httpx

from perijove.processes.agent_file import packed
from perijove.wire.agents import agent_token
from tests.running.perijove import free_port

TOKEN = token_hex(32)
"""Of proxies and gateways."""
SERVER = """
import os, sys
from urllib.parse import unquote, urlsplit
parts = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
options = {"sock": unquote(parts.netloc), "base_url": parts.path, "root_dir": os.environ["ROOT"], "open_browser": "False", "allow_root": "True"}
words = [f"--ServerApp.{name}={value}" for name, value in options.items()]
os.execv(sys.executable, [sys.executable, "-m", "jupyter_server", *words, "--IdentityProvider.token=" + os.environ["SERVER_TOKEN"]])
"""
"""Jupyter where the agent wants it, without a hub to ask."""


class Relay:
    """A network between agent and proxy that can be cut. Connections that are open then are neither closed nor carried any more."""

    def __init__(self, to: int) -> None:
        self.to = to
        self.port = 0
        self.cut = False
        self._mended = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._swallowed: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def break_off(self) -> None:
        """Now: nothing comes through, and those at the ends are not told."""
        self.cut = True
        self._mended.clear()

    def swallow(self) -> None:
        """What is open now is dead, and nobody is told; new connections are possible at once."""
        self._swallowed |= self._writers

    def mend(self) -> None:
        """The old connections are lost, new ones are possible."""
        self.cut = False
        for writer in self._writers:
            writer.transport.abort()
        self._mended.set()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self.cut:
                await self._mended.wait()
                return
            there, back = await asyncio.open_connection("127.0.0.1", self.to)
            self._writers.add(back)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pass(reader, back))
                    both.create_task(self._pass(there, writer))
            except* OSError:
                pass
            finally:
                back.transport.abort()
                self._writers.discard(back)
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(64 * 1024):
            if self.cut:
                await self._mended.wait()
                return
            if writer not in self._swallowed:
                writer.write(data)
                await writer.drain()
        raise ConnectionResetError


@dataclass
class Site:
    """`gateways`: their processes, in the order in which the proxy names them."""

    folder: Path
    proxy_port: int
    gateway_ports: list[int]
    start_id: str = "s1"
    server_token: str = field(default_factory=lambda: token_hex(16))
    gateways: list[asyncio.subprocess.Process] = field(default_factory=list)
    others: list[asyncio.subprocess.Process] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.proxy_port}"

    @property
    def api(self) -> str:
        return f"{self.url}/user/ada/api"

    @property
    def fields(self) -> dict[str, str]:
        return {"Authorization": f"token {self.server_token}"}

    async def start_gateway(self, number: int) -> None:
        process = await self.run("gateway", f'[gateway]\nlisten = "127.0.0.1:{self.gateway_ports[number]}"\n', f"gateway{number}")
        self.gateways[number:] = [process, *self.gateways[number + 1 :]]
        await until_open(self.gateway_ports[number])

    async def run(self, command: str, settings: str, name: str) -> asyncio.subprocess.Process:
        config = self.folder / f"{name}.toml"
        config.write_text(f'[proxy]\ntoken = {{ value = "{TOKEN}" }}\n{settings}')
        with (self.folder / f"{name}.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", "perijove", command, "--config", str(config), stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL
            )

    async def start_agent(self, port: int, *, token: str = "", environ: Mapping[str, str] | None = None) -> asyncio.subprocess.Process:
        program = self.folder / "perijove-agent"
        if not program.exists():
            program.write_bytes(packed())
        told = {
            "start_id": self.start_id,
            "dial": [f"ws://127.0.0.1:{port}/tunnel/"],
            "command": [sys.executable, "-c", SERVER],
            "folder": str(self.folder),
            "grace_s": 5,
        }
        with (self.folder / "agent.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                str(program),
                "serve",
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(self.folder),
                    "ROOT": str(self.folder),
                    "TMPDIR": "/tmp",
                    "JUPYTERHUB_SERVICE_PREFIX": "/user/ada/",
                    "SERVER_TOKEN": self.server_token,
                    "PERIJOVE_AGENT": json.dumps(told),
                    "PERIJOVE_AGENT_TOKEN": token or agent_token(TOKEN, self.start_id),
                    **(environ or {}),
                },
                stdout=log,
                stderr=log,
            )

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")


async def until_open(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)


async def until_answers(site: Site, client: httpx.AsyncClient, within_s: float = 40.0) -> None:
    async with asyncio.timeout(within_s):
        while True:
            with suppress(httpx.HTTPError):
                if (await client.get(f"{site.api}/status", headers=site.fields)).status_code == 200:
                    return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def running(folder: Path, gateways: int) -> AsyncIterator[Site]:
    """Proxy and gateways; agents are the caller's to start."""
    site = Site(folder, free_port(), [free_port() for _ in range(gateways)])
    listed = json.dumps([f"http://127.0.0.1:{port}" for port in site.gateway_ports])
    table = {"epoch": "e", "revision": 1, "routes": [{"spec": "/user/ada/", "target": f"tunnel://{site.start_id}", "data": {}}]}
    (folder / "routes.json").write_text(json.dumps({"format": 1, "table": table}))
    nobody = free_port()
    try:
        for number in range(gateways):
            await site.start_gateway(number)
        settings = f'listen = "127.0.0.1:{site.proxy_port}"\nhubs = ["http://127.0.0.1:{nobody}"]\ngateways = {listed}\nstate_file = "routes.json"\n'
        site.others.append(await site.run("proxy", settings, "proxy"))
        await until_open(site.proxy_port)
        yield site
    finally:
        for process in (*site.gateways, *site.others):
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in (*site.gateways, *site.others):
            await process.wait()


async def ended(process: asyncio.subprocess.Process) -> int:
    """Ask it to end, as Slurm does; its exit status."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(20):
        return await process.wait()
