"""Start, stop, watch and change servers."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.responses import Response

from perijove.control.people.users import find_person
from perijove.control.servers.ask import ask_delete, ask_start, ask_stop
from perijove.control.servers.naming import ServerChange, change_server, create_server, get_server
from perijove.control.servers.progress import wait_until_settled
from perijove.control.servers.queueing import place_of
from perijove.domain.access import asks_groups, server_resource
from perijove.domain.errors import BadInputError
from perijove.domain.server import Desired, Phase, Server
from perijove.domain.visibility import SERVER_BASE_FIELDS, visible_fields
from perijove.web.api.models import Problem, QueuePlaceModel, ServerModel
from perijove.web.api.progress import event_lines
from perijove.web.api.shown import person_groups, queue_place_model, server_model
from perijove.web.call import Call, json_response
from perijove.web.crowd import CountedStream
from perijove.web.described import EVENTS, Gives, body, gives
from perijove.web.router import Access, Route


class Remove(Struct):
    remove: bool = False


class StartBody(Struct, forbid_unknown_fields=True):
    """What a server is started or made with. A body with neither key is as a whole user_options (JupyterHub's older form)."""

    display_name: str | None = None
    user_options: dict[str, Any] | None = None


class ProgressEvent(Struct):
    """A server-sent event (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

    data: Annotated[str, Meta(extra_json_schema={"contentMediaType": "application/json"})]
    event: str = "message"


class QueueModel(Struct):
    """`queue`: null if the server does not wait."""

    queue: QueuePlaceModel | None


class ServerPatch(Struct, forbid_unknown_fields=True):
    name: str | UnsetType = UNSET
    display_name: str | UnsetType = UNSET
    user_options: dict[str, Any] | UnsetType = UNSET


async def require_on_server(call: Call, scope: str | tuple[str, ...]) -> tuple[str, str]:
    """The names in the path, if the asker holds `scope` (any of several) for that server. Raises what Call.require raises."""
    user, name = call.params["name"], call.params.get("server", "")
    on = server_resource(user, name)
    if asks_groups(call.who.scopes, (scope,) if isinstance(scope, str) else scope, on):
        person = await find_person(call.surface.hub, user)
        on = server_resource(user, name, person_groups(person.user) if person else frozenset())
    call.require(scope, on)
    return user, name


def start_body(raw: Any) -> tuple[str | None, dict[str, Any] | None]:
    """(display_name, user_options) of a start's body. Without either key the whole body is user_options (JupyterHub's older form).

    Raises BadInputError.
    """
    if raw is None:
        return None, None
    if not isinstance(raw, dict):
        raise BadInputError("The body must be a JSON object: user_options, or {display_name, user_options}.")
    if not raw:
        return None, None
    if "display_name" not in raw and "user_options" not in raw:
        return None, raw
    display_name, options = raw.get("display_name"), raw.get("user_options")
    if unknown := set(raw) - {"display_name", "user_options"}:
        raise BadInputError(f"Unknown keys: {', '.join(sorted(unknown))}. Put options into user_options.")
    if not (display_name is None or isinstance(display_name, str)) or not (options is None or isinstance(options, dict)):
        raise BadInputError("display_name must be text, user_options an object.")
    return display_name, options


async def start(call: Call) -> Response:
    user, name = await require_on_server(call, "start:servers")
    display_name, options = start_body(await call.json())
    hub = call.surface.hub
    server = await ask_start(hub, user, name, options=options, display_name=display_name, actor=call.actor)
    present = await wait_until_settled(hub, server, hub.settings.limits.api_wait)
    if present is not None and present.phase is Phase.READY:
        return Response(status_code=201, media_type="text/plain")
    if present is not None and present.phase is Phase.FAILED and present.failure is not None:
        raise _StartFailedError(present.failure.message, present.failure.hint)
    return Response(status_code=202, media_type="text/plain")


class _StartFailedError(BadInputError):
    """The server could not be started; said to the API's caller as JupyterHub does, with status 500."""

    code = "start-failed"
    status = 500


async def read(call: Call) -> Response:
    user, name = await require_on_server(call, "read:servers")
    server = await get_server(call.surface.hub, user, name)
    return json_response(server_model(server, call.surface, _fields(call, server)))


def _fields(call: Call, server: Server) -> frozenset[str]:
    return visible_fields(call.who.scopes, server_resource(server.user_name, server.name)) | SERVER_BASE_FIELDS


async def create(call: Call) -> Response:
    user, name = await require_on_server(call, "start:servers")
    display_name, options = start_body(await call.json())
    server = await create_server(call.surface.hub, user, name, display_name=display_name, options=options, actor=call.actor)
    return json_response(server_model(server, call.surface, _fields(call, server)), 201)


async def patch(call: Call) -> Response:
    user, name = await require_on_server(call, "start:servers")
    body = await call.json_as(ServerPatch, required=True)
    if body.name is UNSET and body.display_name is UNSET and body.user_options is UNSET:
        raise BadInputError("Say what to change: name, display_name or user_options.")
    change = ServerChange(
        name=None if isinstance(body.name, UnsetType) else body.name,
        display_name=None if isinstance(body.display_name, UnsetType) else body.display_name,
        options=None if isinstance(body.user_options, UnsetType) else body.user_options,
    )
    server = await change_server(call.surface.hub, user, name, change, actor=call.actor)
    return json_response(server_model(server, call.surface, _fields(call, server)))


async def stop(call: Call) -> Response:
    user, name = await require_on_server(call, "delete:servers")
    body = await call.json_as(Remove)
    hub = call.surface.hub
    if body.remove and not name:
        raise BadInputError("A default server cannot be removed, only stopped.", "Leave `remove` out.")
    if body.remove:
        server = await ask_delete(hub, user, name, actor=call.actor)
    else:
        server = await ask_stop(hub, user, name, actor=call.actor)
    left = await wait_until_settled(hub, server, hub.settings.limits.api_wait)
    gone = left is None or (left.stopped and left.desired is not Desired.RUNNING)
    return Response(status_code=204 if gone else 202, media_type="text/plain")


async def watch(call: Call) -> Response:
    """Server-sent events of a start."""
    user, name = await require_on_server(call, "read:servers")
    server = await get_server(call.surface.hub, user, name)
    if server.phase in {Phase.STOPPED, Phase.STOPPING}:
        raise BadInputError(f"{server.full_name} is not starting.", "Start it first.")
    return CountedStream(event_lines(call, server), call.surface.crowd, call.who)


async def place(call: Call) -> Response:
    """Asked for much more cheaply than a stream of progress."""
    user, name = await require_on_server(call, "read:servers")
    server = await get_server(call.surface.hub, user, name)
    found = await place_of(call.surface.hub, server.id) if server.phase is Phase.QUEUED else None
    return json_response(QueueModel(queue=None if found is None else queue_place_model(found)))


_STARTED_WITH = body(StartBody, dict[str, Any], required=False)


def _routes(path: str, *, progress: bool = True) -> tuple[Route[Call, Response], ...]:
    api = Access.API
    conflict = gives(409, Problem, meaning="There is such a server already, or it is in a state where this cannot be.")
    return (
        Route(
            method="POST",
            path=path,
            handler=start,
            access=api,
            summary="Start a server",
            scopes=("start:servers",),
            takes=_STARTED_WITH,
            gives=(
                gives(201, meaning="It is ready."),
                gives(202, meaning="It is being started."),
                conflict,
                gives(500, Problem, meaning="It could not be started; `message` says why."),
            ),
        ),
        Route(method="GET", path=path, handler=read, access=api, summary="One server", scopes=("read:servers",), gives=(gives(200, ServerModel),)),
        Route(
            method="PUT",
            path=path,
            handler=create,
            access=api,
            summary="Create a server without starting it",
            scopes=("start:servers",),
            takes=_STARTED_WITH,
            gives=(gives(201, ServerModel), conflict),
        ),
        Route(
            method="PATCH",
            path=path,
            handler=patch,
            access=api,
            summary="Change a stopped server",
            scopes=("start:servers",),
            takes=body(ServerPatch),
            gives=(gives(200, ServerModel), conflict),
        ),
        Route(
            method="DELETE",
            path=path,
            handler=stop,
            access=api,
            summary="Stop a server",
            scopes=("delete:servers",),
            takes=body(Remove, required=False),
            gives=(gives(204, meaning="It is stopped."), gives(202, meaning="It is being stopped."), conflict),
        ),
        *(_progress(path) if progress else ()),
    )


def _progress(path: str) -> tuple[Route[Call, Response], ...]:
    return (
        Route(
            method="GET",
            path=path + "/progress",
            handler=watch,
            access=Access.API,
            summary="Progress of a start",
            scopes=("read:servers",),
            gives=(
                Gives(
                    200,
                    (ProgressEvent,),
                    "Events, whose data are JSON objects with `progress` (percent), `message`, in the queue `queue` (the place), and at the end `ready` or `failed`.",
                    EVENTS,
                ),
            ),
        ),
    )


def _place(path: str) -> Route[Call, Response]:
    return Route(
        method="GET",
        path=path + "/queue",
        handler=place,
        access=Access.API,
        summary="A server's place in the queue",
        scopes=("read:servers",),
        gives=(gives(200, QueueModel),),
    )


ROUTES = (
    _place("/api/perijove/users/{name}/server"),
    _place("/api/perijove/users/{name}/servers/{server}"),
    *_routes("/api/users/{name}/server"),
    *_routes("/api/users/{name}/servers/{server}"),
    *_routes("/api/users/{name}/servers/", progress=False),
)
"""The last are for clients that write the default server's empty name."""
