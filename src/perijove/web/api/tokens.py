"""API tokens of people."""

from msgspec import Struct, field
from starlette.responses import Response

from perijove.control.delegate import effective_scopes, grantable
from perijove.control.tokens import make_token, revoke_token, token_of_user, tokens_of_user
from perijove.domain.errors import BadInputError, NotFoundError
from perijove.domain.token import Token
from perijove.web.api.models import MadeToken, TokenList, TokenModel
from perijove.web.api.shown import token_fields, token_model
from perijove.web.api.users import require_on_user
from perijove.web.call import Call, json_response
from perijove.web.described import body, gives
from perijove.web.router import Access, Route


class NewToken(Struct):
    note: str | None = None
    expires_in: int | float | None = None
    scopes: list[str] | None = None
    roles: list[str] = field(default_factory=list)


async def _models(call: Call, name: str, tokens: list[Token]) -> list[TokenModel]:
    scopes = await effective_scopes(call.surface.hub, tokens, name)
    return [token_model(token, name, held) for token, held in zip(tokens, scopes, strict=True)]


async def list_tokens(call: Call) -> Response:
    name = call.params["name"]
    await require_on_user(call, "read:tokens", name)
    tokens = await tokens_of_user(call.surface.hub, name)
    return json_response(TokenList(await _models(call, name, tokens)))


async def add_token(call: Call) -> Response:
    name, hub = call.params["name"], call.surface.hub
    await require_on_user(call, "tokens", name)
    body = await call.json_as(NewToken)
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
        access=Access.API,
        summary="Make a token",
        scopes=("tokens",),
        takes=body(NewToken, required=False),
        gives=(gives(201, MadeToken),),
    ),
    Route(method="GET", path=_ONE, handler=get_token, access=Access.API, summary="One token", scopes=_READ, gives=(gives(200, TokenModel),)),
    Route(method="DELETE", path=_ONE, handler=delete_token, access=Access.API, summary="Revoke a token", scopes=("tokens",), gives=(gives(204),)),
)
