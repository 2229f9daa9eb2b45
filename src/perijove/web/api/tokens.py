"""API tokens of people."""

from typing import Annotated, Any

from msgspec import Meta, Struct
from starlette.responses import Response

from perijove.control.access.delegate import effective_scopes, grantable
from perijove.control.access.tokens import make_token, revoke_token, token_of_user, tokens_of_user
from perijove.control.people.sessions import end_session
from perijove.control.people.sign_in import begin, finish
from perijove.control.people.users import get_person
from perijove.domain.errors import BadInputError, ForbiddenError, NotFoundError, NotSignedInError
from perijove.domain.token import Token
from perijove.ports.authenticator import Credentials, Form
from perijove.web.api.models import MadeToken, Problem, TokenList, TokenModel
from perijove.web.api.shown import token_fields, token_model
from perijove.web.api.users import require_on_user
from perijove.web.call import Call, json_response
from perijove.web.credentials import identify
from perijove.web.described import body, gives
from perijove.web.json_body import decoded
from perijove.web.router import Access, Route
from perijove.web.sign_in_request import sign_in_request


class NewToken(Struct):
    note: str | None = None
    expires_in: int | None = None
    scopes: list[str] | None = None
    roles: list[str] | None = None
    auth: Annotated[Any, Meta(description="what the person signs in with (username, password), where no other credentials are sent")] = None


async def _models(call: Call, name: str, tokens: list[Token]) -> list[TokenModel]:
    scopes = await effective_scopes(call.surface.hub, tokens, name)
    return [token_model(token, name, held) for token, held in zip(tokens, scopes, strict=True)]


async def list_tokens(call: Call) -> Response:
    name = call.params["name"]
    await require_on_user(call, "read:tokens", name)
    tokens = sorted(await tokens_of_user(call.surface.hub, name), key=lambda token: token.last_activity or token.created)
    return json_response(TokenList(await _models(call, name, tokens)))


async def add_token(call: Call) -> Response:
    """With credentials of its own or, where none are sent, with what the person signs in with as `auth` in the body."""
    name, hub = call.params["name"], call.surface.hub
    raw = await _identified(call)
    try:
        await require_on_user(call, "tokens", name)
        await get_person(hub, name)
    except NotFoundError:
        raise ForbiddenError(f"There is no user {name!r}, or you may not make tokens for them.") from None
    body: NewToken = decoded(raw or b"{}", NewToken)
    if body.scopes is not None and body.roles:
        raise BadInputError("Give scopes or roles, not both.")
    scopes = await grantable(hub, name, call.who, scopes=body.scopes, roles=body.roles)
    note = body.note or (
        "Requested via api" if call.who.kind == "user" and call.who.name == name else f"Requested via api by {call.who.kind} {call.who.name}"
    )
    made = await make_token(hub, name, scopes=scopes, note=note, expires_in_s=body.expires_in, actor=call.who)
    (held,) = await effective_scopes(hub, [made.token], name)
    model = MadeToken(**token_fields(made.token, name, held), token=made.text)
    return json_response(model, 201, {"cache-control": "no-store"})


async def _identified(call: Call) -> bytes:
    """Find out who asks, and read the body. Raises NotSignedInError, ForbiddenError, BadInputError, TooManyAttemptsError."""
    try:
        await identify(call, Access.API)
    except NotSignedInError:
        raw = await call.body()
        fields = _auth_fields(raw)
        if not fields:
            raise
    else:
        return await call.body()
    hub, identities = call.surface.hub, call.surface.identities
    request = sign_in_request(call)
    if not isinstance(await begin(hub, request), Form):
        raise ForbiddenError("Signing in needs a browser here.", "Make the token on the page Tokens.")
    signed_in = await finish(hub, Credentials(fields=fields, request=request), user_agent=call.request.headers.get("user-agent", ""), newcomers=False)
    try:
        browser = await identities.of_browser(signed_in.cookie)
    finally:  # it was for this request only
        await hub.store.write(lambda tx: end_session(tx, signed_in.session, hub.clock.now()))
    call.identity = browser.identity if browser is not None else None
    return raw


def _auth_fields(raw: bytes) -> dict[str, str]:
    """Empty if there are none that could be right. Raises BadInputError for what is no JSON."""
    found = decoded(raw or b"{}")
    auth = found.get("auth") if isinstance(found, dict) else None
    return auth if isinstance(auth, dict) and all(isinstance(value, str) for value in auth.values()) else {}


async def get_token(call: Call) -> Response:
    name = call.params["name"]
    await require_on_user(call, "read:tokens", name)
    token = await token_of_user(call.surface.hub, name, _token_id(call))
    (model,) = await _models(call, name, [token])
    return json_response(model)


async def delete_token(call: Call) -> Response:
    name = call.params["name"]
    await require_on_user(call, "tokens", name)
    await revoke_token(call.surface.hub, name, _token_id(call), actor=call.who)
    await call.surface.identities.caught_up()
    return Response(status_code=204)


def _token_id(call: Call) -> int:
    """ "a12" -> 12. Raises NotFoundError."""
    text = call.params["token_id"]
    if not (text.startswith("a") and text[1:].isascii() and text[1:].isdigit() and len(text) < 18):
        raise NotFoundError(f"There is no token {text!r}.", "A token's id looks like a12.")
    return int(text[1:])


_PATH = "/api/users/{name}/tokens"
_ONE = _PATH + "/{token_id}"
_READ = ("read:tokens",)
ROUTES: tuple[Route[Call, Response], ...] = (
    Route(method="GET", path=_PATH, handler=list_tokens, access=Access.API, summary="List tokens", scopes=_READ, gives=(gives(200, TokenList),)),
    Route(
        method="POST",
        path=_PATH,
        handler=add_token,
        access=Access.OPEN,
        summary="Make a token",
        scopes=("tokens",),
        takes=body(NewToken, required=False),
        gives=(gives(201, MadeToken), gives(429, Problem, meaning="Signing in failed too often; the header Retry-After says when to try again.")),
    ),
    Route(method="GET", path=_ONE, handler=get_token, access=Access.API, summary="One token", scopes=_READ, gives=(gives(200, TokenModel),)),
    Route(method="DELETE", path=_ONE, handler=delete_token, access=Access.API, summary="Revoke a token", scopes=("tokens",), gives=(gives(204),)),
)
