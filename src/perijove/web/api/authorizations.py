"""What JupyterHub's old services ask: whose a token or a cookie is, and leave to open somebody's server. Deprecated there since 2.0.

Tokens and cookies stand in the address here, so neither the hub's log nor the proxy's access log writes these addresses down whole.
"""

from starlette.responses import Response

from perijove.control.people.groups import find_service
from perijove.control.people.users import find_person
from perijove.domain.access import Identity
from perijove.domain.errors import ForbiddenError, NotFoundError, NotSignedInError
from perijove.web.api.models import Problem, ServiceModel, UserModel
from perijove.web.api.shown import service_model, user_model
from perijove.web.api.users import require_on_user
from perijove.web.call import Call, json_response
from perijove.web.cookies import SESSION
from perijove.web.described import gives
from perijove.web.router import Access, Route
from perijove.wire.scopes import Scopes

THEIR_COOKIE = "jupyterhub-hub-login"
"""JupyterHub's name of the sign-in cookie. Ours counts under either."""
_USE_INSTEAD = "Ask GET /hub/api/user, with the token in the Authorization header."


async def whose_token(call: Call) -> Response:
    """Whoever sends any valid token may ask. The answer shows what the asker's scopes see of the owner, the name and groups in any case."""
    asker = _asker(call)
    owner = await call.surface.identities.of_token(call.params["token"])
    if owner is None:
        raise NotFoundError("There is no such token.", "It is unknown, expired or revoked.")
    return await _shown(call, owner, asker.scopes | Scopes.of(owner.owner.identify_scopes))


async def whose_cookie(call: Call) -> Response:
    """Whoever sends any valid token may ask. The answer shows what the asker's scopes see of the person. Servers and services never get this cookie."""
    asker = _asker(call)
    value = call.params.get("value") or (await call.body()).decode("latin-1")
    names = {THEIR_COOKIE, SESSION, f"__Host-{SESSION}"}
    browser = await call.surface.identities.of_browser(value) if value and call.params["cookie"] in names else None
    if browser is None:
        raise NotFoundError("There is no such sign-in.", "The cookie is unknown, or the person has signed out.")
    return await _shown(call, browser.identity, asker.scopes)


def _asker(call: Call) -> Identity:
    """Raises NotSignedInError for a browser's cookie: what stands in an address must not be looked up from another site's page."""
    if call.who.token_id is None:
        raise NotSignedInError("Missing or invalid credentials.", "Send a valid token.")
    return call.who


async def _shown(call: Call, owner: Identity, scopes: Scopes) -> Response:
    hub = call.surface.hub
    model: UserModel | ServiceModel | None = None
    if owner.kind == "user":
        person = await find_person(hub, owner.name)
        model = None if person is None else user_model(person, call.surface, scopes)
    elif (service := await find_service(hub, owner.name)) is not None:
        model = service_model(service, call.surface, scopes)
    if model is None:
        raise NotFoundError("Nobody owns it any more.")
    return json_response(model, headers={"cache-control": "no-store"})


async def removed(_call: Call) -> Response:
    """JupyterHub 2.0 removed it."""
    raise NotFoundError("Tokens are not made here any more.", "Use POST /hub/api/users/NAME/tokens instead.")


async def admin_access(call: Call) -> Response:
    """Answers 403 to everybody, as JupyterHub does: to open somebody's server takes `access:servers` and nothing else."""
    await require_on_user(call, "servers", call.params["name"])
    raise ForbiddenError("admin access to user servers disabled", "There is nothing to ask for: whoever holds access:servers just opens the server.")


ROUTES: tuple[Route[Call, Response], ...] = (
    Route(
        method="GET", path="/api/authorizations/token/{token}", handler=whose_token, access=Access.API, summary="Whose token (deprecated)",
        gives=(gives(200, UserModel, ServiceModel), gives(403, Problem), gives(404, Problem, meaning=_USE_INSTEAD)),
    ),
    Route(
        method="GET", path="/api/authorizations/cookie/{cookie}/{value}", handler=whose_cookie, access=Access.API,
        summary="Whose sign-in (deprecated)", gives=(gives(200, UserModel), gives(403, Problem), gives(404, Problem)),
    ),
    Route(
        method="GET", path="/api/authorizations/cookie/{cookie}", handler=whose_cookie, access=Access.API,
        summary="Whose sign-in, with the cookie in the body (deprecated)", gives=(gives(200, UserModel), gives(403, Problem), gives(404, Problem)),
    ),
    Route(
        method="POST", path="/api/authorizations/token", handler=removed, access=Access.OPEN, summary="Not needed any more: make a token elsewhere",
        gives=(gives(404, Problem),),
    ),
    Route(
        method="POST", path="/api/users/{name}/admin-access", handler=admin_access, access=Access.API, summary="Not needed any more (deprecated)",
        scopes=("servers",), gives=(gives(403, Problem),),
    ),
)  # fmt: skip
