"""What the admin address tells of a proxy at work."""

import asyncio
import os
import re
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from perijove.proxy.exposition import METRICS
from perijove.wire.feed import Change, Route

from .harness import Proxy, StartProxy, StartServer
from .raw_http import Answer, Client, Request, Server, closed_port, hello, until
from .test_processes import StartProcess, start_process  # noqa: F401 - a fixture


@pytest.fixture
async def hub(start_server: StartServer) -> Server:
    return await start_server()


@pytest.fixture
async def proxy(start_proxy: StartProxy, hub: Server) -> Proxy:
    return await start_proxy(hubs=(hub.url,), follow=False)


async def look(port: int, path: str, method: str = "GET") -> Answer:
    client = await Client.connect(port)
    answer = await client.ask(f"{method} {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    client.abort()
    return answer


async def told(proxy: Proxy, path: str) -> Any:
    answer = await look(proxy.admin_port, path)
    assert (answer.status, answer.header("Content-Type")) == (200, "application/json")
    return msgspec.json.decode(answer.body)


async def test_the_pools_show_where_connections_lead(proxy: Proxy, start_server: StartServer, hub: Server) -> None:
    release, asked = asyncio.Event(), asyncio.Event()

    async def slow(request: Request) -> bool:
        asked.set()
        await release.wait()
        return await hello(request)

    server, down = await start_server(slow), f"http://127.0.0.1:{closed_port()}"
    proxy.route("/user/ada/", server.url)
    proxy.route("/user/bob/", down)
    proxy.route("/user/eve/", "http://127.0.0.1:9")
    await proxy.get("/hub/home")
    await proxy.get("/user/bob/")
    client = await proxy.client()
    client.send(b"GET /user/ada/ HTTP/1.1\r\nHost: h\r\n\r\n")
    await asked.wait()
    status = await told(proxy, "/status")
    pools = {pool.pop("target"): pool for pool in status["pools_of_this_worker"]}
    assert pools == {
        server.url: {"in_use": 1, "idle": 0, "down": False}, hub.url: {"in_use": 0, "idle": 1, "down": False}, down: {"in_use": 0, "idle": 0, "down": True},
    }  # fmt: skip
    assert status["answered_by"] == status["workers"][0]["pid"] == os.getpid()
    release.set()
    assert (await client.answer()).status == 200
    client.abort()


async def test_routes_come_in_pages_and_by_prefix(proxy: Proxy, hub: Server) -> None:
    names = [f"/user/u{number:05}/" for number in range(1700)]
    changes = [Change("set", Route(name, hub.url)) for name in [*reversed(names), "/services/cull/"]]
    proxy.worker.book.apply(changes, 1)
    await proxy.get("/user/u00007/lab")
    pages = [await told(proxy, f"/routes?prefix=/user/&offset={offset}&limit=700") for offset in (0, 700, 1400)]
    seen = [route for page in pages for route in page["routes_of_this_worker"]]
    assert [route["spec"] for route in seen] == names
    assert {page["total"] for page in pages} == {1700}
    used = [route for route in seen if route["last_activity_at_this_worker"] is not None]
    assert [route["spec"] for route in used] == ["/user/u00007/"]
    (only,) = (await told(proxy, "/routes?prefix=%2Fservices"))["routes_of_this_worker"]
    assert only == {"spec": "/services/cull/", "target": hub.url, "last_activity_at_this_worker": None}
    assert (await told(proxy, "/routes?prefix=/nobody"))["total"] == 0


@pytest.mark.parametrize("query", ["limit=1001", "limit=-1", "offset=x", "limit=", "offset=99999999999", "&".join("a=b" for _ in range(20))])
async def test_pages_that_cannot_be_are_refused(proxy: Proxy, query: str) -> None:
    answer = await look(proxy.admin_port, f"/routes?{query}")
    # An empty value counts as not given.
    assert answer.status == (200 if query == "limit=" else 400)


class Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_data(self, data: str) -> None:
        self.seen.append(data)


async def test_the_page_for_people_is_whole_and_escapes_what_it_shows(proxy: Proxy, start_server: StartServer, hub: Server, tmp_path: Any) -> None:
    path = str(tmp_path / "<script>")
    await start_server(hello, path)
    target = "http+unix://" + path.replace("/", "%2F")
    proxy.route("/user/ada/", target)
    await proxy.get("/user/ada/")
    answer = await look(proxy.admin_port, "/")
    assert answer.status == 200
    text = answer.body.decode()
    assert "<script" not in text
    cells = Cells()
    cells.feed(text)
    assert target in cells.seen
    assert str(os.getpid()) in cells.seen
    policy = answer.header("Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    assert re.search(r'<meta http-equiv="refresh" content="\d+">', text)


async def test_head_has_no_body_and_unknown_paths_say_what_there_is(proxy: Proxy) -> None:
    for path in ("/", "/status", "/metrics", "/health", "/routes"):
        answer = await look(proxy.admin_port, path, "HEAD")
        assert (answer.status, answer.body) == (200, b""), path
    missing = await look(proxy.admin_port, "/nothing")
    assert missing.status == 404
    assert b"/status" in missing.body


async def test_metrics_tell_why_requests_and_connections_were_turned_away(start_proxy: StartProxy, hub: Server) -> None:
    proxy = await start_proxy({"max_head_bytes": 2000, "max_connections_per_address": 1}, hubs=(hub.url,), follow=False)
    for raw, status in (
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 3000, 431),
        (b"TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", 405),
    ):
        client = await proxy.client()
        assert (await client.ask(raw)).status == status
        client.abort()
        await until(lambda: not proxy.worker.door.connections)
    inside, outside = await proxy.client(), await proxy.client()
    assert (await outside.answer()).status == 429
    lines = (await look(proxy.admin_port, "/metrics")).body.decode().splitlines()
    for line in (
        'refused_total{reason="malformed"} 1', 'refused_total{reason="too_large"} 1', 'refused_total{reason="unsupported"} 1',
        'refused_total{reason="preamble"} 0', 'shed_total{reason="address"} 1', 'shed_total{reason="full"} 0', "accepted_total 5",
    ):  # fmt: skip
        assert f"perijove_proxy_{line}" in lines
    names = [line.split()[2].removeprefix("perijove_proxy_") for line in lines if line.startswith("# TYPE")]
    assert names == [metric.name for metric in METRICS]
    inside.abort()
    outside.abort()


async def test_every_worker_is_listed_with_its_process(start_process: StartProcess, hub: Server) -> None:  # noqa: F811
    admin = closed_port()
    proxy = await start_process(hubs=(hub.url,), workers=2, admin_port=admin)
    await proxy.get("/x")

    async def status() -> Any:
        return msgspec.json.decode((await look(admin, "/status")).body)

    async with asyncio.timeout(10):
        while (seen := await status())["totals"]["requests"] != 1:
            await asyncio.sleep(0.05)
    assert {row["pid"] for row in seen["workers"]} == proxy.workers()
    assert seen["answered_by"] in proxy.workers()
