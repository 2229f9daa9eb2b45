"""What the access log says of real traffic."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from .harness import Proxy, StartProxy, StartServer
from .raw_http import Request, Server, closed_port, reset, until
from .test_processes import StartProcess, start_process  # noqa: F401 - a fixture


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


@pytest.fixture
async def hub(start_server: StartServer) -> Server:
    return await start_server()


@pytest.fixture
async def proxy(start_proxy: StartProxy, hub: Server, path: Path) -> Proxy:
    return await start_proxy(
        hubs=(hub.url,), follow=False, access_log="json", access_log_file=str(path), trusted_proxies=("127.0.0.1/32",), base_url="/base/"
    )


def lines(proxy: Proxy, path: Path) -> list[dict[str, Any]]:
    assert proxy.worker.door.access_log is not None
    proxy.worker.door.access_log.flush()
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_a_request_leaves_one_line_that_says_who_what_and_how_much(proxy: Proxy, hub: Server, path: Path) -> None:
    answer = await proxy.get("/base/hub/home?token=SECRET", "Authorization: token SECRET", "X-Forwarded-For: 192.0.2.1", "Cookie: a=SECRET")
    (line,) = lines(proxy, path)
    told = {name: line[name] for name in ("client", "method", "path", "host", "status", "bytes", "route", "request_id")}
    assert told == {
        "client": "192.0.2.1", "method": "GET", "path": "/base/hub/home", "host": "hub.example.org", "status": 200, "bytes": len(answer.body), "route": "",
        "request_id": hub.requests[-1].all("X-Request-Id")[0],
    }  # fmt: skip
    assert "SECRET" not in path.read_text()


async def chunked(request: Request) -> bool:
    request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    await request.writer.drain()
    request.writer.write(b"5\r\nhello\r\n0\r\n\r\n")
    return True


async def pieces(request: Request) -> bool:
    request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n")
    for _ in range(3):
        request.writer.write(b"x" * 100_000)
        await request.writer.drain()
    return True


async def head_alone(request: Request) -> bool:
    request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n")
    return True


async def nothing(request: Request) -> bool:
    return False


@pytest.mark.parametrize(("handler", "method", "status", "size"), [
    (chunked, "GET", 200, len(b"5\r\nhello\r\n0\r\n\r\n")), (pieces, "GET", 200, 300_000), (head_alone, "HEAD", 200, 0), (nothing, "GET", 502, None),
])  # fmt: skip
async def test_bytes_are_those_of_the_body(
    proxy: Proxy, start_server: StartServer, path: Path, handler: Any, method: str, status: int, size: int | None
) -> None:
    proxy.route("/base/user/ada/", (await start_server(handler)).url)
    client = await proxy.client()
    answer = await client.ask(f"{method} /base/user/ada/x HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    client.abort()
    (line,) = lines(proxy, path)
    assert (line["status"], line["bytes"], line["route"]) == (status, len(answer.body) if size is None else size, "/base/user/ada/")


async def test_what_no_server_was_asked_for_is_logged_too(proxy: Proxy, path: Path) -> None:
    proxy.route("/base/user/ada/", f"http://127.0.0.1:{closed_port()}")
    for _ in range(2):
        assert (await proxy.get("/base/user/ada/lab")).status == 503
    client = await proxy.client()
    assert (await client.ask(b"GET /base/ HTTP/1.1\r\n\r\n")).status == 400
    client.abort()
    seen = [(line["status"], line["path"], line["bytes"] > 0) for line in lines(proxy, path)]
    assert seen == [(503, "/base/user/ada/lab", True), (503, "/base/user/ada/lab", True), (400, "", True)]


async def test_a_client_that_went_and_an_upgrade_are_logged(proxy: Proxy, start_server: StartServer, path: Path) -> None:
    asked = asyncio.Event()

    async def never(request: Request) -> bool:
        asked.set()
        await asyncio.Event().wait()
        return True

    proxy.route("/base/user/ada/", (await start_server(never)).url)
    client = await proxy.client()
    client.send(b"GET /base/user/ada/lab HTTP/1.1\r\nHost: h\r\n\r\n")
    await asked.wait()
    reset(client.writer)
    await until(lambda: proxy.worker.stats.client_aborts)

    async def echo(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with serve(echo, "127.0.0.1", 0) as server:
        proxy.route("/base/user/bob/", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with connect(f"ws://127.0.0.1:{proxy.port}/base/user/bob/api/kernels?token=SECRET"):
            pass
    assert [(line["status"], line["path"]) for line in lines(proxy, path)] == [(0, "/base/user/ada/lab"), (101, "/base/user/bob/api/kernels")]


async def test_the_log_moves_on_to_a_new_file_on_sigusr1(start_process: StartProcess, hub: Server, path: Path) -> None:  # noqa: F811
    proxy = await start_process(hubs=(hub.url,), access_log="combined", access_log_file=str(path), workers=2)
    old = path.with_suffix(".1")

    async def asked_for(name: str, within: Path) -> None:
        assert (await proxy.get(name)).status == 200
        await until(lambda: within.exists() and f"GET {name} " in within.read_text())

    await asked_for("/one", path)
    path.rename(old)
    proxy.process.send_signal(signal.SIGUSR1)

    async def again() -> bool:
        await proxy.get("/two")
        return path.exists()

    async with asyncio.timeout(10):
        while not await again():
            await asyncio.sleep(0.05)
    await asked_for("/three", path)
    assert "/three" not in old.read_text()
    assert await proxy.end() == 0
