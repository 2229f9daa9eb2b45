"""Few file descriptors, and readers that do not read: the proxy sheds load, says so, and goes on."""

import asyncio
import json
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import h11
import msgspec

from perijove.proxy.settings import Limits, ProxySettings

from .harness import StartServer
from .raw_http import WAIT_S, Client, Request, hello, until

_PROGRAM = """
import resource, sys, msgspec
from perijove.proxy import ProxySettings, run
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
settings = msgspec.json.decode(sys.argv[1], type=ProxySettings)
sys.exit(run(settings, lambda address: print(address, flush=True)))
"""
_ASK = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"


@asynccontextmanager
async def small_proxy(files: int, log: Path, **settings: object) -> AsyncIterator[tuple[int, int]]:
    """(its port, its worker's process id)"""
    text = msgspec.json.encode(ProxySettings(**{"port": 0, "follow": False, "admin_port": 0, **settings})).decode()  # type: ignore[arg-type]
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", _PROGRAM, text, str(files), stdout=subprocess.PIPE, stderr=output)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            address = (await process.stdout.readline()).decode().strip()
        (worker,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield int(address.rpartition(":")[2]), int(worker)
        assert process.returncode is None
        process.terminate()
        async with asyncio.timeout(WAIT_S):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process._transport.close()  # type: ignore[attr-defined]


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


async def outcome(client: Client) -> str:
    """What a visitor gets: an answer's status, or the end of the connection."""
    try:
        client.send(_ASK)
        return str((await client.answer()).status)
    except (OSError, EOFError, h11.RemoteProtocolError):
        return "closed"


async def test_a_crowd_beyond_the_open_files_limit_is_shed_and_the_proxy_lives_on(start_server: StartServer, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    try:
        server = await start_server()
        async with small_proxy(128, tmp_path / "log", hubs=(server.url,)) as (port, worker):
            first = await Client.connect(port)
            assert await outcome(first) == "200"
            crowd = [await Client.connect(port) for _ in range(600)]
            found = await asyncio.gather(*(outcome(client) for client in crowd))
            assert set(found) <= {"200", "503", "closed"}
            assert "200" in found
            assert "503" in found, "whoever can be told is told"
            assert await outcome(first) == "200", "who was in before is served"
            before = cpu_ticks(worker)
            inside = [client for client, what in zip(crowd, found, strict=True) if what == "200"]
            assert set(await asyncio.gather(*(outcome(client) for client in inside))) == {"200"}
            assert cpu_ticks(worker) - before < 100, "it does not spin"
            for client in (first, *crowd):
                client.abort()

            async def served() -> bool:
                client = await Client.connect(port)
                try:
                    return await outcome(client) == "200"
                finally:
                    client.abort()

            async with asyncio.timeout(WAIT_S):
                while not await served():
                    await asyncio.sleep(0.02)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    log = (tmp_path / "log").read_text()
    warnings = [json.loads(line)["event"] for line in log.splitlines() if "LimitNOFILE" in line]
    assert 1 <= len(warnings) <= 5, "said, but not six hundred times"


async def test_connections_that_cannot_even_be_accepted_do_not_kill_or_spin(start_server: StartServer, tmp_path: Path) -> None:
    """The limit is lowered under a running worker, so that accept(2) itself fails."""
    server = await start_server()
    async with small_proxy(256, tmp_path / "log", hubs=(server.url,)) as (port, worker):
        kept = [await Client.connect(port) for _ in range(20)]
        assert {await outcome(client) for client in kept} == {"200"}
        in_use = len(list(Path(f"/proc/{worker}/fd").iterdir()))
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (in_use, 256))
        more = [await Client.connect(port) for _ in range(30)]
        for client in more:
            client.send(_ASK)
        async with asyncio.timeout(WAIT_S):
            while await outcome(kept[0]) != "200":  # those that came in before the limit share the one connection to the server
                await asyncio.sleep(0)
        before = cpu_ticks(worker)
        for _ in range(50):
            assert await outcome(kept[1]) == "200"
        assert cpu_ticks(worker) - before < 100
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (256, 256))
        for client in (*kept, *more):
            client.abort()
        fresh = await Client.connect(port)
        async with asyncio.timeout(WAIT_S):
            while await outcome(fresh) != "200":
                fresh.abort()
                fresh = await Client.connect(port)
        fresh.abort()


async def test_a_server_that_cannot_be_reached_for_want_of_descriptors_is_not_called_dead(start_server: StartServer, tmp_path: Path) -> None:
    proceed = asyncio.Event()
    proceed.set()

    async def patient(request: Request) -> bool:
        await proceed.wait()
        return await hello(request)

    server = await start_server(patient)
    async with small_proxy(256, tmp_path / "log", hubs=(server.url,)) as (port, worker):
        clients = [await Client.connect(port) for _ in range(20)]
        for client in clients:
            assert await outcome(client) == "200", "one after the other, all by one connection to the server"
        in_use = len(list(Path(f"/proc/{worker}/fd").iterdir()))
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (in_use, 256))
        proceed.clear()
        before = len(server.requests)
        for client in clients:
            client.send(_ASK)
        answers = [asyncio.create_task(client.answer()) for client in clients]
        await until(lambda: len(server.requests) - before + sum(answer.done() for answer in answers) == len(clients), "all to be held or refused")
        proceed.set()
        found = await asyncio.gather(*answers)
        refused = [answer for answer in found if answer.status == 503]
        assert refused, "twenty at once need more than one connection"
        assert all(b"open files" in answer.body for answer in refused)
        assert {answer.status for answer in found} == {200, 503}
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (256, 256))
        assert await outcome(clients[0]) == "200", "and it is asked again at once"
        for client in clients:
            client.abort()


async def test_readers_that_do_not_read_hold_a_bounded_piece_of_memory_each(start_server: StartServer, tmp_path: Path) -> None:
    sent = 0

    async def endless(request: Request) -> bool:
        nonlocal sent
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        piece = b"x" * 65536
        for _ in range(1000):
            request.writer.write(piece)
            await request.writer.drain()
            sent += 1
        return False

    def memory_kib(pid: int) -> int:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty:"))

    server = await start_server(endless)
    async with small_proxy(1024, tmp_path / "log", hubs=(server.url,), limits=msgspec.to_builtins(Limits())) as (port, worker):
        before = memory_kib(worker)
        readers = [await Client.connect(port) for _ in range(50)]
        for reader in readers:
            reader.send(_ASK)
            reader.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: len(server.requests) == 50)
        seen: list[int] = []

        def stuck() -> bool:
            seen.append(sent)
            return len(seen) > 30 and seen[-1] == seen[-30] > 50

        await until(stuck, "the server to be made to wait")
        assert sent < 50 * 1000, "not all that was offered"
        assert memory_kib(worker) - before < 50 * 1024, "a MiB each would be much; tens of megabytes each were offered"
        for reader in readers:
            reader.abort()
