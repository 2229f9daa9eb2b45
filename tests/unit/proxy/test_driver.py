"""A client's connection without sockets: what its clock ends if nobody else does."""

from pathlib import Path

import pytest

from tests.fuzz.memory import MemoryTransport
from tests.fuzz.world import LIMITS, World

ASK = b"GET /user/alice/x HTTP/1.1\r\nHost: a\r\n\r\n"


def ask(world: World, raw: bytes = ASK) -> tuple[MemoryTransport, MemoryTransport]:
    """A client that has asked, and the server that has been."""
    client = world.connect()
    client.inbound += raw
    client.pump(len(raw))
    world.loop.settle()
    server = world.accept()
    assert server is not None
    world.loop.settle()
    server.take(10_000)
    assert server.sent.startswith(raw[:10])
    return client, server


def say(world: World, server: MemoryTransport, answer: bytes) -> None:
    server.inbound += answer
    server.pump(len(answer))
    world.loop.settle()


def test_after_an_answer_in_the_servers_place_a_silent_client_is_not_kept_for_ever() -> None:
    with World() as world:
        client, _ = ask(world)
        world.wait(LIMITS.response_s + 2)
        client.take(10_000)
        assert client.sent.startswith(b"HTTP/1.1 504 ")
        assert not client.is_closing()
        world.wait(LIMITS.idle_s + 2)
        world.check_empty()


@pytest.mark.parametrize("framing", [b"Content-Length: 500", b"Transfer-Encoding: chunked"])
def test_a_client_that_does_not_read_is_not_kept_for_ever_when_its_answer_breaks_off(framing: bytes) -> None:
    with World() as world:
        client, server = ask(world)
        say(world, server, b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n64\r\n" + b"x" * 100 + b"\r\n")
        server.reset()
        world.loop.settle()
        assert client.out
        assert not client.lost, "what it has been sent may still arrive"
        world.wait(LIMITS.send_s + 2)
        world.check_empty()


def test_a_slow_reader_gets_the_end_of_its_answer() -> None:
    with World() as world:
        client, server = ask(world, ASK[:-2] + b"Connection: close\r\n\r\n")
        say(world, server, b"HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n" + b"x" * 30_000)
        for _ in range(5):
            assert not client.lost
            client.take(6000)
            world.wait(LIMITS.send_s + 1)
        client.take(6000)
        assert client.sent.count(b"x") == 30_000
        world.wait(LIMITS.send_s + 2)
        world.check_empty()


def test_a_client_that_may_have_asked_again_is_not_reset_before_it_has_read_the_last_answer() -> None:
    with World() as world:
        client, server = ask(world)
        say(world, server, b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
        server.end()
        world.loop.settle()
        client.take(1000)
        assert client.sent_eof
        client.inbound += ASK
        client.pump(1000)
        assert not client.is_closing(), "closing with something unread would reset the connection"
        world.wait(LIMITS.send_s + 2)
        world.check_empty()


def test_requests_that_came_before_the_client_closed_its_side_are_answered() -> None:
    with World() as world:
        client, server = ask(world, ASK * 3)
        client.end()
        for number in range(3):
            server.take(10_000)
            assert server.sent.count(b"/user/alice/x") == number + 1
            say(world, server, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        client.take(10_000)
        world.loop.settle()
        assert client.sent.count(b"hello") == 3
        assert client.sent.count(b"Connection: close") == 1
        assert client.lost


def test_of_a_client_that_closed_its_side_nothing_is_waited_for() -> None:
    with World() as world:
        client, server = ask(world, ASK + ASK[:-2])
        client.end()
        say(world, server, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        client.take(10_000)
        world.loop.settle()
        assert client.lost


def test_an_answer_that_breaks_off_is_in_the_access_log(tmp_path: Path) -> None:
    with World(access_log=str(tmp_path / "log")) as world:
        client, server = ask(world)
        say(world, server, b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello")
        server.reset()
        world.loop.settle()
        client.take(10_000)
        world.loop.settle()
    assert (tmp_path / "log").read_text().count("/user/alice/x") == 1


def test_a_server_that_goes_while_it_is_connected_to_is_not_counted_for_ever() -> None:
    with World() as world:
        client = world.connect()
        client.inbound += ASK
        client.pump(len(ASK))
        world.loop.settle()
        server = world.accept()
        assert server is not None
        server.end()  # before the proxy's own turn
        world.loop.settle()
        client.take(10_000)
        assert client.sent.startswith(b"HTTP/1.1 503 ")
        assert world.upstreams.open_count == 0


BODY = b"POST /user/alice/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000


def unread(world: World) -> tuple[MemoryTransport, MemoryTransport]:
    """A client that has sent all of its request, and a server that has taken only some of it."""
    client = world.connect()
    client.inbound += BODY
    client.pump(len(BODY))
    world.loop.settle()
    server = world.accept()
    assert server is not None
    world.loop.settle()
    server.take(300)
    assert server.out
    return client, server


def test_a_server_that_answers_before_it_has_read_is_not_asked_again_on_that_connection() -> None:
    with World() as world:
        client, server = unread(world)
        say(world, server, b"HTTP/1.1 413 No\r\nContent-Length: 3\r\n\r\nbig")
        client.take(10_000)
        assert client.sent.endswith(b"big")
        assert server.lost
        assert not client.is_closing(), "the client has sent its request whole and may ask again"


def test_a_server_that_ends_before_it_has_read_is_not_waited_for() -> None:
    with World() as world:
        client, server = unread(world)
        server.end()
        world.loop.settle()
        assert server.lost
        client.take(10_000)
        assert client.sent.startswith(b"HTTP/1.1 502 ")
