"""Requests and answers through the proxy: framing, order, fields."""

import asyncio

import h11
import pytest

from .fake_hub import FakeHub
from .harness import Proxy, StartProxy, StartServer
from .raw_http import Client, Request, hello, reset, until

HOST = b"Host: hub.example.org\r\n"


async def test_what_no_route_takes_goes_to_the_hub(proxy: Proxy, hub: FakeHub, start_server: StartServer) -> None:
    alice = await start_server()
    proxy.route("/user/alice/", alice.url)
    assert (await proxy.get("/user/alice/lab?x=%2F%20")).body == b"GET /user/alice/lab?x=%2F%20 0"
    assert (await proxy.get("/user/bob/lab")).body == b"GET /user/bob/lab 0"
    assert [request.target for request in alice.requests] == ["/user/alice/lab?x=%2F%20"]
    assert [request.target for request in hub.requests] == ["/user/bob/lab"]


async def test_one_connection_serves_many_requests_at_both_sides(proxy: Proxy, hub: FakeHub) -> None:
    client = await proxy.client()
    for number in range(20):
        answer = await client.ask(b"POST /%d HTTP/1.1\r\n%bContent-Length: 3\r\n\r\nabc" % (number, HOST))
        assert answer.body == b"POST /%d 3" % number
    assert hub.connections == 1
    client.abort()


async def test_pipelined_requests_are_answered_in_order(proxy: Proxy, hub: FakeHub) -> None:
    client = await proxy.client()
    client.send(b"".join(b"POST /%d HTTP/1.1\r\n%bContent-Length: 2\r\n\r\nxy" % (number, HOST) for number in range(50)))
    assert [(await client.answer("POST")).body for _ in range(50)] == [b"POST /%d 2" % number for number in range(50)]
    client.abort()


async def test_a_request_may_come_byte_by_byte(proxy: Proxy) -> None:
    client = await proxy.client()
    for byte in (
        b"\r\nPOST /x HTTP/1.1\r\n"
        + HOST
        + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;e=f\r\nde\r\n0\r\nTrailer: dropped\r\n\r\nGET /y HTTP/1.1\r\n"
        + HOST
        + b"\r\n"
    ):
        client.send(bytes([byte]))
        await asyncio.sleep(0)
    assert (await client.answer("POST")).body == b"POST /x 5"
    assert (await client.answer()).body == b"GET /y 0"
    client.abort()


async def test_fields_at_the_server(proxy: Proxy, hub: FakeHub, start_server: StartServer) -> None:
    alice = await start_server()
    proxy.route("/user/alice/", alice.url)
    fields = [
        "Connection: keep-alive, X-Hop",
        "X-Hop: 1",
        "X-Forwarded-For: 6.6.6.6",
        "X-Real-IP: 6.6.6.6",
        "Cookie: perijove-session=S; b=2",
        "X-Kept: é",
    ]
    await proxy.get("/user/alice/", *fields)
    await proxy.get("/hub/home", *fields)
    seen = alice.requests[0]
    assert seen.all("host") == seen.all("x-forwarded-host") == ["hub.example.org"]
    assert seen.all("x-forwarded-for") == seen.all("x-real-ip") == ["127.0.0.1"]
    assert seen.all("x-forwarded-proto") == seen.all("x-scheme") == ["http"]
    assert seen.all("x-forwarded-port") == ["80"]
    assert seen.all("x-hop") == seen.all("connection") == []
    assert seen.all("cookie") == ["b=2"]
    assert hub.requests[0].all("cookie") == ["perijove-session=S; b=2"]
    ids = seen.all("x-request-id") + hub.requests[0].all("x-request-id")
    assert len(set(ids)) == 2


async def test_a_request_id_from_outside_is_kept_if_it_is_one(proxy: Proxy, hub: FakeHub) -> None:
    await proxy.get("/1", "X-Request-Id: abc-1")
    await proxy.get("/2", "X-Request-Id: <script>")
    assert hub.requests[0].all("x-request-id") == ["abc-1"]
    assert "script" not in hub.requests[1].all("x-request-id")[0]


@pytest.mark.parametrize("raw", [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"])
async def test_head_has_no_body_and_the_connection_goes_on(proxy: Proxy, start_server: StartServer, raw: bytes) -> None:
    async def head(request: Request) -> bool:
        request.writer.write(raw)
        return True

    server = await start_server(head)
    proxy.route("/", server.url)
    client = await proxy.client()
    for _ in range(2):
        answer = await client.ask(b"HEAD / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert answer.status == 200
        assert answer.body == b""
    assert server.connections == 1
    client.abort()


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_without_body_end_with_their_head(proxy: Proxy, start_server: StartServer, status: int) -> None:
    async def bare(request: Request) -> bool:
        request.writer.write(b"HTTP/1.1 %d X\r\nETag: x\r\n\r\n" % status)
        return True

    server = await start_server(bare)
    proxy.route("/", server.url)
    client = await proxy.client()
    for _ in range(2):
        assert (await client.ask(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")).status == status
    assert server.connections == 1
    client.abort()


async def test_expect_continue_is_asked_of_the_server_itself(proxy: Proxy, start_server: StartServer) -> None:
    async def careful(request: Request) -> bool:
        assert request.all("expect") == ["100-continue"]
        request.writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
        body = await request.reader.readexactly(4)
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + body)
        return True

    server = await start_server(careful, read_body=False)
    proxy.route("/", server.url)
    client = await proxy.client()
    client.send(b"PUT / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n")
    async with asyncio.timeout(5):
        early = await client.reader.readuntil(b" 100 \r\n\r\n")
    assert b"Link: </x>" in early
    client.send(b"body")
    assert (await client.answer("PUT")).body == b"body"
    client.abort()


async def test_an_answer_before_the_end_of_the_body_is_delivered_and_the_connection_ended(proxy: Proxy, start_server: StartServer) -> None:
    async def refuse(request: Request) -> bool:
        request.writer.write(b"HTTP/1.1 413 No\r\nContent-Length: 3\r\n\r\nbig")
        return True

    server = await start_server(refuse, read_body=False)
    proxy.route("/", server.url)
    client = await proxy.client()
    client.send(b"PUT / HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000\r\n\r\n" + b"x" * 1000)
    answer = await client.answer("PUT")
    assert (answer.status, answer.body, answer.header("connection")) == (413, b"big", "close")
    client.send(b"x" * 999_000)  # a client that goes on must not be reset before it has read
    assert await client.rest() == b""
    client.writer.close()


async def test_http_1_0_clients_get_what_they_understand(proxy: Proxy, start_server: StartServer) -> None:
    async def chunked(request: Request) -> bool:
        request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await request.writer.drain()
        request.writer.write(b"2\r\nde\r\n0\r\nX: y\r\n\r\n")
        return True

    server = await start_server(chunked)
    proxy.route("/c", server.url)
    client = await proxy.client()
    client.send(b"GET /c HTTP/1.0\r\n\r\n")
    assert await client.rest() == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcde"
    client.writer.close()
    client = await proxy.client()
    for _ in range(2):
        client.send(b"GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert (await client.answer()).header("connection") == "keep-alive"
    client.send(b"GET /x HTTP/1.0\r\n\r\n")
    assert (await client.rest()).endswith(b"GET /x 0")
    client.writer.close()


async def test_an_answer_that_ends_with_the_connection(proxy: Proxy, start_server: StartServer) -> None:
    async def old(request: Request) -> bool:
        request.writer.write(b"HTTP/1.0 200 OK\r\nX: y\r\n\r\nfirst ")
        await request.writer.drain()
        request.writer.write(b"last")
        return False

    server = await start_server(old)
    proxy.route("/", server.url)
    answer = await proxy.get("/")
    assert (answer.body, answer.header("connection")) == (b"first last", "close")


async def test_a_client_that_closed_its_side_still_gets_its_answer(proxy: Proxy, start_server: StartServer) -> None:
    proceed = asyncio.Event()

    async def slow(request: Request) -> bool:
        await proceed.wait()
        return await hello(request)

    server = await start_server(slow)
    proxy.route("/", server.url)
    client = await proxy.client()
    client.send(b"GET /slow HTTP/1.1\r\n" + HOST + b"\r\n")
    client.writer.write_eof()
    await until(lambda: server.requests)
    proceed.set()
    assert (await client.rest()).endswith(b"GET /slow 0")
    client.writer.close()


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /user/a/../../hub/home HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"CONNECT h:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"GET /hub/perijove/routes HTTP/1.1\r\nHost: a\r\nAuthorization: token s3cret\r\n\r\n", 404),
        (b"\x16\x03\x01\x00\x05hello", 400),
    ],
)
async def test_what_is_not_passed_on_is_answered_once_and_the_connection_ended(proxy: Proxy, hub: FakeHub, raw: bytes, status: int) -> None:
    client = await proxy.client()
    client.send(raw)
    answer = await client.answer()
    assert (answer.status, answer.header("connection"), answer.header("content-type")) == (status, "close", "application/json")
    assert await client.rest() == b""
    assert not [request for request in hub.requests if request.method != "POST"]
    client.writer.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200",
        b"NONSENSE\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\nb: c\r\n\r\n",
        b"HTTP/1.1 101 Up\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_an_answer_that_is_none_becomes_a_page(proxy: Proxy, start_server: StartServer, raw: bytes) -> None:
    async def bad(request: Request) -> bool:
        request.writer.write(raw)
        return False

    proxy.route("/", (await start_server(bad)).url)
    client = await proxy.client()
    answer = await client.ask(b"GET / HTTP/1.1\r\n" + HOST + b"Accept: text/html\r\n\r\n")
    assert (answer.status, answer.header("content-type")) == (502, "text/html; charset=utf-8")
    assert (await client.ask(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")).status == 502, "the client's connection is none the worse"
    client.abort()


@pytest.mark.parametrize(
    "begin",
    [b"Content-Length: 10\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", b"\r\nab"],
)
async def test_an_answer_that_breaks_off_is_seen_to(proxy: Proxy, start_server: StartServer, begin: bytes) -> None:
    async def die(request: Request) -> bool:
        request.writer.write(b"HTTP/1.1 200 OK\r\n" + begin)
        await request.writer.drain()
        await asyncio.sleep(0.05)  # let it leave: a reset throws away what has not
        reset(request.writer)
        return False

    proxy.route("/", (await start_server(die)).url)
    client: Client = await proxy.client()
    with pytest.raises((h11.RemoteProtocolError, ConnectionResetError)):
        await client.ask(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    client.abort()


async def test_bytes_nobody_asked_for_never_become_an_answer(proxy: Proxy, start_server: StartServer) -> None:
    async def generous(request: Request) -> bool:
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        return True

    server = await start_server(generous)
    proxy.route("/", server.url)
    client = await proxy.client()
    for _ in range(3):
        assert (await client.ask(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")).body == b"ok"
    assert server.connections == 3, "such a connection is not used again"
    client.abort()


async def test_a_server_on_a_unix_socket(proxy: Proxy, start_server: StartServer, tmp_path: object) -> None:
    server = await start_server(path=f"{tmp_path}/a server.sock")
    proxy.route("/user/alice/", server.url.replace(" ", "%20"))
    assert (await proxy.get("/user/alice/x")).body == b"GET /user/alice/x 0"


async def test_a_target_with_a_path_gets_it_before_every_path(start_proxy: StartProxy, hub: FakeHub, start_server: StartServer) -> None:
    server = await start_server()
    proxy = await start_proxy(hubs=(hub.url,), follow=False)
    proxy.route("/s/", server.url + "/base/")
    assert (await proxy.get("/s/x?y")).body == b"GET /base/s/x?y 0"


async def test_a_body_larger_than_the_site_takes_is_refused_before_the_server_has_all_of_it(start_proxy: StartProxy, hub: FakeHub) -> None:
    proxy = await start_proxy(limits={"max_body_bytes": 1000}, hubs=(hub.url,), follow=False)

    async def ask(raw: bytes) -> int:
        client = await proxy.client()
        answer = await client.ask(raw)
        client.abort()
        return answer.status

    assert await ask(b"POST /x HTTP/1.1\r\n%bContent-Length: 1000\r\n\r\n%b" % (HOST, b"x" * 1000)) == 200
    assert await ask(b"POST /x HTTP/1.1\r\n%bContent-Length: 1001\r\n\r\n" % HOST) == 413
    chunk = b"1f4\r\n" + b"x" * 500 + b"\r\n"
    assert await ask(b"POST /x HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % (HOST, chunk * 2)) == 200
    assert await ask(b"POST /x HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n%b" % (HOST, chunk * 2 + b"1\r\n")) == 413
