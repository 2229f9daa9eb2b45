"""Sharing one's own server: with whom it is shared, with whom it shall be, links to it. And leaving a share of somebody else's."""

import re
from datetime import timedelta

from starlette.responses import Response

from perijove.control.sharing.codes import MadeCode, codes_of_server, make_code, revoke_codes
from perijove.control.sharing.shares import Place, leave, share, shares_of_server, unshare
from perijove.domain.access import user_resource
from perijove.domain.errors import BadInputError, ForbiddenError, NotFoundError, PerijoveError
from perijove.domain.share import Recipient
from perijove.web.call import Call
from perijove.web.pages.home import see_other
from perijove.web.pages.own import Target, target_of
from perijove.web.pages.render import page
from perijove.web.pages.shared import PAGE, page_offset

_AGES = ((3600, "1 hour"), (86400, "1 day"), (604800, "1 week"), (2592000, "1 month"), (31536000, "1 year"))
_LEVELS = (
    ("access", "work in it while it runs", frozenset({"access:servers"})),
    ("servers", "work in it, start and stop it", frozenset({"access:servers", "servers"})),
)
"""What one can choose on the page; by the API there is more."""
_ID = re.compile(r"[0-9]{1,17}")


def _place(target: Target) -> Place:
    return Place(target.person.user.name, target.name)


def _knows(call: Call, kind: str) -> bool:
    """Whether the asker may share by name with anybody but themselves."""
    reach = call.who.scopes.filter_for(f"read:{kind}s:name")
    return reach.all or bool(reach.groups or reach.users - {call.who.name})


async def _page(call: Call, target: Target, *, problem: PerijoveError | None = None, made: MadeCode | None = None) -> Response:
    hub, place = call.surface.hub, _place(target)
    return await page(
        call,
        "share.html",
        status=problem.status if problem else 200,
        title=target.title(call),
        path=target.path,
        shares=await shares_of_server(hub, place, page_offset(call), PAGE),
        codes=await codes_of_server(hub, place, 0, PAGE),
        by_user=_knows(call, "user"),
        by_group=_knows(call, "group"),
        ages=_AGES,
        levels=_LEVELS,
        link=f"{call.public_origin}{made.path(call.surface.base_url)}" if made is not None else "",
        link_ends=made.code.expires_at if made is not None else None,
        problem=problem,
    )


async def show(call: Call) -> Response:
    return await _page(call, await target_of(call, "shares"))


def _recipient(form: dict[str, str]) -> Recipient:
    kind, name = form.get("kind", ""), form.get("who", "").strip()
    if not name or kind not in {"user", "group"}:
        raise BadInputError("Name the person or group to share with.")
    return Recipient("user", name) if kind == "user" else Recipient("group", name)


def _scopes(form: dict[str, str]) -> tuple[str, ...]:
    for value, _, names in _LEVELS:
        if value == form.get("level", "access"):
            return tuple(names)
    raise BadInputError("Choose what the others may do.")


async def add(call: Call) -> Response:
    target, form = await target_of(call, "shares"), await call.form()
    try:
        to = _recipient(form)
        if to == Recipient("user", target.person.user.name):
            raise BadInputError(f"It is {target.title(call)} already.")
        await share(call.surface.hub, call.who, _place(target), to, _scopes(form), actor=call.actor)
    except (BadInputError, ForbiddenError) as error:
        return await _page(call, target, problem=error)
    await call.surface.identities.caught_up()
    return see_other(call, f"share/{target.path}")


async def end(call: Call) -> Response:
    target = await target_of(call, "shares")
    await unshare(call.surface.hub, _place(target), _recipient(await call.form()), (), actor=call.actor)
    await call.surface.identities.caught_up()
    return see_other(call, f"share/{target.path}")


async def add_link(call: Call) -> Response:
    target, form = await target_of(call, "shares"), await call.form()
    try:
        seconds = form.get("expires_in", "")
        if not _ID.fullmatch(seconds):
            raise BadInputError("Choose how long the link works.")
        made = await make_code(
            call.surface.hub, call.who, _place(target), _scopes(form), timedelta(seconds=min(int(seconds), 10**9)), actor=call.actor
        )
    except (BadInputError, ForbiddenError) as error:
        return await _page(call, target, problem=error)
    return await _page(call, target, made=made)


async def end_link(call: Call) -> Response:
    target, code_id = await target_of(call, "shares"), (await call.form()).get("id", "")
    if not _ID.fullmatch(code_id):
        raise NotFoundError("There is no such link.")
    await revoke_codes(call.surface.hub, _place(target), code_id=int(code_id), actor=call.actor)
    return see_other(call, f"share/{target.path}")


async def give_up(call: Call) -> Response:
    """A person leaves a server that was shared with them."""
    me = call.who.name
    call.require("users:shares", user_resource(me))
    place = Place(call.params["name"], call.params.get("server", ""))
    await leave(call.surface.hub, Recipient("user", me), place, actor=call.actor)
    await call.surface.identities.caught_up()
    return see_other(call, "home")
