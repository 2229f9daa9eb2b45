"""No client makes the server see a request that is not, by h11's reading, the client's own, in its place, and the proxy's word is its last."""

import asyncio

import pytest

from .h11_reading import Seen, read_answers, read_requests
from .harness import Proxy, StartProxy
from .raw_http import Client, until
from .recorder import Recorder
from .smuggled_bodies import CANARY, CHUNKS, CODINGS, LENGTHS, SMUGGLED, Case, post
from .smuggled_heads import FIELDS, HOSTS, LINES, PIPELINES, TARGETS, UPGRADES, get

CASES = LENGTHS + CODINGS + CHUNKS + LINES + TARGETS + HOSTS + FIELDS + UPGRADES + PIPELINES
LOOSER = {
    # RFC 9112, section 2.2: a server ignores empty lines before a request.
    "line empty before it": get(b"/first"),
    "line empty three times before it": get(b"/first"),
    "pipeline with empty lines": get(b"/x") + get(b"/y"),
    # Browsers encode it, some other clients do not: the proxy does it for them (RFC 3986, section 2.1).
    "target with raw UTF-8": get(b"/%C3%A9"),
    # RFC 9112, section 9.3: HTTP/1.0 has kept connections too. For h11 every one ends.
    "field Connection in HTTP/1.0": get(b"/first"),
    "field Length in HTTP/1.0": post(b"Content-Length: 35", body=SMUGGLED),
    "upgrade in HTTP/1.0": get(b"/first"),
}
"""What h11 refuses and the proxy does not, and the bytes, good for h11, that it must be read as."""
SAID_CLOSE = {
    "line of HTTP/1.0", "host missing in HTTP/1.0", "field Connection close", "field Connection close in a list",
    "field Connection close in two lines", "field Connection that names Connection", "field Connection close in HTTP/1.0",
    "field Connection close and Length", "pipeline behind close", "pipeline behind HTTP/1.0",
}  # fmt: skip


async def send(client: Client, raw: bytes, step: int) -> None:
    """In pieces of `step` bytes, as far as they are taken."""
    for at in range(0, len(raw), step):
        if client.writer.is_closing():
            return
        client.send(raw[at : at + step])
        await asyncio.sleep(0)


async def hear(client: Client, methods: list[bytes], want: str) -> bytes:
    """All that the client is told: up to the end after a refusal, else up to the last answer that is expected, and what comes with it."""
    heard = b""
    expected = [status for status in want.split() if status != "..."]
    refused = expected[-1:] not in ([], ["200"])
    try:
        async with asyncio.timeout(10):
            while refused or len(read_answers(heard, methods, ended=False)[0]) < len(expected):
                piece = await client.reader.read(65536)
                if not piece:
                    return heard
                heard += piece
    except TimeoutError:
        pytest.fail(f"only this was heard: {heard!r}")
    for _ in range(50):  # there must be no more; a failure here would be missed only if it came later than that
        await asyncio.sleep(0)
    return heard + bytes(client.reader._buffer)  # type: ignore[attr-defined]


def test_no_name_is_used_twice() -> None:
    assert len({case.name for case in CASES}) == len(CASES) > 150


# Byte by byte too, but where the client itself said that no more comes: what comes all the same may then meet a connection already closed,
# and with it the answer be lost.
STEPS = [(case, step) for case in CASES for step in (1 << 20, 1) if step > 1 or case.name not in SAID_CLOSE]


@pytest.mark.parametrize(("case", "step"), STEPS, ids=[f"{case.name}, {step}" for case, step in STEPS])
async def test_the_server_sees_what_h11_reads_and_nothing_after_a_refusal(start_proxy: StartProxy, case: Case, step: int) -> None:
    raw = case.raw + CANARY
    step = max(step, len(raw) // 2000)
    by_h11 = read_requests(LOOSER[case.name] + CANARY if case.name in LOOSER else raw)
    async with Recorder() as recorder:
        proxy = await start_proxy(hubs=(recorder.url,), follow=False)
        client = await proxy.client()
        methods = [seen.method for seen in by_h11.requests] + [b"GET"]
        try:
            await send(client, raw, step)
            heard = await hear(client, methods, case.want)
        finally:
            client.abort()
        await until(lambda: not proxy.worker.door.connections)
        await until(lambda: not any(up.exchange for up in proxy.worker.upstreams.connections()))
        assert await another_client(proxy) == b"seen: /another"
        assert recorder.requests.pop().target == b"/another"
        recorder.check()
    statuses = [status for status in case.want.split() if status != "..."]
    answers, wrong = read_answers(heard, methods, ended=False)
    assert [str(answer.status) for answer in answers] == statuses, heard
    assert wrong in {"", "nothing"}, heard
    passed = statuses.count("200")
    assert [answer.body for answer in answers if answer.status == 200] == [
        b"" if seen.method == b"HEAD" else b"seen: " + seen.target for seen in recorder.requests[:passed]
    ], "an answer went to another request"
    assert same(recorder.requests, by_h11.requests[: len(recorder.requests)])
    assert len(recorder.requests) == passed, "the server has seen a request whole that was refused"
    if passed == len(statuses):
        assert passed == len(by_h11.requests), "a request was lost"


def same(by_server: list[Seen], by_h11: list[Seen]) -> bool:
    """A request without Host gets the server's own."""
    assert [seen.without_host() if other.host is None else seen for seen, other in zip(by_server, by_h11, strict=True)] == by_h11
    return True


async def another_client(proxy: Proxy) -> bytes:
    answer = await proxy.get("/another")
    assert answer.status == 200
    return answer.body
