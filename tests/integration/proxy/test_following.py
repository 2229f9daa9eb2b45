"""Following a hub: the whole table, its changes, hubs that go and come back, what is reported to them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from perijove.proxy.tabledisk import TableDisk
from perijove.wire.feed import Change, Route

from .fake_hub import FakeHub
from .harness import Proxy, StartProxy, StartServer
from .raw_http import Request, hello, until


@pytest.fixture
async def follower(start_proxy: StartProxy, hub: FakeHub) -> Proxy:
    return await start_proxy(hubs=(hub.url,), token="s3cret", report_interval_s=0.1)


async def test_routes_are_there_after_the_snapshot_and_after_each_change(follower: Proxy, hub: FakeHub, start_server: StartServer) -> None:
    alice = await start_server()
    await hub.acknowledged()
    hub.set("/user/alice/", alice.url)
    await hub.acknowledged()
    assert (await follower.get("/user/alice/lab")).status == 200
    assert len(alice.requests) == 1
    hub.delete("/user/alice/")
    await hub.acknowledged()
    assert (await follower.get("/user/alice/lab")).status == 200
    assert len(alice.requests) == 1, "the hub has it now"
    assert hub.snapshots == 1
    assert {proxy_id for proxy_id, _ in hub.reports} == {"test-0"}


def _named(name: str) -> Callable[[Request], Awaitable[bool]]:
    async def answer(request: Request) -> bool:
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(name), name.encode()))
        return True

    return answer


async def test_a_client_that_repeats_itself_follows_its_route(follower: Proxy, start_server: StartServer) -> None:
    servers = {name: await start_server(_named(name)) for name in ("first", "second", "below", "other")}
    client = await follower.client()

    async def ask(path: str = "/user/alice/api/status") -> bytes:
        return (await client.ask(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())).body

    follower.route("/user/alice/", servers["first"].url)
    assert [await ask(), await ask()] == [b"first", b"first"]
    follower.route("/user/alice/", servers["second"].url)
    assert [await ask(), await ask()] == [b"second", b"second"]
    follower.route("/user/alice/api/", servers["below"].url)
    assert [await ask("/user/alice/lab"), await ask(), await ask("/user/alicexx/lab") != b"second"] == [b"second", b"below", True]
    follower.route("/user/alicexx/", servers["other"].url)
    assert [await ask("/user/alice/x"), await ask("/user/alicexx/x"), await ask("/user/alice/x")] == [b"second", b"other", b"second"]
    follower.worker.book.apply([Change("delete", None, "/user/alice/")], follower.worker.book.revision + 1)
    assert await ask("/user/alice/x") not in {b"second", b"first"}
    client.abort()


@pytest.mark.parametrize("why", ["epoch", "revision"])
async def test_a_hub_that_no_longer_knows_the_changes_is_asked_for_the_whole_table(follower: Proxy, hub: FakeHub, why: str) -> None:
    hub.set("/user/old/", "http://127.0.0.1:1")
    await hub.acknowledged()
    await hub.kill()
    hub.routes = {"/user/new/": Route("/user/new/", "http://127.0.0.1:2")}
    hub.revision += 10
    hub.log = []
    if why == "epoch":
        hub.epoch, hub.revision = "e2", 1
    else:
        hub.oldest = hub.revision
    await hub.start()
    await hub.acknowledged()
    assert [entry.route.spec for entry in follower.worker.book.table] == ["/user/new/"]
    assert hub.snapshots == 2


async def test_after_a_short_absence_only_the_missed_changes_are_asked_for(follower: Proxy, hub: FakeHub) -> None:
    hub.set("/user/a/", "http://127.0.0.1:1")
    await hub.acknowledged()
    await hub.kill()
    hub.set("/user/b/", "http://127.0.0.1:1")
    await hub.start()
    await hub.acknowledged()
    assert {entry.route.spec for entry in follower.worker.book.table} == {"/user/a/", "/user/b/"}
    assert hub.snapshots == 1


async def test_people_work_on_while_the_hub_is_dead(follower: Proxy, hub: FakeHub, start_server: StartServer) -> None:
    alice = await start_server()
    hub.set("/user/alice/", alice.url)
    await hub.acknowledged()
    client = await follower.client()
    request = b"GET /user/alice/x HTTP/1.1\r\nHost: h\r\n\r\n"
    assert (await client.ask(request)).status == 200
    await hub.kill()
    assert (await client.ask(request)).status == 200
    down = await follower.get("/hub/home", "Accept: text/html")
    assert down.status in {502, 503}
    assert "hub is not answering" in down.body.decode()
    assert (await client.ask(request)).status == 200
    client.abort()


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_page_waits_for_a_hub_that_is_just_starting_again(follower: Proxy, hub: FakeHub, method: str) -> None:
    await hub.acknowledged()
    assert (await follower.get("/hub/home")).status == 200
    await hub.kill()
    client = await follower.client()
    asked = asyncio.create_task(client.ask(f"{method} /hub/home HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n".encode()))
    await until(lambda: follower.worker.stats.upstream_failures or follower.worker.upstreams._connecting)
    await hub.start()
    assert (await asked).status == 200
    client.abort()


async def test_another_hub_stands_in(start_proxy: StartProxy, hub: FakeHub) -> None:
    other = FakeHub()
    await other.start()
    proxy = await start_proxy(hubs=(hub.url, other.url), token="s3cret", report_interval_s=0.1)
    await until(lambda: hub.reports or other.reports)
    followed, spare = (hub, other) if hub.reports else (other, hub)
    await followed.kill()
    spare.set("/user/a/", "http://127.0.0.1:1")
    await spare.acknowledged()
    assert proxy.worker.book.table.get("/user/a/") is not None
    await other.kill()


@pytest.mark.parametrize("says", [503, None])
async def test_a_hub_that_is_not_well_is_asked_last_until_it_is_again(start_proxy: StartProxy, hub: FakeHub, says: int | None) -> None:
    other = FakeHub()
    await other.start()
    proxy = await start_proxy(hubs=(hub.url, other.url), token="s3cret")
    origin = next(origin for origin in proxy.worker.door.hubs if origin.text == other.url)
    other.ready = says
    await until(lambda: origin in proxy.worker.door.unwell)
    asked = len(_pages(other))
    assert {(await proxy.get("/hub/home")).status for _ in range(6)} == {200}
    assert len(_pages(other)) == asked
    other.ready = 200
    await until(lambda: origin not in proxy.worker.door.unwell)
    for _ in range(6):
        await proxy.get("/hub/home")
    assert len(_pages(other)) > asked
    await other.kill()


@pytest.mark.parametrize("ask", ["GET /hub/home HTTP/1.1\r\nHost: h\r\n\r\n", "DELETE /hub/home HTTP/1.1\r\nHost: h\r\n\r\n"])
async def test_what_a_paused_hub_does_not_answer_another_is_asked(start_proxy: StartProxy, hub: FakeHub, ask: str) -> None:
    paused = FakeHub()
    await paused.start()
    paused.pages = False
    proxy = await start_proxy(hubs=(hub.url, paused.url), token="s3cret")
    clients = [await proxy.client() for _ in range(2)]
    for client in clients:
        client.send(ask.encode())
    await until(lambda: _pages(paused))
    paused.ready = None
    assert [(await client.answer()).status for client in clients] == [200, 200]
    assert len(_pages(hub)) == 2
    for client in clients:
        client.abort()
    await paused.kill()


async def test_what_must_not_be_asked_twice_waits_for_the_hub_that_was_asked(start_proxy: StartProxy, hub: FakeHub) -> None:
    paused = FakeHub()
    await paused.start()
    paused.pages = False
    proxy = await start_proxy(hubs=(hub.url, paused.url), token="s3cret")
    origin = next(origin for origin in proxy.worker.door.hubs if origin.text == paused.url)
    clients = [await proxy.client() for _ in range(2)]
    for client in clients:
        client.send(b"POST /hub/home HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")
    await until(lambda: _pages(paused))
    paused.ready = None
    await until(lambda: origin in proxy.worker.door.unwell)
    assert len(_pages(hub)) == 1
    for client in clients:
        client.abort()
    await paused.kill()


def _pages(hub: FakeHub) -> list[Request]:
    return [request for request in hub.requests if request.target == "/hub/home"]


async def test_activity_is_reported_once_and_again_if_a_report_was_lost(follower: Proxy, hub: FakeHub, start_server: StartServer) -> None:
    alice = await start_server()
    hub.set("/user/alice/", alice.url)
    hub.set("/user/bob/", alice.url)
    await hub.acknowledged()
    before = datetime.now(UTC)
    await follower.get("/user/alice/lab")
    await until(lambda: any(report.activity for _, report in hub.reports))
    reported = [report.activity for _, report in hub.reports if report.activity]
    assert [list(activity) for activity in reported] == [["/user/alice/"]]
    moment = datetime.fromisoformat(reported[0]["/user/alice/"])
    assert abs(moment - before) < timedelta(seconds=2), "by the coarse clock"
    count = len(hub.reports)
    await until(lambda: len(hub.reports) > count + 2)
    assert sum(bool(report.activity) for _, report in hub.reports) == 1, "no news, no report of it"
    await hub.kill()
    await until(lambda: follower.worker.clock.wall > moment.timestamp() + 0.1)
    await follower.get("/user/alice/lab")
    hub.reports.clear()
    await hub.start()
    await until(lambda: any("/user/alice/" in report.activity for _, report in hub.reports))


async def test_what_nobody_did_or_what_failed_is_no_activity(start_proxy: StartProxy, start_server: StartServer) -> None:
    status = 403

    async def answer(request: object) -> bool:
        request.writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)  # type: ignore[attr-defined]
        return True

    server = await start_server(answer)
    proxy = await start_proxy(follow=False)
    proxy.route("/user/a/", server.url)
    entry = proxy.worker.book.table.get("/user/a/")
    assert entry is not None
    for failure in (302, 401, 403, 500):
        status = failure
        await proxy.get("/user/a/api")
        assert entry.last == 0.0
    status = 200
    await proxy.get("/user/a/api?no_track_activity=1")
    assert entry.last == 0.0
    await proxy.get("/user/a/api")
    assert entry.last > 0.0


async def test_a_new_target_is_used_at_once_and_its_old_connections_are_dropped(follower: Proxy, hub: FakeHub, start_server: StartServer) -> None:
    first, second = await start_server(), await start_server()
    hub.set("/user/a/", first.url)
    await hub.acknowledged()
    await follower.get("/user/a/")
    assert first.open == 1
    hub.set("/user/a/", second.url)
    await hub.acknowledged()
    await until(lambda: first.open == 0)
    await follower.get("/user/a/")
    assert len(second.requests) == 1


async def test_a_wrong_token_is_said_so(start_proxy: StartProxy, hub: FakeHub, caplog: pytest.LogCaptureFixture) -> None:
    await start_proxy(hubs=(hub.url,), token="wrong")
    await until(lambda: "must be the same" in caplog.text)
    assert "wrong" not in caplog.text.replace("went wrong", "")


async def test_a_route_that_cannot_be_used_does_not_stop_the_others(follower: Proxy, hub: FakeHub, caplog: pytest.LogCaptureFixture) -> None:
    await hub.acknowledged()
    hub.set("nonsense", "http://127.0.0.1:1")
    hub.set("/user/a/", "gopher://x")
    hub.set("/user/b/", "http://127.0.0.1:1")
    await hub.acknowledged()
    assert [entry.route.spec for entry in follower.worker.book.table] == ["/user/b/"]
    assert "nonsense" in caplog.text
    assert "gopher" in caplog.text


async def test_the_table_on_disk_serves_at_once_without_any_hub(
    start_proxy: StartProxy, hub: FakeHub, start_server: StartServer, tmp_path: Path
) -> None:
    path = str(tmp_path / "routes.json")
    alice = await start_server()
    proxy = await start_proxy(hubs=(hub.url,), token="s3cret", state_file=path)
    hub.set("/user/alice/", alice.url)
    await hub.acknowledged()
    await until(lambda: (saved := TableDisk(path).load()) is not None and saved.routes)
    await hub.kill()
    await proxy.worker.aclose()
    hub.reports.clear()
    again = await start_proxy(hubs=(hub.url,), token="s3cret", state_file=path)
    assert (await again.get("/user/alice/x")).status == 200
    hub.snapshots = 0
    await hub.start()
    await hub.acknowledged()
    hub.set("/user/bob/", alice.url)
    await hub.acknowledged()
    await until(lambda: again.worker.book.table.get("/user/bob/"))
    assert hub.snapshots == 0, "what is on disk is as good as a snapshot"


async def test_tens_of_thousands_of_routes_arrive_quickly_and_stall_nobody(follower: Proxy, hub: FakeHub) -> None:
    await hub.acknowledged()
    await hub.kill()
    hub.routes = {
        f"/user/u{number}/": Route(f"/user/u{number}/", f"http://127.0.0.1:{number % 60000 + 1}", {"user": f"u{number}"}) for number in range(20_000)
    }
    hub.epoch = "e2"
    await hub.start()
    loop = asyncio.get_running_loop()
    began = loop.time()
    await until(lambda: len(follower.worker.book.table) == 20_000)
    assert loop.time() - began < 5.0
    assert (await follower.get("/hub/home")).status == 200


async def test_status_and_metrics_tell_what_happened(follower: Proxy, hub: FakeHub, start_server: StartServer) -> None:
    hub.set("/user/a/", (await start_server(hello)).url)
    await hub.acknowledged()
    await follower.get("/user/a/")
    reader, writer = await asyncio.open_connection("127.0.0.1", follower.admin_port)
    writer.write(b"GET /status HTTP/1.1\r\nHost: h\r\n\r\n")
    status = msgspec.json.decode((await reader.read()).partition(b"\r\n\r\n")[2])
    writer.close()
    assert status["totals"]["requests"] == 1
    assert status["totals"]["routes"] == 1
    assert status["totals"]["feed_connected"] == 1
    reader, writer = await asyncio.open_connection("127.0.0.1", follower.admin_port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n")
    lines = (await reader.read()).decode().splitlines()
    writer.close()
    assert "perijove_proxy_requests_total 1" in lines
    assert 'perijove_proxy_responses_total{code="2xx"} 1' in lines
    reader, writer = await asyncio.open_connection("127.0.0.1", follower.admin_port)
    writer.write(b"POST /status HTTP/1.1\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 405")
    writer.close()


async def test_what_a_snapshot_leaves_out_is_gone_and_what_it_keeps_is_the_same(follower: Proxy, hub: FakeHub, start_server: StartServer) -> None:
    server = await start_server()
    hub.set("/user/kept/", server.url)
    hub.set("/user/gone/", server.url)
    await hub.acknowledged()
    await follower.get("/user/kept/")
    kept = follower.worker.book.table.get("/user/kept/")
    await follower.worker.book.replace("e9", 1, [Route("/user/kept/", server.url, {"new": True})])
    assert follower.worker.book.table.get("/user/kept/") is kept
    assert kept is not None
    assert kept.route.data == {"new": True}
    assert follower.worker.book.table.get("/user/gone/") is None
    assert server.open == 1, "its connections are still good"


async def test_reports_that_are_refused_again_and_again_are_told_of_once(follower: Proxy, hub: FakeHub, caplog: pytest.LogCaptureFixture) -> None:
    """The disk is full, say, and the log is on it too."""
    await hub.acknowledged()
    hub.refusing = 2
    with caplog.at_level(logging.INFO, "perijove.proxy.feed"):
        hub.set("/user/ada/", "http://127.0.0.1:1")
        await hub.acknowledged()
        await until(lambda: any("taken" in record.message for record in caplog.records))
    assert hub.refusing == 0
    assert [record.levelname for record in caplog.records if "report" in record.message] == ["ERROR", "INFO"]
