"""A server that breaks the rules, by accident or not, harms nobody but those who asked it just then."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from .h11_reading import read_answers
from .harness import Proxy, StartProxy
from .hostile_answers import BROKEN, CHUNKS, ENDS, FIELDS, INTERIM, LINES, Hostile
from .raw_http import Client, until

CASES = LINES + FIELDS + CHUNKS + ENDS + INTERIM


class Backend:
    """Answers /hostile as told and other requests honestly, on the same kept connections."""

    def __init__(self, case: Hostile, step: int) -> None:
        self.case = case
        self.step = step
        self.served: list[bytes] = []
        self.late: asyncio.StreamWriter | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._server.close()
        for writer in self._open:
            writer.transport.abort()
        await until(lambda: not self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                target = head.split(b" ", 2)[1]
                self.served.append(target)
                if target != b"/hostile":
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(target) + target)
                    continue
                self.late = writer
                for at in range(0, len(self.case.raw), self.step):
                    writer.write(self.case.raw[at : at + self.step])
                    await writer.drain()
                    await asyncio.sleep(0)
                if self.case.close:
                    return
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self._open.discard(writer)


@pytest.fixture
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    backend = Backend(*request.param)
    await backend.start()
    yield backend
    await backend.stop()


async def hear(client: Client, method: bytes) -> tuple[str, bytes]:
    """What the client is told, and all of its bytes: status and body, or BROKEN."""
    heard, ended = b"", False
    async with asyncio.timeout(10):
        while not (answers := read_answers(heard, [method], ended=ended))[0] and not ended:
            piece = await client.reader.read(1 << 20)
            heard += piece
            ended = not piece
    if not answers[0]:
        return BROKEN, heard
    assert not answers[1], (answers[1], heard)
    (answer,) = answers[0]
    if answer.status == 502:
        assert b"application/json" in heard
        return "502", heard
    return f"{answer.status} {answer.body.decode()}", heard


async def ask_for_own(client: Client, target: bytes) -> None:
    answer = await client.ask(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (answer.status, answer.body) == (200, target)


def by_h11(case: Hostile) -> str:
    """The same from h11, had it been the client."""
    answers, wrong = read_answers(case.raw, [case.method], ended=case.close)
    if answers:
        return f"{answers[0].status} {answers[0].body.decode()}"
    return "refused" if wrong else BROKEN


def test_no_name_is_used_twice() -> None:
    assert len({case.name for case in CASES}) == len(CASES) > 100


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_expected_is_what_h11_reads_or_less(case: Hostile) -> None:
    assert case.want in {"502", BROKEN, by_h11(case)}


PARAMETERS = [(case, step) for case in CASES for step in (1 << 20, 1) if step > 1 or len(case.raw) < 1000]


@pytest.mark.parametrize("backend", PARAMETERS, ids=[f"{case.name}, {step}" for case, step in PARAMETERS], indirect=True)
async def test_the_client_sees_an_answer_or_that_there_is_none_and_others_see_their_own(start_proxy: StartProxy, backend: Backend) -> None:
    case = backend.case
    proxy: Proxy = await start_proxy(hubs=(backend.url,), follow=False)
    client, other = await proxy.client(), await proxy.client()
    try:
        await ask_for_own(client, b"/before")  # so that there is a kept connection
        length = b"Content-Length: 100000\r\n" if case.method == b"POST" else b""
        client.send(case.method + b" /hostile HTTP/1.1\r\nHost: a\r\n" + length + b"\r\n")
        told, heard = await hear(client, case.method)
        assert told == case.want or (told == "502" and case.want == BROKEN and backend.step > 1), heard
        assert b"evil" not in heard
        if told.startswith("204") or case.name.startswith("interim"):
            assert b"transfer-encoding" not in heard.lower(), "RFC 9112, section 6.1: never in 1xx and 204"
        if case.late:
            assert backend.late is not None
            await until(proxy.worker.upstreams.connections)
            backend.late.write(case.late)
            await until(lambda: not proxy.worker.upstreams.connections(), "bytes that nobody asked for end the connection they come on")
        await ask_for_own(other, b"/other/1")
        await ask_for_own(other, b"/other/2")
        if told != BROKEN and b"Connection: close" not in heard:
            await ask_for_own(client, b"/after")
        assert backend.served.count(b"/hostile") == 1 or (not case.raw and backend.served.count(b"/hostile") == 2)
    finally:
        client.abort()
        other.abort()
