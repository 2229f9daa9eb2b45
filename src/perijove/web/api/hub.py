"""The hub as a whole: its route table, its end."""

from typing import Any

import structlog
from msgspec import Struct
from starlette.background import BackgroundTask
from starlette.responses import Response

from perijove.control.context import Hub
from perijove.control.routing import wait_for_proxies
from perijove.control.servers.ending import note_shutdown, stop_everything
from perijove.domain.errors import BadInputError
from perijove.web.api.models import Problem
from perijove.web.api.paging import PAGING, window
from perijove.web.call import Call, json_response
from perijove.web.described import body, gives
from perijove.web.ending import ASKED, ASKED_HUB_ALONE, Ending
from perijove.web.router import Access, Route

_log = structlog.get_logger("perijove")


class Shutdown(Struct, forbid_unknown_fields=True):
    """`proxy`: whether the proxy that was started with this hub ends too. `servers`: whether people's servers do."""

    proxy: bool = True
    servers: bool = False


class RouteModel(Struct):
    """One route: a prefix of paths (or host and path) and where it leads."""

    routespec: str
    target: str
    data: dict[str, Any]


async def route_table(call: Call) -> Response:
    """Prefix -> where it leads, in the form of JupyterHub's proxies; sorted, one page of it."""
    call.require("proxy")
    part = window(call)
    shown = await call.surface.hub.store.read(lambda tx: tx.routes.part(part.offset, part.limit))
    return json_response({route.spec: RouteModel(route.spec, route.target, dict(route.data)) for route in shown})


async def sync_proxies(call: Call) -> Response:
    """Proxies follow the table by themselves: this waits until all that live have every route of now."""
    call.require("proxy")
    hub = call.surface.hub
    behind = await wait_for_proxies(hub)
    if behind:
        _log.warning("proxies lag behind the route table", proxies=behind)
    return Response(media_type="text/plain")


async def other_proxy(call: Call) -> Response:
    call.require("proxy")
    raise BadInputError(
        "This hub is not told of its proxies: they follow it by themselves.",
        "Start a proxy with `perijove proxy`, with this hub's address under hubs and the same token in [proxy].",
    )


async def shutdown(call: Call) -> Response:
    call.require("shutdown")
    wanted = await call.json_as(Shutdown)
    hub = call.surface.hub
    await note_shutdown(hub, actor=call.actor, proxy=wanted.proxy, servers=wanted.servers)
    ending = BackgroundTask(_end, hub, call.surface.ending, wanted, call.actor)
    return Response(status_code=202, media_type="text/plain", background=ending)


async def _end(hub: Hub, ending: Ending, wanted: Shutdown, actor: str) -> None:
    left = await stop_everything(hub, actor=actor) if wanted.servers else 0
    if left:
        _log.error("servers would not stop in time; they are stopped when a hub is there again", servers=left)
    ending.exit_code = ASKED if wanted.proxy else ASKED_HUB_ALONE
    ending.set()


ROUTES: tuple[Route[Call, Response], ...] = (
    Route(
        method="GET",
        path="/api/proxy",
        handler=route_table,
        access=Access.API,
        summary="The route table",
        scopes=("proxy",),
        query=PAGING,
        gives=(gives(200, dict[str, RouteModel]),),
    ),
    Route(
        method="POST",
        path="/api/proxy",
        handler=sync_proxies,
        access=Access.API,
        summary="Wait until all proxies have every route",
        scopes=("proxy",),
        gives=(gives(200),),
    ),
    Route(
        method="PATCH",
        path="/api/proxy",
        handler=other_proxy,
        access=Access.API,
        summary="Not needed: proxies find their hub",
        scopes=("proxy",),
        gives=(gives(400, Problem),),
    ),
    Route(
        method="POST",
        path="/api/shutdown",
        handler=shutdown,
        access=Access.API,
        summary="End the hub",
        scopes=("shutdown",),
        takes=body(Shutdown, required=False),
        gives=(gives(202),),
    ),
)
