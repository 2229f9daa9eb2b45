"""The guide for two machines, on loopback: the example files with other addresses, real processes, PostgreSQL, a floating address before it all."""

import asyncio
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2 as httpx
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from tests.contract.store.postgres import PostgresServer
from tests.faults.relay import Relay
from tests.integration.deployment.examples import CONFIGURATIONS, DEPLOY, unit, with_words
from tests.integration.proxy.certificates import careless, write_certificate
from tests.running.browser import Person
from tests.running.perijove import LINK, free_port, until

SECRETS = {"master": "0123456789abcdef" * 4, "proxy-token": "between proxies and hubs of the site", "token": "between proxies and hubs of the site"}


@dataclass
class Machine:
    """Both services of one machine."""

    folder: Path
    public_port: int
    hub_port: int
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """As systemd does: what the units say, but for the account, and where the program is."""
        for service in ("hub", "proxy"):
            (line,) = unit(DEPLOY / "systemd" / f"perijove-{service}.service")["ExecStart"]
            words = shlex.split(line.replace("/etc/perijove", str(self.folder)))
            with (self.folder / f"{service}.log").open("ab") as log:
                self.running.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "perijove", *words[1:]], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                    )
                )

    def lose_power(self) -> None:
        """Everything at once, without a last word."""
        for process in self.running:
            process.kill()  # first of all those that start others again
            process.wait(30)
        until(lambda: not _killed(str(self.folder)), what="the end of all processes")
        self.running.clear()

    def ready(self) -> bool:
        """Both its hub and its proxy, by themselves."""
        assert all(process.poll() is None for process in self.running), self.troubles()
        try:
            hub = httpx.get(f"http://127.0.0.1:{self.hub_port}/hub/perijove/ready", timeout=2)
            proxy = httpx.get(f"https://127.0.0.1:{self.public_port}/hub/health", timeout=2, verify=careless())
        except httpx.HTTPError:
            return False
        return hub.status_code == proxy.status_code == HTTPStatus.OK

    def troubles(self) -> str:
        lines = [line for path in sorted(self.folder.glob("*.log")) for line in path.read_text().splitlines()]
        return "\n".join(line for line in lines if '"level": "info"' not in line)

    def command(self, *words: str) -> str:
        """What an administrator types at this machine."""
        done = subprocess.run(
            [sys.executable, "-m", "perijove", *words, "--config", self.folder / "hub.toml"], capture_output=True, text=True, check=False
        )
        assert done.returncode in {0, 2}, done.stderr
        return done.stdout


def _killed(word: str) -> int:
    """How many processes there were with this in their command."""
    killed = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if word.encode() in (entry / "cmdline").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)
                    killed += 1
    return killed


@dataclass
class Site:
    """`at`: the machine that has the floating address."""

    machines: list[Machine]
    public: Relay
    at: int = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.public.port}"

    @asynccontextmanager
    async def person(self) -> AsyncIterator[Person]:
        person = Person(self.url)
        person.http.close()
        person.http = httpx.Client(base_url=self.url, follow_redirects=True, timeout=30, headers={"accept": "text/html"}, verify=careless())
        try:
            yield person
        finally:
            person.close()


@contextmanager
def database(programs: Path) -> Iterator[str]:
    server = PostgresServer(programs)
    try:
        server.start()
        yield server.url(server.new_database())
    finally:
        server.close()


@asynccontextmanager
async def peoples_servers() -> AsyncIterator[str]:
    """What `address` of the example's spawner leads to: one program that stands for all servers, and echoes."""

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    def plain(connection: ServerConnection, request: Request) -> Response | None:
        if "upgrade" in request.headers:
            return None
        response = connection.respond(HTTPStatus.OK, "a notebook")
        response.headers["X-JupyterHub-Version"] = "6.1.1"
        return response

    async with serve(echo, "127.0.0.1", 0, process_request=plain, ping_interval=None) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def two_machines(folder: Path, database_url: str, servers: str) -> AsyncIterator[Site]:
    machines = [Machine(folder / name, free_port(), free_port()) for name in ("one", "two")]
    made = Site(machines, Relay(lambda: asyncio.open_connection("127.0.0.1", machines[made.at].public_port)))
    await made.public.listen()
    for number, machine in enumerate(machines):
        _install(machine, number, made, database_url, servers)
    try:
        for machine in machines:
            machine.start()
        for machine in machines:
            await told(machine.ready, "hub and proxy")
        yield made
    finally:
        for machine in machines:
            machine.lose_power()  # the drain of a proper end is for load balancers
        await made.public.close()


def _install(machine: Machine, number: int, site: Site, database_url: str, servers: str) -> None:
    """As the guide says, with this machine's own addresses."""
    for folder in ("hub.d", "proxy.d"):
        (machine.folder / folder).mkdir(parents=True)
        for name, secret in (SECRETS | {"database-url": database_url}).items():
            (machine.folder / folder / name).write_text(secret + "\n")
    certificate, key = write_certificate(machine.folder, "jupyter.example.org")
    Path(certificate).rename(machine.folder / "proxy.d" / "cert.pem")
    Path(key).rename(machine.folder / "proxy.d" / "key.pem")
    one, two = (f"127.0.0.1:{each.hub_port}" for each in site.machines)
    places = {
        "/etc/perijove": str(machine.folder),
        "/var/lib/perijove": str(machine.folder / "state"),
        "/run/perijove": str(machine.folder / "run"),
        "https://jupyter.example.org": site.url,
    }
    own = {
        "hub.toml": {'listen = "10.0.0.11:8081"': f'listen = "{(one, two)[number]}"', "http://10.0.0.20:8082": servers},
        "proxy.toml": {
            "0.0.0.0:443": f"127.0.0.1:{machine.public_port}",
            "0.0.0.0:80": f"127.0.0.1:{free_port()}",
            "127.0.0.1:8002": f"127.0.0.1:{free_port()}",
            "10.0.0.11:8081": one,
            "10.0.0.12:8081": two,
        },
    }
    for name, words in own.items():
        (machine.folder / name).write_text(with_words((DEPLOY / CONFIGURATIONS[name] / name).read_text(), words | places))


async def told(look: Callable[[], object], what: str, within_s: float = 45.0) -> None:
    await asyncio.to_thread(until, look, what=what, within_s=within_s)


@pytest.fixture
async def site(postgresql_bin: Path) -> AsyncIterator[Site]:
    with TemporaryDirectory(prefix="pj-") as name, database(postgresql_bin) as url:
        async with peoples_servers() as servers, two_machines(Path(name), url, servers) as running:
            yield running


async def test_who_came_in_by_one_machine_goes_on_by_the_other_when_either_loses_its_power(site: Site) -> None:
    one, two = site.machines
    link = LINK.findall(await asyncio.to_thread(one.command, "admin-link"))[0]
    async with site.person() as ada:
        accepted = await asyncio.to_thread(ada.accept, link, "ada", "a good long password")
        assert accepted.status_code == HTTPStatus.OK, accepted.text
        started = await asyncio.to_thread(ada.submit, "/hub/home", "/hub/spawn/ada/")
        assert started.status_code in {HTTPStatus.OK, HTTPStatus.ACCEPTED}, started.text

        def shown(path: str) -> str:
            """Where it led to, and what was there; nothing while the connection is lost, as it is with a machine's power."""
            try:
                answer = ada.get(path)
            except httpx.TransportError:
                return ""
            return f"{answer.url.path} {answer.text}"

        def notebook() -> bool:
            return shown("/user/ada/lab").startswith("/user/ada/lab a notebook")

        await told(notebook, "ada's server, by the first machine")
        site.at = 1
        await told(notebook, "ada's server, by the second machine")
        assert (await asyncio.to_thread(shown, "/hub/home")).startswith("/hub/home "), "the session is everybody's"
        async with connect(f"wss://127.0.0.1:{two.public_port}/user/ada/kernel", ssl=careless()) as kernel:
            one.lose_power()
            await kernel.send("still there?")
            assert await asyncio.wait_for(kernel.recv(), 10) == "still there?"
            await told(lambda: shown("/hub/home").startswith("/hub/home "), "the home page, from the hub that is left")
            one.start()
            await told(one.ready, "the machine that lost its power")
            await kernel.send("and now?")
            assert await asyncio.wait_for(kernel.recv(), 10) == "and now?"
        assert "servers: 1 ready" in await asyncio.to_thread(two.command, "status")
        two.lose_power()
        site.at = 0
        await told(notebook, "ada's server, by the machine that came back")
        stopped = await asyncio.to_thread(ada.submit, "/hub/home", "/hub/stop/ada/")
        assert stopped.status_code < HTTPStatus.INTERNAL_SERVER_ERROR, stopped.text
        await told(lambda: "Start my server" in shown("/hub/home"), "the server stopped")
