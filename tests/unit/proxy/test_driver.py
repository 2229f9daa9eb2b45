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
        assert client.is_closing()
        assert not client.lost, "what it has been sent may still arrive"
        world.wait(LIMITS.send_s + 2)
        world.check_empty()


def test_an_answer_that_breaks_off_is_in_the_access_log(tmp_path: Path) -> None:
    with World(access_log=str(tmp_path / "log")) as world:
        client, server = ask(world)
        say(world, server, b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello")
        server.reset()
        world.loop.settle()
        client.take(10_000)
        world.loop.settle()
    assert (tmp_path / "log").read_text().count("/user/alice/x") == 1
