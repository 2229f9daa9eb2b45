"""About the hub itself, and about who asks."""

import platform
import sys

import msgspec
from msgspec import Struct, field
from starlette.responses import Response

from perijove import __version__
from perijove.control.people.groups import find_service
from perijove.control.people.users import find_person
from perijove.domain.errors import NotSignedInError
from perijove.telemetry.metrics import CONTENT_TYPE
from perijove.web.api.models import Problem, SelfService, SelfUser, ServiceModel, UserModel
from perijove.web.api.shown import service_model, user_model
from perijove.web.call import Call, json_response
from perijove.web.credentials import known_browser
from perijove.web.described import TEXT, Gives, gives
from perijove.web.router import Access, Route
from perijove.web.surface import PROTOCOL_VERSION


class Version(Struct):
    """Of JupyterHub's protocol, and of Perijove."""

    version: str
    perijove: str


class Plugin(Struct):
    """A spawner or authenticator."""

    class_: str = field(name="class")
    version: str


class Info(Struct, kw_only=True):
    """What the hub is made of."""

    version: str
    perijove: str
    python: str
    platform: str
    sys_executable: str
    spawner: Plugin
    authenticator: Plugin


async def version(_call: Call) -> Response:
    """The version of JupyterHub whose protocol we speak; readable from any site, as there."""
    return json_response(Version(PROTOCOL_VERSION, __version__), headers={"access-control-allow-origin": "*"})


async def info(call: Call) -> Response:
    call.require("read:hub")
    hub = call.surface.hub
    return json_response(
        Info(
            version=PROTOCOL_VERSION,
            perijove=__version__,
            python=sys.version,
            platform=platform.platform(),
            sys_executable=sys.executable,
            spawner=Plugin(_class_name(hub.spawner), __version__),
            authenticator=Plugin(_class_name(hub.authenticator), __version__),
        )
    )


def _class_name(thing: object) -> str:
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


async def me(call: Call) -> Response:
    """Who the credentials belong to: what every single-user server and service asks for each of its visitors."""
    who, answers = call.who, call.surface.answers
    if (body := answers.get(who)) is not None:
        return Response(body, media_type="application/json")
    turn = answers.turn
    scopes, surface = who.self_scopes(), call.surface
    if who.kind == "user":
        person = await find_person(surface.hub, who.name)
        if person is None:
            raise NotSignedInError("Missing or invalid credentials.")
        model: UserModel | ServiceModel = user_model(person, surface, scopes)
    else:
        service = await find_service(surface.hub, who.name)
        if service is None:
            raise NotSignedInError("Missing or invalid credentials.")
        model = service_model(service, surface, scopes)
    kind = SelfUser if who.kind == "user" else SelfService
    token_id = None if who.token_id is None else f"a{who.token_id}"
    known = kind(
        **msgspec.structs.asdict(model), token_id=token_id, session_id=None if token_id is None else who.session_id, scopes=who.scopes.sorted_names()
    )
    body = msgspec.json.encode(known)
    answers.put(who, turn, body)
    return Response(body, media_type="application/json")


async def health(_call: Call) -> Response:
    return Response(media_type="text/plain")


async def metrics(call: Call) -> Response:
    if call.surface.hub.settings.metrics.authenticate:
        await known_browser(call)
        call.require("read:metrics")
    return Response(call.surface.metrics.render(), media_type=CONTENT_TYPE)


_METRICS = (Gives(200, (str,), "Text, in Prometheus' format.", TEXT), gives(403, Problem))
ROUTES: tuple[Route[Call, Response], ...] = (
    Route(method="GET", path="/api", handler=version, access=Access.OPEN, summary="Version", gives=(gives(200, Version),)),
    Route(method="GET", path="/api/info", handler=info, access=Access.API, summary="About the hub", scopes=("read:hub",), gives=(gives(200, Info),)),
    Route(method="GET", path="/api/user", handler=me, access=Access.API, summary="Who am I", gives=(gives(200, SelfUser, SelfService),)),
    Route(method="GET", path="/api/health", handler=health, access=Access.OPEN, summary="Alive", gives=(gives(200),)),
    Route(method="GET", path="/health", handler=health, access=Access.OPEN, summary="Alive", gives=(gives(200),)),
    Route(
        method="GET",
        path="/api/metrics",
        handler=metrics,
        access=Access.OPEN,
        summary="Prometheus metrics",
        scopes=("read:metrics",),
        gives=_METRICS,
    ),
    Route(method="GET", path="/metrics", handler=metrics, access=Access.OPEN, summary="Prometheus metrics", scopes=("read:metrics",), gives=_METRICS),
)
