"""Where the document is served: for programs at /api/openapi.json, for people at /api-docs."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
from starlette.responses import Response

from perijove.web.call import Call
from perijove.web.described import Gives
from perijove.web.openapi.document import document
from perijove.web.openapi.reading import chapters, models
from perijove.web.pages.render import page
from perijove.web.router import Access, Route
from perijove.web.surface import Surface

OPENAPI = "/api/openapi.json"


def openapi_routes(routes: Iterable[Route[Call, Response]], surface: Surface) -> tuple[Route[Call, Response], ...]:
    """The routes that tell about `routes` and themselves. The document is made once, when it is first
    asked for: nothing of it changes while the hub runs, and its start should not wait for it."""

    @cache
    def found() -> dict[str, Any]:
        return document((*told, own), scopes, surface.prefix)

    @cache
    def encoded() -> bytes:
        return msgspec.json.encode(found())

    async def openapi(_call: Call) -> Response:
        """This document; any page may read it."""
        return Response(encoded(), media_type="application/json", headers={"access-control-allow-origin": "*"})

    async def read(call: Call) -> Response:
        """The same for people, a chapter for each kind of thing; `q` in the query shows what has all its words."""
        wanted = call.request.query_params.get("q", "")[:200]
        return await page(call, "api.html", q=wanted, chapters=chapters(found(), wanted), models=models(found()), title=found()["info"])

    own = Route(
        method="GET",
        path=OPENAPI,
        handler=openapi,
        access=Access.OPEN,
        summary="This document",
        gives=(Gives(200, (dict,), "OpenAPI 3.1"),),
    )
    scopes = {name: known.description for name, known in surface.hub.catalog.definitions.items()}
    told = tuple(routes)
    return own, Route(method="GET", path="/api-docs", handler=read, access=Access.VISIT, summary="The API, to read")
