"""Services: those of JupyterHub's API, and how they are, which is an addition of ours."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field
from starlette.responses import Response

from perijove.control.people.groups import find_service, list_services
from perijove.control.services.registry import NewService, ServiceView, add_service, delete_service, restart_service, service_view, service_views
from perijove.domain.access import may_list, service_resource
from perijove.domain.errors import BadInputError, ConflictError, NotFoundError
from perijove.web.api.models import Moment, Problem, ServiceModel
from perijove.web.api.shown import iso, service_model
from perijove.web.call import Call, json_response
from perijove.web.described import body, gives
from perijove.web.router import Access, Route

READ = ("read:services", "read:services:name", "read:roles:services")


class ServiceSpec(Struct, forbid_unknown_fields=True):
    """An external service. `name` is that of the path, whatever stands here; cwd, environment and user mean nothing without a command."""

    name: str = ""
    admin: bool = False
    url: str = ""
    api_token: str = ""
    info: dict[str, Any] = field(default_factory=dict)
    display: bool = True
    oauth_no_confirm: bool = False
    oauth_client_id: str = ""
    oauth_redirect_uri: str = ""
    oauth_client_allowed_scopes: list[str] = field(default_factory=list)
    command: Annotated[list[str], Meta(max_length=0, description="empty: what the hub runs is in its configuration alone")] = field(
        default_factory=list
    )
    cwd: str = ""
    environment: dict[str, Any] = field(default_factory=dict)
    user: str = ""


class ServiceStateModel(Struct, kw_only=True):
    """How a service is. `state` is that of a managed one's process, null for others; `up` is null until it was asked for the first time."""

    name: str
    kind: Annotated[str, Meta(description="managed, external")]
    state: Annotated[str, Meta(description="running, waiting (for its next start), stopped")] | None
    pid: int
    since: Moment | None
    restarts: Annotated[int, Meta(description="since the hub was started")]
    exit_code: Annotated[int, Meta(description="of the last one that ended; negative: the signal")] | None
    problem: Annotated[str, Meta(description="why it does not run")]
    next_start: Moment | None
    replica: Annotated[str, Meta(description="the hub that runs it")]
    up: Annotated[bool, Meta(description="whether it answers at its url")] | None
    up_since: Annotated[Moment, Meta(description="since when it is up, or down")] | None
    health_problem: str


class ServiceReport(ServiceStateModel, kw_only=True):
    """How a service is, with the end of what it wrote."""

    log: str


async def get_services(call: Call) -> Response:
    verdict, reach = may_list(call.who, "list:services", ("service",))
    verdict.enforce()
    services = await list_services(call.surface.hub)
    return json_response(
        {service.name: service_model(service, call.surface, call.who.scopes) for service in services if reach.all or service.name in reach.services}
    )


async def get_one_service(call: Call) -> Response:
    name = call.params["service"]
    call.require(READ, service_resource(name))
    service = await find_service(call.surface.hub, name)
    if service is None:
        raise NotFoundError("No access to resources or resources not found", f"There is no service {name!r}.")
    return json_response(service_model(service, call.surface, call.who.scopes))


async def post_service(call: Call) -> Response:
    """Add an external service. What it may do, at most, is what the asker may do."""
    name = call.params["service"]
    call.require("admin:services", service_resource(name))
    if await find_service(call.surface.hub, name) is not None:
        raise ConflictError(f"Service {name} already exists")  # before the body is looked at, as JupyterHub does
    raw = await call.json()
    if not raw or not isinstance(raw, dict):
        raise BadInputError("Invalid service data", "Send a JSON object that describes the service.")
    if raw.get("command"):
        raise BadInputError(f"Can not create managed service {name} at runtime", "What the hub runs is in its configuration alone.")
    try:
        spec = msgspec.convert(raw, ServiceSpec)
    except msgspec.ValidationError as error:
        raise BadInputError(f"Bad request body: {error}.") from None
    new = NewService(
        name=name,
        admin=spec.admin,
        url=spec.url,
        api_token=spec.api_token,
        info=spec.info,
        display=spec.display,
        oauth_no_confirm=spec.oauth_no_confirm,
        oauth_client_id=spec.oauth_client_id,
        oauth_redirect_uri=spec.oauth_redirect_uri,
        oauth_client_allowed_scopes=tuple(spec.oauth_client_allowed_scopes),
    )
    service = await add_service(call.surface.hub, new, actor=call.actor, asker=call.who)
    await call.surface.identities.caught_up()
    return json_response(service_model(service, call.surface, call.who.scopes), 201)


async def remove_service(call: Call) -> Response:
    """Delete a service that was added by the API."""
    name = call.params["service"]
    call.require("admin:services", service_resource(name))
    await delete_service(call.surface.hub, name, actor=call.actor)
    await call.surface.identities.caught_up()
    return Response(status_code=200)


async def get_states(call: Call) -> Response:
    verdict, reach = may_list(call.who, "read:services", ("service",))
    verdict.enforce()
    views = await service_views(call.surface.hub)
    return json_response([_state(view) for view in views if reach.all or view.service.name in reach.services])


async def get_state(call: Call) -> Response:
    name = call.params["service"]
    call.require("read:services", service_resource(name))
    view = await service_view(call.surface.hub, name)
    return json_response(ServiceReport(**msgspec.structs.asdict(_state(view)), log=view.output))


async def restart(call: Call) -> Response:
    """End a managed service and start it again; it is done soon after the answer."""
    name = call.params["service"]
    call.require("admin:services", service_resource(name))
    await restart_service(call.surface.hub, name, actor=call.actor)
    return Response(status_code=202)


def _state(view: ServiceView) -> ServiceStateModel:
    managed, run, health = bool(view.service.command), view.state.run, view.health
    return ServiceStateModel(
        name=view.service.name,
        kind="managed" if managed else "external",
        state=run.phase.value if managed else None,
        pid=run.pid,
        since=iso(run.since),
        restarts=run.restarts,
        exit_code=run.exit_code,
        problem=run.problem,
        next_start=iso(run.next_start),
        replica=run.replica,
        up=health.up,
        up_since=iso(health.since),
        health_problem=health.problem,
    )


_ONE = "/api/services/{service}"
_STATE = "/api/perijove/services"
_ADMIN = ("admin:services",)
ROUTES: tuple[Route[Call, Response], ...] = (
    Route(
        method="GET",
        path="/api/services",
        handler=get_services,
        access=Access.API,
        summary="List services",
        scopes=("list:services",),
        gives=(gives(200, dict[str, ServiceModel]),),
    ),
    Route(method="GET", path=_ONE, handler=get_one_service, access=Access.API, summary="One service", scopes=READ, gives=(gives(200, ServiceModel),)),
    Route(
        method="POST",
        path=_ONE,
        handler=post_service,
        access=Access.API,
        summary="Add a service",
        scopes=_ADMIN,
        takes=body(ServiceSpec),
        gives=(gives(201, ServiceModel), gives(409, Problem, meaning="There is such a service already.")),
    ),
    Route(
        method="DELETE",
        path=_ONE,
        handler=remove_service,
        access=Access.API,
        summary="Delete a service",
        scopes=_ADMIN,
        gives=(gives(200), gives(405, Problem, meaning="The service is in the configuration file.")),
    ),
    Route(
        method="GET",
        path=_STATE,
        handler=get_states,
        access=Access.API,
        summary="How services are",
        scopes=("read:services",),
        gives=(gives(200, list[ServiceStateModel]),),
    ),
    Route(
        method="GET",
        path=_STATE + "/{service}",
        handler=get_state,
        access=Access.API,
        summary="How a service is, with the end of its log",
        scopes=("read:services",),
        gives=(gives(200, ServiceReport),),
    ),
    Route(
        method="POST",
        path=_STATE + "/{service}/restart",
        handler=restart,
        access=Access.API,
        summary="Restart a managed service",
        scopes=_ADMIN,
        gives=(gives(202), gives(409, Problem, meaning="The hub does not run this service.")),
    ),
)
