"""Whoever still waits when the hub must end is told so."""

import asyncio
from pathlib import Path

import pytest
from starlette.responses import Response

from perijove.web.call import Call
from perijove.web.router import Access, Route

from .front import open_front


@pytest.mark.parametrize("ending", [True, False])
async def test_a_request_that_is_cut_short_is_answered_if_the_hub_ends(tmp_path: Path, *, ending: bool) -> None:
    begun = asyncio.Event()

    async def endless(_: Call) -> Response:
        begun.set()
        await asyncio.Event().wait()
        return Response()

    async with open_front(tmp_path, (Route(method="GET", path="/endless", handler=endless, access=Access.PAGE),)) as front:
        asked = asyncio.create_task(front.client.get("/hub/endless"))
        await begun.wait()
        if ending:
            front.surface.ending.set()
        asked.cancel()
        if ending:
            answer = await asked
            assert (answer.status_code, answer.headers["connection"]) == (503, "close")
        else:
            with pytest.raises(asyncio.CancelledError):
                await asked
