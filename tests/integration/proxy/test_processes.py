"""The proxy as processes: several workers, their deaths, their end."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from perijove.proxy.settings import ProxySettings

from .certificates import make_certificate, tls_name
from .fake_hub import FakeHub
from .harness import StartServer
from .raw_http import WAIT_S, Answer, Client, Request, until

PROGRAM = """
import sys, msgspec
from perijove.proxy import ProxySettings, run
settings = msgspec.json.decode(sys.argv[1], type=ProxySettings)
sys.exit(run(settings, lambda address: print(address, flush=True)))
"""


class Process:
    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self.process = process
        self.address = address

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def workers(self) -> set[int]:
        return {int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()}

    async def get(self, path: str) -> Answer:
        client = await Client.connect(self.port)
        try:
            return await client.ask(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        finally:
            client.abort()

    async def end(self) -> int:
        self.process.terminate()
        async with asyncio.timeout(WAIT_S):
            return await self.process.wait()


StartProcess = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start_process() -> AsyncIterator[StartProcess]:
    started: list[asyncio.subprocess.Process] = []

    async def start(**settings: object) -> Process:
        text = msgspec.json.encode(ProxySettings(**{"port": 0, "follow": False, **settings})).decode()  # type: ignore[arg-type]
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, text, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            address = (await process.stdout.readline()).decode().strip()
        assert address, "the proxy did not start"
        return Process(process, address)

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process._transport.close()  # type: ignore[attr-defined]


async def test_several_workers_share_the_port_and_dead_ones_are_replaced(start_process: StartProcess, hub: FakeHub) -> None:
    proxy = await start_process(workers=2, hubs=(hub.url,))
    before = proxy.workers()
    assert len(before) == 2
    assert {(await proxy.get("/x")).status for _ in range(20)} == {200}
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    await until(lambda: len(proxy.workers()) == 2 and not proxy.workers() & before)

    async def served() -> bool:
        with suppress(OSError):
            return (await proxy.get("/x")).status == 200
        return False

    async with asyncio.timeout(5):
        while not await served():
            await asyncio.sleep(0.02)
    assert await proxy.end() == 0


async def test_workers_do_not_outlive_their_parent(start_process: StartProcess, hub: FakeHub) -> None:
    proxy = await start_process(workers=2, hubs=(hub.url,))
    workers = proxy.workers()
    proxy.process.kill()
    await proxy.process.wait()
    await until(lambda: not any(Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2] for pid in workers))


async def test_running_requests_finish_at_the_end_and_new_ones_are_not_taken(start_process: StartProcess, start_server: StartServer) -> None:
    proceed = asyncio.Event()

    async def slow(request: Request) -> bool:
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
        await proceed.wait()
        request.writer.write(b"lf")
        return True

    server = await start_server(slow)
    proxy = await start_process(hubs=(server.url,))
    idle, busy = await Client.connect(proxy.port), await Client.connect(proxy.port)
    busy.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await until(lambda: server.requests)
    proxy.process.terminate()
    assert await idle.rest() == b""

    async def refused() -> bool:
        try:
            (await Client.connect(proxy.port)).abort()
        except OSError:
            return True
        return False

    async with asyncio.timeout(WAIT_S):
        while not await refused():
            await asyncio.sleep(0.02)
    proceed.set()
    assert (await busy.answer()).body == b"half"
    assert await busy.rest() == b""
    async with asyncio.timeout(WAIT_S):
        assert await proxy.process.wait() == 0
    idle.writer.close()
    busy.writer.close()


async def test_the_end_does_not_wait_for_ever(start_process: StartProcess, start_server: StartServer) -> None:
    async def never(request: Request) -> bool:
        await asyncio.Event().wait()
        return False

    server = await start_server(never)
    proxy = await start_process(hubs=(server.url,), limits={"drain_s": 0.2})
    client = await Client.connect(proxy.port)
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await until(lambda: server.requests)
    assert await proxy.end() == 0
    assert await client.rest() == b""
    client.writer.close()


async def test_killed_hubs_and_restarted_proxies_do_not_keep_people_from_their_servers(
    start_process: StartProcess, hub: FakeHub, tmp_path: Path
) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    state = str(tmp_path / "routes.json")
    async with serve(echo, "127.0.0.1", 0) as server:
        hub.set("/user/alice/", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        settings = {"hubs": (hub.url,), "token": "s3cret", "follow": True, "state_file": state, "workers": 2}
        proxy = await start_process(**settings)
        await until(lambda: len({proxy_id for proxy_id, report in hub.reports if report.revision == hub.revision}) == 2)
        await until(lambda: Path(state).exists())
        async with connect(f"ws://127.0.0.1:{proxy.port}/user/alice/ws") as connection:
            await hub.kill()
            await connection.send("still here")
            assert await connection.recv() == "still here"
            assert await proxy.end() == 0
            with pytest.raises(ConnectionClosed):
                await connection.recv()
        again = await start_process(**settings)
        async with connect(f"ws://127.0.0.1:{again.port}/user/alice/ws") as connection:
            await connection.send("and again")
            assert await connection.recv() == "and again"
        assert (await again.get("/hub/home")).status in {502, 503}


async def test_listening_on_a_unix_socket(start_process: StartProcess, hub: FakeHub, tmp_path: Path) -> None:
    path = tmp_path / "proxy.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    proxy = await start_process(unix_path=str(path), hubs=(hub.url,), trusted_proxies=("unix:",), admin_unix_path=str(tmp_path / "admin.sock"))
    assert proxy.address == f"unix:{path}"
    client = Client(*await asyncio.open_unix_connection(path))
    assert (await client.ask(b"GET /x HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n")).status == 200
    assert hub.requests[0].all("x-real-ip") == ["6.6.6.6"]
    admin = Client(*await asyncio.open_unix_connection(tmp_path / "admin.sock"))
    assert json.loads((await admin.ask(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n")).body) == {"status": "ok"}
    client.abort()
    admin.abort()
    assert await proxy.end() == 0
    assert not path.exists()


async def test_a_taken_port_is_said_so(start_process: StartProcess, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        text = msgspec.json.encode(ProxySettings(port=taken.getsockname()[1])).decode()
        done = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", PROGRAM, text], capture_output=True, text=True, check=False, timeout=WAIT_S
        )
    assert done.returncode == 1
    assert "cannot start" in done.stderr
    assert "Address already in use" in done.stderr


async def test_tls_with_a_certificate_that_is_replaced_while_it_runs(start_process: StartProcess, hub: FakeHub, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    one, other = make_certificate("one"), make_certificate("other")
    cert.write_bytes(one[0])
    key.write_bytes(one[1])
    proxy = await start_process(hubs=(hub.url,), tls_cert=str(cert), tls_key=str(key))
    assert proxy.address.startswith("https://")
    assert await tls_name(proxy.port) == "one"
    assert hub.requests[0].all("x-forwarded-proto") == ["https"]
    cert.write_bytes(b"rubbish")
    proxy.process.send_signal(signal.SIGHUP)
    assert await tls_name(proxy.port) == "one"
    cert.write_bytes(other[0])
    key.write_bytes(other[1])
    proxy.process.send_signal(signal.SIGHUP)
    async with asyncio.timeout(WAIT_S):
        while await tls_name(proxy.port) != "other":
            await asyncio.sleep(0.02)


def _listening_queues(port: int) -> int:
    """How many connections wait to be accepted on a port of this machine."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(fields[4].split(":")[1], 16) for fields in lines if fields[1].endswith(f":{port:04X}") and fields[3] == "0A")


async def test_connections_that_wait_for_a_dead_worker_are_served_by_the_next(start_process: StartProcess, hub: FakeHub) -> None:
    proxy = await start_process(hubs=(hub.url,))
    (worker,) = proxy.workers()
    os.kill(worker, signal.SIGSTOP)
    clients = [await Client.connect(proxy.port) for _ in range(5)]
    for client in clients:
        client.send(b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
    await until(lambda: _listening_queues(proxy.port) == 5)
    os.kill(worker, signal.SIGKILL)
    assert [(await client.answer()).status for client in clients] == [200] * 5
    for client in clients:
        client.abort()


async def _ask_on(proxy: Process, statuses: list[int], enough: asyncio.Event) -> None:
    """New connections and kept ones in turns, until it is enough: whoever is cut off fails the test."""
    while not enough.is_set():
        client = await Client.connect(proxy.port)
        for _ in range(3):
            answer = await client.ask(b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
            statuses.append(answer.status)
            if answer.header("connection") == "close":
                break
        client.abort()


async def test_workers_give_way_to_new_ones_and_nobody_notices(start_process: StartProcess, hub: FakeHub, tmp_path: Path) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(echo, "127.0.0.1", 0) as server:
        hub.set("/user/alice/", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        proxy = await start_process(workers=2, hubs=(hub.url,), token="s3cret", follow=True, report_interval_s=0.1)
        await until(lambda: len({proxy_id for proxy_id, report in hub.reports if report.revision == hub.revision}) == 2)
        before, ids = proxy.workers(), {proxy_id for proxy_id, _ in hub.reports}
        statuses: list[int] = []
        enough = asyncio.Event()
        async with connect(f"ws://127.0.0.1:{proxy.port}/user/alice/ws") as notebook, asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(_ask_on(proxy, statuses, enough))
            await until(lambda: len(statuses) > 20)
            proxy.process.send_signal(signal.SIGUSR2)
            await until(lambda: len(proxy.workers() - before) == 2 and len(proxy.workers() & before) == 1)
            seen = len(statuses)
            await until(lambda: len(statuses) > seen + 50)
            enough.set()
            await notebook.send("still here")
            assert await notebook.recv() == "still here"
        assert set(statuses) == {200}
        await until(lambda: not proxy.workers() & before)
        assert {proxy_id for proxy_id, report in hub.reports if report.leaving} == ids
        assert await proxy.end() == 0
