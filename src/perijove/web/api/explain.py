"""Why may somebody do something, or why not? An addition of ours to JupyterHub's API."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct
from starlette.responses import Response

from perijove.control.access.explaining import SERVICE, explain_access, explain_to
from perijove.domain.access import service_resource, user_resource
from perijove.domain.errors import BadInputError
from perijove.web.call import Call, json_response
from perijove.web.described import Query, gives
from perijove.web.router import Access, Route

_ASKED = (
    Query("action", Annotated[str, Meta(min_length=1)], "a scope and what for, such as start:servers!user=ada", required=True),
    Query("who", str, "a user's name, or service:NAME; if left out, the asker, with the limits of the token"),
)


class Explained(Struct, kw_only=True):
    """`why` names the role or rule, `scopes` are those that allow it."""

    who: str
    action: str
    allowed: bool
    why: str
    scopes: Sequence[str]


async def explain(call: Call) -> Response:
    """`who` (a name, or service:NAME) and `action` (a scope and what for). About oneself everybody may ask; without `who` the limits of
    the token that is sent count, too."""
    query, asker = call.request.query_params, call.who
    own = asker.name if asker.kind == "user" else f"{SERVICE}{asker.name}"
    who, action = query.get("who", own), query.get("action", "")
    if not action:
        raise BadInputError("The query parameter `action` is missing.", "Say a scope and what for: action=start:servers!user=ada")
    if who != own:
        if who.startswith(SERVICE):
            call.require("admin:services", service_resource(who.removeprefix(SERVICE)))
        else:
            call.require("admin:users", user_resource(who))
    hub = call.surface.hub
    found = await (explain_access(hub, who, action) if "who" in query else explain_to(hub, asker, action))
    return json_response(Explained(who=who, action=action, allowed=found.allowed, why=found.why, scopes=found.scopes))


ROUTES: tuple[Route[Call, Response], ...] = (
    Route(
        method="GET", path="/api/perijove/explain-access", handler=explain, access=Access.API, summary="Why somebody may do something, or may not",
        scopes=("admin:users", "admin:services"),
        query=_ASKED,
        gives=(gives(200, Explained),),
    ),
)  # fmt: skip
