"""`perijove chp`: the REST API, what happens to traffic, and what survives which death."""

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

import h11
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from .certificates import make_certificate, tls_name
from .harness import StartServer
from .raw_http import WAIT_S, Answer, Client, Request, closed_port, until

TOKEN = "api-token"


async def say(request: Request) -> bool:
    """A server that tells what it was asked."""
    body = json.dumps({"target": request.target, "host": request.all("host"), "for": request.all("x-forwarded-for"), "k": request.all("k")}).encode()
    request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    return True


class Chp:
    def __init__(self, process: asyncio.subprocess.Process, port: int, api_port: int) -> None:
        self.process = process
        self.port = port
        self.api_port = api_port

    def children(self) -> set[int]:
        return {int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()}

    def keeper(self) -> int:
        """The child that listens at the API's port."""
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        inodes = {f"socket:[{fields[9]}]" for fields in lines if fields[1].endswith(f":{self.api_port:04X}") and fields[3] == "0A"}
        for pid in self.children():
            with suppress(OSError):
                if inodes & {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}:
                    return pid
        return 0

    async def api(self, method: str, path: str, body: object = None, token: str = TOKEN) -> Answer:
        text = b"" if body is None else json.dumps(body).encode()
        client = await Client.connect(self.api_port)
        try:
            head = f"{method} /api/routes{path} HTTP/1.1\r\nHost: h\r\nAuthorization: token {token}\r\nContent-Length: {len(text)}\r\n\r\n"
            return await client.ask(head.encode() + text)
        finally:
            client.abort()

    async def add(self, path: str, target: str, **data: object) -> None:
        assert (await self.api("POST", path, {"target": target, **data})).status == 201

    async def table(self) -> dict[str, dict[str, object]]:
        table: dict[str, dict[str, object]] = json.loads((await self.api("GET", "")).body)
        return table

    async def get(self, path: str, *fields: str, host: str = "hub.example.org", method: str = "GET") -> Answer:
        client = await Client.connect(self.port)
        lines = "".join(f"{line}\r\n" for line in (f"Host: {host}", *fields))
        try:
            return await client.ask(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode())
        finally:
            client.abort()

    async def served(self, path: str) -> bool:
        with suppress(OSError, EOFError):
            return (await self.get(path)).status == 200
        return False

    async def end(self) -> int:
        self.process.terminate()
        async with asyncio.timeout(WAIT_S):
            return await self.process.wait()


StartChp = Callable[..., Awaitable[Chp]]


@pytest.fixture
async def start_chp(tmp_path: Path) -> AsyncIterator[StartChp]:
    started: list[asyncio.subprocess.Process] = []

    async def once(options: tuple[str, ...], token: str) -> Chp | str:
        port, api_port = closed_port(), closed_port()
        command = [
            sys.executable,
            "-m",
            "perijove",
            "chp",
            "--ip",
            "127.0.0.1",
            "--port",
            f"{port}",
            "--api-ip",
            "127.0.0.1",
            "--api-port",
            f"{api_port}",
        ]
        process = await asyncio.create_subprocess_exec(
            *command, *options, env={**os.environ, "CONFIGPROXY_AUTH_TOKEN": token, "TMPDIR": str(tmp_path)}, stderr=subprocess.PIPE
        )
        started.append(process)
        assert process.stderr is not None
        said = b""
        async with asyncio.timeout(WAIT_S):
            while b"listening at" not in said:
                line = await process.stderr.readline()
                if not line:
                    return said.decode()
                said += line
        return Chp(process, port, api_port)

    async def start(*options: str, token: str = TOKEN) -> Chp:
        for _ in range(3):
            chp = await once(options, token)
            if isinstance(chp, Chp):
                return chp
            assert "already in use" in chp, f"it did not start: {chp}"  # somebody else of this machine took the port meanwhile
        raise AssertionError("all ports are taken")

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process._transport.close()  # type: ignore[attr-defined]


async def test_a_route_is_live_in_all_workers_once_it_is_confirmed(start_chp: StartChp, start_server: StartServer) -> None:
    default, server = await start_server(say), await start_server(say)
    chp = await start_chp("--workers", "3", "--default-target", default.url)
    for number in range(20):
        await chp.add(f"/user/u{number}", server.url, user=f"u{number}")
        for answer in await asyncio.gather(*(chp.get(f"/user/u{number}/x") for _ in range(6))):
            assert answer.status == 200
    assert len(server.requests) == 120
    assert (await chp.get("/elsewhere")).status == 200
    assert len(default.requests) == 1
    table = await chp.table()
    assert len(table) == 21
    assert table["/user/u1"] == {"target": server.url, "user": "u1", "last_activity": table["/user/u1"]["last_activity"]}
    assert json.loads((await chp.api("GET", "/user/u1")).body) == table["/user/u1"]
    assert (await chp.api("DELETE", "/user/u1")).status == 204
    assert (await chp.api("DELETE", "/user/u1")).status == 404
    await asyncio.gather(*(chp.get("/user/u1/x") for _ in range(6)))
    assert len(default.requests) == 7
    assert await chp.end() == 2


async def test_the_token_is_asked_for_before_the_body_is_read(start_chp: StartChp) -> None:
    chp = await start_chp()
    client = await Client.connect(chp.api_port)
    client.send(b"POST /api/routes/x HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n")
    assert (await client.answer()).status == 403, "though the body never comes"
    assert await client.rest() == b""
    client.writer.close()
    client = await Client.connect(chp.api_port)
    client.send(f"POST /api/routes/x HTTP/1.1\r\nHost: h\r\nAuthorization: token {TOKEN}\r\nContent-Length: 100000000\r\n\r\n".encode())
    assert (await client.answer()).status == 413
    client.writer.close()
    for header, status in ((f"Bearer {TOKEN}", 200), (f"xtoken {TOKEN}", 403), (f"token {TOKEN}x", 403), ("token ", 403), (TOKEN, 403)):
        client = await Client.connect(chp.api_port)
        answer = await client.ask(f"GET /api/routes HTTP/1.1\r\nHost: h\r\nAuthorization: {header}\r\n\r\n".encode())
        assert (header, answer.status) == (header, status)
        client.abort()
    for path, body in (("/x", {"target": 5}), ("/x", []), ("/x", {}), ("/x", {"target": "nonsense"}), ("/a//b", {"target": "http://x"})):
        assert (await chp.api("POST", path, body)).status == 400
    assert (await chp.api("PUT", "/x")).status == 405
    assert (await chp.table()) == {}


async def test_activity_is_fresh_when_asked_for(start_chp: StartChp, start_server: StartServer) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    server = await start_server(say)
    async with serve(echo, "127.0.0.1", 0) as sockets:
        chp = await start_chp()
        await chp.add("/used", server.url)
        await chp.add("/unused", server.url)
        await chp.add("/ws", f"http://127.0.0.1:{sockets.sockets[0].getsockname()[1]}")
        before = {path: str(route["last_activity"]) for path, route in (await chp.table()).items()}

        async def used(path: str) -> bool:
            return str((await chp.table())[path]["last_activity"]) > before[path]

        async with connect(f"ws://127.0.0.1:{chp.port}/ws") as notebook, asyncio.timeout(5):  # its clock has ticks of half a second
            while not await used("/used"):
                await chp.get("/used/x")
            while not await used("/ws"):
                await notebook.send("x")
                await notebook.recv()
        assert not await used("/unused")


async def test_neither_the_keeper_nor_all_workers_take_routes_with_them(start_chp: StartChp, start_server: StartServer) -> None:
    default, server = await start_server(say), await start_server(say)
    chp = await start_chp("--workers", "2", "--default-target", default.url)
    await chp.add("/", server.url, first=True)  # the hub has set another default since
    await chp.add("/user/alice", server.url, user="alice")
    before = await chp.table()
    for round_of in ("keeper", "workers", "all"):
        await until(lambda: len(chp.children()) == 3 and chp.keeper())
        keeper, children = chp.keeper(), chp.children()
        gone = {"keeper": {keeper}, "workers": children - {keeper}, "all": children}[round_of]
        for pid in gone:
            os.kill(pid, signal.SIGKILL)
        if round_of == "keeper":
            assert (await chp.get("/user/alice/x")).status == 200, "workers serve without a keeper"
        await until(lambda: len(chp.children()) == 3 and not chp.children() & gone)  # noqa: B023
        async with asyncio.timeout(WAIT_S):
            while not await chp.served("/user/alice/x"):
                await asyncio.sleep(0.02)
        table = await chp.table()
        assert {path: (route["target"], route.get("user"), route.get("first")) for path, route in table.items()} == {
            path: (route["target"], route.get("user"), route.get("first")) for path, route in before.items()
        }
        await chp.add(f"/after/{round_of}", server.url)
        before = await chp.table()
        assert {answer.status for answer in await asyncio.gather(*(chp.get(f"/after/{round_of}") for _ in range(8)))} == {200}
    assert not default.requests


async def test_a_worker_that_hangs_does_not_stop_the_hub(start_chp: StartChp, start_server: StartServer) -> None:
    server = await start_server(say)
    chp = await start_chp("--workers", "2")
    hung = max(chp.children() - {chp.keeper()})
    os.kill(hung, signal.SIGSTOP)
    try:
        await chp.add("/x", server.url)
        assert "/x" in await chp.table()
    finally:
        os.kill(hung, signal.SIGCONT)
    await chp.add("/y", server.url)
    for path in ("/x", "/y"):
        assert {answer.status for answer in await asyncio.gather(*(chp.get(path) for _ in range(8)))} == {200}


async def test_nothing_is_left_behind_by_a_killed_proxy(start_chp: StartChp, tmp_path: Path) -> None:
    chp = await start_chp("--pid-file", str(tmp_path / "pid"))
    children = chp.children()
    assert [path.stat().st_mode & 0o777 for path in tmp_path.glob("perijove-chp-*")] == [0o700]
    assert (tmp_path / "pid").read_text() == str(chp.process.pid)
    chp.process.kill()
    await chp.process.wait()
    await until(lambda: not any(Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2] for pid in children))
    await until(lambda: not list(tmp_path.glob("perijove-chp-*")))
    again = await start_chp("--pid-file", str(tmp_path / "pid"))
    assert await again.end() == 2
    assert list(tmp_path.iterdir()) == []


async def test_routes_outlive_everything_in_a_state_file(start_chp: StartChp, start_server: StartServer, tmp_path: Path) -> None:
    server = await start_server(say)
    state = str(tmp_path / "state" / "routes")
    chp = await start_chp("--state-file", state, "--default-target", server.url)
    await chp.add("/user/alice", server.url, user="alice")
    before = await chp.table()
    chp.process.kill()
    await chp.process.wait()
    again = await start_chp("--state-file", state, "--default-target", server.url)
    assert await again.table() == before
    assert (await again.get("/user/alice/x")).status == 200
    assert await again.end() == 2
    other = await start_chp("--state-file", state, "--default-target", "http://127.0.0.1:1")
    assert (await other.table())["/"]["target"] == "http://127.0.0.1:1", "another default on the command line counts"


async def test_the_error_target_writes_the_pages(start_chp: StartChp, start_server: StartServer) -> None:
    async def errors(request: Request) -> bool:
        body = f"sorry {request.target}".encode()
        request.writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/x-sorry\r\nSet-Cookie: a=b\r\nX-Secret: 1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        return True

    target = await start_server(errors)
    chp = await start_chp("--error-target", f"{target.url}/hub/error")
    await chp.add("/dead", f"http://127.0.0.1:{closed_port()}")
    for path, status, asked in (
        ("/nothing?a=b&c", 404, "/hub/error/404?url=%2Fnothing%3Fa%3Db%26c"), ("/dead/x", 503, "/hub/error/503?url=%2Fdead%2Fx"),
    ):  # fmt: skip
        answer = await chp.get(path, "Cookie: secret=1")
        assert (answer.status, answer.body.decode(), answer.header("content-type")) == (status, f"sorry {asked}", "text/x-sorry")
        assert answer.header("set-cookie") is answer.header("x-secret") is None
    assert not any(request.all("cookie") for request in target.requests)
    client = await Client.connect(chp.port)
    for _ in range(3):  # also with a body, and the connection is of use afterwards
        assert (await client.ask(b"GET /dead/x HTTP/1.1\r\nHost: h\r\n\r\n")).status == 503
    client.send(b"POST /dead/x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello")
    assert (await client.answer()).status == 503
    client.abort()
    seen = len(target.requests)
    upgrade = await chp.get(
        "/dead/ws", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    )
    assert (upgrade.status, upgrade.body) == (503, b"")
    assert len(target.requests) == seen
    await target.kill()
    answer = await chp.get("/nothing", "Accept: text/html")
    assert answer.status == 404
    assert b"<html" in answer.body, "ours, if there is no other"


async def test_an_error_target_that_hangs_is_not_waited_for(start_chp: StartChp, start_server: StartServer) -> None:
    async def hang(request: Request) -> bool:
        await asyncio.Event().wait()
        return False

    target = await start_server(hang)
    chp = await start_chp("--error-target", target.url)
    answer = await chp.get("/nothing")
    assert answer.status == 404
    assert json.loads(answer.body)["status"] == 404
    assert target.requests


async def test_error_pages_from_a_folder(start_chp: StartChp, tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "404.html").write_text("<p>not here")
    (folder / "error.html").write_text("<p>broken")
    chp = await start_chp("--error-path", str(folder))
    await chp.add("/dead", f"http://127.0.0.1:{closed_port()}")
    answers = [await chp.get("/x"), await chp.get("/dead")]
    assert [(answer.status, answer.body) for answer in answers] == [(404, b"<p>not here"), (503, b"<p>broken")]
    assert answers[0].header("content-type") == "text/html"
    (folder / "404.html").unlink()
    assert (await chp.get("/x")).body == b"<p>broken"


async def test_hosts_headers_and_redirections(start_chp: StartChp, start_server: StartServer) -> None:
    async def away(request: Request) -> bool:
        request.writer.write(f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{server.port}/there\r\nContent-Length: 0\r\n\r\n".encode())
        return True

    plain, server = await start_server(say), await start_server(away)
    chp = await start_chp(
        "--host-routing", "--custom-header", "k: v", "--auto-rewrite", "--protocol-rewrite", "https", "--change-origin", "--no-include-prefix"
    )
    await chp.add("/Alice.example.org/user/alice", f"{plain.url}/base/")
    await chp.add("/away.example.org", server.url)
    told = json.loads((await chp.get("/user/alice/x?y=1", "K: w", "X-Forwarded-For: 192.0.2.9", host="alice.EXAMPLE.org:8000")).body)
    assert told == {"target": "/base/x?y=1", "host": [f"127.0.0.1:{plain.port}"], "for": ["192.0.2.9, 127.0.0.1"], "k": ["v"]}
    assert (await chp.get("/x", host="away.example.org:8000")).header("location") == "https://away.example.org:8000/there"
    assert (await chp.get("/user/alice/x", host="bob.example.org")).status == 404


async def test_health_and_metrics(start_chp: StartChp, start_server: StartServer) -> None:
    server = await start_server(say)
    port = closed_port()
    chp = await start_chp("--metrics-ip", "127.0.0.1", "--metrics-port", str(port), "--default-target", server.url)
    health = await chp.get("/_chp_healthz")
    assert (health.status, json.loads(health.body)) == (200, {"status": "OK"})
    assert not server.requests
    await chp.get("/x")
    await chp.table()
    await chp.api("GET", "/nothing")

    async def lines() -> list[str]:
        client = await Client.connect(port)
        answer = await client.ask(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n")
        client.abort()
        return answer.body.decode().splitlines()

    async with asyncio.timeout(WAIT_S):
        while 'requests_proxy{status="200"} 1' not in await lines():
            await asyncio.sleep(0.05)
    assert {"requests_web 1", "requests_ws 0", "api_route_get 1", 'requests_api{status="200"} 1', 'requests_api{status="404"} 1'} <= set(
        await lines()
    )


async def test_a_second_proxy_on_the_same_ports_does_not_start(start_chp: StartChp) -> None:
    chp = await start_chp()
    command = [sys.executable, "-m", "perijove", "chp", "--ip", "127.0.0.1", "--port", f"{chp.port}", "--api-port", f"{chp.api_port}"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert done.returncode == 1
    assert "already in use" in done.stderr


async def test_tls_on_both_sides_and_a_plain_port_that_leads_there(start_chp: StartChp, start_server: StartServer, tmp_path: Path) -> None:
    for name in ("public", "api"):
        cert, key = make_certificate(name)
        (tmp_path / f"{name}.pem").write_bytes(cert)
        (tmp_path / f"{name}.key").write_bytes(key)
    files = {name: (str(tmp_path / f"{name}.key"), str(tmp_path / f"{name}.pem")) for name in ("public", "api")}
    server, plain = await start_server(say), closed_port()
    chp = await start_chp(
        "--ssl-key", files["public"][0], "--ssl-cert", files["public"][1], "--api-ssl-key", files["api"][0], "--api-ssl-cert", files["api"][1],
        "--api-ssl-ca", files["public"][1], "--api-ssl-request-cert", "--api-ssl-reject-unauthorized", "--default-target", server.url,
        "--redirect-port", f"{plain}", "--redirect-to", "8443",
    )  # fmt: skip
    client = await Client.connect(plain)
    answer = await client.ask(b"GET /x?y HTTP/1.1\r\nHost: hub.example.org:80\r\n\r\n")
    assert (answer.status, answer.header("location")) == (301, "https://hub.example.org:8443/x?y")
    client.abort()
    assert await tls_name(chp.port) == "public"
    with pytest.raises((OSError, h11.RemoteProtocolError), match=r"(?i)certificate|reset|closed"):  # it wants one of ours
        await tls_name(chp.api_port)


async def test_the_api_and_the_proxy_on_unix_sockets(start_server: StartServer, tmp_path: Path) -> None:
    server = await start_server(say, str(tmp_path / "server.sock"))
    options = ["--socket", str(tmp_path / "public.sock"), "--api-socket", str(tmp_path / "api.sock")]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "perijove", "chp", *options, env={**os.environ, "TMPDIR": str(tmp_path)})
    try:
        async with asyncio.timeout(WAIT_S):
            while not _connects(tmp_path / "api.sock"):
                await asyncio.sleep(0.02)
        api = Client(*await asyncio.open_unix_connection(tmp_path / "api.sock"))
        body = json.dumps({"target": server.url}).encode()
        assert (await api.ask(b"POST /api/routes/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))).status == 201
        public = Client(*await asyncio.open_unix_connection(tmp_path / "public.sock"))
        assert json.loads((await public.ask(b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n")).body)["target"] == "/x"
        api.abort()
        public.abort()
        process.terminate()
        async with asyncio.timeout(WAIT_S):
            assert await process.wait() == 2
        assert {path.name for path in tmp_path.iterdir()} == {"server.sock"}
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process._transport.close()  # type: ignore[attr-defined]


def _connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(str(path)) == 0
