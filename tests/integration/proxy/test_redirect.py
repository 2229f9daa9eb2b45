"""The plain port over real connections."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from perijove.proxy import redirect as module
from perijove.proxy.redirect import Redirect

from .raw_http import Client, reset, until

GET = b"GET /x HTTP/1.1\r\nHost: hub.example.org\r\n\r\n"


@pytest.fixture
async def redirect() -> AsyncIterator[tuple[Redirect, int]]:
    """It, and its port."""
    made = Redirect(443)
    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
    yield made, server.sockets[0].getsockname()[1]
    server.close()
    made.abort()
    await until(lambda: not made.visits)


async def test_a_request_in_pieces_is_answered_once_and_the_connection_ends(redirect: tuple[Redirect, int]) -> None:
    client = await Client.connect(redirect[1])
    for byte in GET + GET:
        client.send(bytes([byte]))
        await asyncio.sleep(0)
    answer = await client.answer()
    assert (answer.status, answer.header("Location")) == (308, "https://hub.example.org/x")
    assert await client.rest() == b""
    client.abort()
    await until(lambda: not redirect[0].visits)


async def test_who_sends_a_body_still_reads_the_answer(redirect: tuple[Redirect, int]) -> None:
    client = await Client.connect(redirect[1])
    client.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100_000)
    assert (await client.answer("POST")).status == 308
    client.send(b"x" * 100_000)
    assert await client.rest() == b""
    client.abort()


@pytest.mark.parametrize("data", [b"GET /" + b"x" * 70_000, b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 10_000])
async def test_a_head_without_end_is_refused(redirect: tuple[Redirect, int], data: bytes) -> None:
    client = await Client.connect(redirect[1])
    client.send(data)
    assert (await client.answer()).status == 431
    client.abort()


async def test_a_flood_after_the_answer_is_cut_off(redirect: tuple[Redirect, int]) -> None:
    client = await Client.connect(redirect[1])
    client.send(GET)
    assert (await client.answer()).status == 308
    async with asyncio.timeout(10):
        while redirect[0].visits:
            client.send(b"x" * 65536)
            await asyncio.sleep(0.001)
    client.abort()


async def test_who_says_nothing_is_not_waited_for(redirect: tuple[Redirect, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_VISIT_S", 0.05)
    client = await Client.connect(redirect[1])
    client.send(GET[:-1])
    assert await client.rest() == b""
    client.abort()


async def test_there_is_room_for_so_many_only_and_it_comes_free_again(redirect: tuple[Redirect, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_VISITS", 3)
    made, port = redirect
    clients = [await Client.connect(port) for _ in range(3)]
    await until(lambda: len(made.visits) == 3)
    beyond = await Client.connect(port)
    assert await beyond.rest() == b""
    beyond.abort()
    reset(clients[0].writer)
    await until(lambda: len(made.visits) == 2)
    late = await Client.connect(port)
    assert (await late.ask(GET)).status == 308
    for client in (*clients, late):
        client.abort()
