"""One hub takes so much upon itself at once, says so to the others, and always says how it is."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from perijove.domain.access import Identity
from perijove.telemetry.metrics import Metrics
from perijove.web import crowd as crowds
from perijove.web.call import Call
from perijove.web.crowd import CountedStream, Crowd, HubOverloadedError, TooManyStreamsError
from perijove.web.router import Access, Route

from .front import open_front

ALICE, BOB, GRADER = Identity(kind="user", name="alice"), Identity(kind="user", name="bob"), Identity(kind="service", name="alice")


async def test_beyond_the_bound_requests_are_refused_but_those_about_the_hub_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowds, "MOST_REQUESTS", 3)
    go_on, entered = asyncio.Event(), asyncio.Semaphore(0)

    async def slow(_: Call) -> Response:
        entered.release()
        await go_on.wait()
        return Response("done")

    async def health(_: Call) -> Response:
        return Response("well")

    routes = [
        Route(method="GET", path="/slow", handler=slow, access=Access.PAGE),
        Route(method="GET", path="/api/slow", handler=slow, access=Access.API),
        Route(method="GET", path="/health", handler=health, access=Access.OPEN),
    ]
    async with open_front(tmp_path, routes) as front:
        begun = [asyncio.create_task(front.client.get("/hub/slow")) for _ in range(3)]
        for _ in begun:
            await asyncio.wait_for(entered.acquire(), 10)
        page, program = await front.client.get("/hub/slow"), await front.client.get("/hub/api/slow")
        assert (page.status_code, program.status_code, program.json()["code"]) == (503, 503, "hub-overloaded")
        assert "too much to do" in page.text
        assert page.headers["refresh"] == page.headers["retry-after"]
        assert 3 <= int(program.headers["retry-after"]) <= 9
        assert (await front.client.get("/hub/health")).text == "well"
        said = front.surface.metrics.render().decode()
        assert "x_requests_open 3.0" in said
        assert 'x_requests_refused_total{reason="requests"} 2.0' in said
        go_on.set()
        assert [(await each).text for each in begun] == ["done"] * 3
        assert (await front.client.get("/hub/slow")).text == "done"
        assert front.surface.crowd.requests == 0


async def _endless() -> AsyncIterator[bytes]:
    yield b"data: 1\n\n"
    await asyncio.Event().wait()


async def _send(_: MutableMapping[str, Any]) -> None:
    """To a client that reads."""


async def _receive() -> MutableMapping[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError


def _sent(crowd: Crowd, who: Identity) -> "asyncio.Task[None]":
    return asyncio.create_task(CountedStream(_endless(), crowd, who)({"type": "http", "asgi": {}}, _receive, _send))


async def test_streams_are_bounded_for_each_and_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowds, "MOST_STREAMS", 5)
    monkeypatch.setattr(crowds, "MOST_STREAMS_EACH", 3)
    crowd = Crowd(Metrics("x_"))
    sent = [_sent(crowd, ALICE) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyStreamsError):
        CountedStream(_endless(), crowd, ALICE)
    sent += [_sent(crowd, BOB), _sent(crowd, GRADER)]
    await asyncio.sleep(0)
    for who in (ALICE, BOB):
        with pytest.raises(HubOverloadedError):
            CountedStream(_endless(), crowd, who)
    for each in sent:
        each.cancel()
    await asyncio.wait(sent)
    assert crowd.streams == 0
    again = _sent(crowd, ALICE)
    await asyncio.sleep(0)
    assert crowd.streams == 1
    again.cancel()
    await asyncio.wait({again})
