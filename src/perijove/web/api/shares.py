"""Share servers: with people and groups, and by links. What the owner's side of it sees; the other side is in shared.py."""

import re
from datetime import timedelta
from typing import Annotated

from msgspec import Meta, Struct
from starlette.responses import Response

from perijove.control.sharing.codes import codes_of_owner, codes_of_server, make_code, revoke_codes
from perijove.control.sharing.shares import Place, share, shares_of_owner, shares_of_server, unshare, unshare_all
from perijove.domain.errors import BadInputError, NotFoundError
from perijove.domain.share import CODE_AGE, CODE_AGE_MAX, CODE_AGE_MIN, Recipient
from perijove.web.api.models import Empty, MadeShareCode, ShareCodeModel, ShareModel
from perijove.web.api.paging import PAGING, Paged, paged, window
from perijove.web.api.servers import require_on_server
from perijove.web.api.shown import share_code_fields, share_code_model, share_model
from perijove.web.api.users import require_on_user
from perijove.web.call import Call, json_response
from perijove.web.described import Query, body, gives
from perijove.web.router import Access, Route

_ID = re.compile(r"sc_([0-9]{1,17})")
_Age = Annotated[float, Meta(ge=CODE_AGE_MIN.total_seconds(), le=CODE_AGE_MAX.total_seconds())]


class ShareBody(Struct, forbid_unknown_fields=True):
    """Exactly one of `user` and `group`. Without `scopes`: access alone when granting, everything when revoking."""

    user: str | None = None
    group: str | None = None
    scopes: list[str] | None = None

    @property
    def to(self) -> Recipient:
        """Raises BadInputError."""
        if self.user is not None and self.group is None:
            return Recipient("user", self.user)
        if self.group is not None and self.user is None:
            return Recipient("group", self.group)
        raise BadInputError("Name exactly one of `user` and `group`.")


class CodeBody(Struct, forbid_unknown_fields=True):
    """`expires_in` is in seconds."""

    scopes: list[str] | None = None
    expires_in: _Age = CODE_AGE.total_seconds()


async def _place(call: Call, scope: str) -> Place:
    return Place(*await require_on_server(call, scope))


async def list_of_owner(call: Call) -> Response:
    owner = call.params["name"]
    await require_on_user(call, "read:shares", owner)
    part = window(call, shaped=True)
    page = await shares_of_owner(call.surface.hub, owner, part.offset, part.limit)
    return paged(call, part, page, [share_model(found, call.surface) for found in page.items])


async def list_of_server(call: Call) -> Response:
    place = await _place(call, "read:shares")
    part = window(call, shaped=True)
    page = await shares_of_server(call.surface.hub, place, part.offset, part.limit)
    return paged(call, part, page, [share_model(found, call.surface) for found in page.items])


async def grant(call: Call) -> Response:
    place = await _place(call, "shares")
    body = await call.json_as(ShareBody)
    made = await share(call.surface.hub, call.who, place, body.to, body.scopes or (), actor=call.actor)
    await call.surface.identities.caught_up()
    return json_response(share_model(made, call.surface))


async def revoke(call: Call) -> Response:
    place = await _place(call, "shares")
    body = await call.json_as(ShareBody)
    left = await unshare(call.surface.hub, place, body.to, body.scopes or (), actor=call.actor)
    await call.surface.identities.caught_up()
    return json_response(share_model(left, call.surface) if left is not None else {})


async def revoke_all(call: Call) -> Response:
    place = await _place(call, "shares")
    await unshare_all(call.surface.hub, place, actor=call.actor)
    await call.surface.identities.caught_up()
    return Response(status_code=204)


async def list_codes_of_owner(call: Call) -> Response:
    owner = call.params["name"]
    await require_on_user(call, "read:shares", owner)
    part = window(call, shaped=True)
    page = await codes_of_owner(call.surface.hub, owner, part.offset, part.limit)
    return paged(call, part, page, [share_code_model(code, call.surface) for code in page.items])


async def list_codes_of_server(call: Call) -> Response:
    place = await _place(call, "read:shares")
    part = window(call, shaped=True)
    page = await codes_of_server(call.surface.hub, place, part.offset, part.limit)
    return paged(call, part, page, [share_code_model(code, call.surface) for code in page.items])


async def issue_code(call: Call) -> Response:
    place, surface = await _place(call, "shares"), call.surface
    body = await call.json_as(CodeBody)
    made = await make_code(surface.hub, call.who, place, body.scopes or (), timedelta(seconds=body.expires_in), actor=call.actor)
    path, public = made.path(surface.base_url), surface.hub.addresses.public_url
    full = f"{public}{path}" if public else None
    return json_response(MadeShareCode(**share_code_fields(made.code, surface), code=made.text, accept_url=path, full_accept_url=full))


async def withdraw_codes(call: Call) -> Response:
    """One by `id` or `code` in the query; all of the server's without either."""
    place, query = await _place(call, "shares"), call.request.query_params
    code_id, text = query.get("id"), query.get("code")
    number = _ID.fullmatch(code_id) if code_id is not None else None
    if code_id is not None and number is None:
        raise NotFoundError(f"No code found matching id={code_id}")
    await revoke_codes(call.surface.hub, place, code_id=int(number[1]) if number else None, text=text, actor=call.actor)
    return Response(status_code=204)


_READ, _WRITE = ("read:shares",), ("shares",)
_SHARES = (gives(200, Paged[ShareModel]),)
_CODES = (gives(200, Paged[ShareCodeModel]),)
_WHICH = (Query("id", str, "of the link, like sc_12"), Query("code", str, "of the link; without either all links of the server are taken back"))


def _per_server(path: str) -> tuple[Route[Call, Response], ...]:
    """`path` ends in a slash for the default server."""
    api, one = Access.API, f"/api/shares/{path}"
    codes = f"/api/share-codes/{path}"
    return (
        Route(
            method="GET",
            path=one,
            handler=list_of_server,
            access=api,
            summary="With whom a server is shared",
            scopes=_READ,
            query=PAGING,
            gives=_SHARES,
        ),
        Route(
            method="POST",
            path=one,
            handler=grant,
            access=api,
            summary="Share a server",
            scopes=_WRITE,
            takes=body(ShareBody),
            gives=(gives(200, ShareModel),),
        ),
        Route(
            method="PATCH",
            path=one,
            handler=revoke,
            access=api,
            summary="End or limit one share",
            scopes=_WRITE,
            takes=body(ShareBody),
            gives=(gives(200, ShareModel, Empty),),
        ),
        Route(method="DELETE", path=one, handler=revoke_all, access=api, summary="End all sharing of a server", scopes=_WRITE, gives=(gives(204),)),
        Route(
            method="GET", path=codes, handler=list_codes_of_server, access=api, summary="Links to a server", scopes=_READ, query=PAGING, gives=_CODES
        ),
        Route(
            method="POST",
            path=codes,
            handler=issue_code,
            access=api,
            summary="Make a link to a server",
            scopes=_WRITE,
            takes=body(CodeBody, required=False),
            gives=(gives(200, MadeShareCode),),
        ),
        Route(
            method="DELETE",
            path=codes,
            handler=withdraw_codes,
            access=api,
            summary="Take links back",
            scopes=_WRITE,
            query=_WHICH,
            gives=(gives(204),),
        ),
    )


ROUTES: tuple[Route[Call, Response], ...] = (
    Route(
        method="GET",
        path="/api/shares/{name}",
        handler=list_of_owner,
        access=Access.API,
        summary="What a person shares",
        scopes=_READ,
        query=PAGING,
        gives=_SHARES,
    ),
    Route(
        method="GET",
        path="/api/share-codes/{name}",
        handler=list_codes_of_owner,
        access=Access.API,
        summary="Links to a person's servers",
        scopes=_READ,
        query=PAGING,
        gives=_CODES,
    ),
    *_per_server("{name}/"),
    *_per_server("{name}/{server}"),
)
