"""The home page, and the way people are sent to where they want to be."""

from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from perijove.control.people.visits import visits_to
from perijove.control.servers.ask import ask_delete, ask_stop
from perijove.control.servers.extending import extend_server
from perijove.control.servers.naming import create_server
from perijove.control.servers.queueing import place_of
from perijove.domain.errors import BadInputError
from perijove.domain.server import Phase
from perijove.web.call import Call
from perijove.web.pages.own import Target, asks, may_target, target_of
from perijove.web.pages.place import places
from perijove.web.pages.render import page
from perijove.web.pages.shared import shared_rows
from perijove.wire.names import user_segment


def see_other(call: Call, path: str) -> Response:
    """After a form: go to a page of ours. `path` is relative to the hub's prefix."""
    return RedirectResponse(call.surface.prefix + path, 303)


async def root(call: Call) -> Response:
    """Where a visitor without a goal goes."""
    settings = call.surface.hub.settings.hub
    if settings.default_url:
        return RedirectResponse(settings.default_url, 302)
    return RedirectResponse(call.surface.prefix + "home", 302)


async def home(call: Call) -> Response:
    target = await target_of(call, "read:servers")
    person, user = target.person, target.person.user
    named = [
        {
            "server": server,
            "url": call.surface.hub.addresses.server_url(user.name, server.name),
            "path": f"{user_segment(user.name)}/{quote(server.name, safe='@~')}",
            "may_share": may_target(call, "shares", Target(person, server.name, server)),
        }
        for server in person.servers
        if server.name
    ]
    waits = {
        server.name: found
        for server in person.servers
        if server.phase is Phase.QUEUED and (found := await place_of(call.surface.hub, server.id)) is not None
    }
    shared_page, shared = await shared_rows(call)
    return await page(
        call,
        "home.html",
        here="home",
        may_share=may_target(call, "shares", target),
        shared=shared,
        shared_page=shared_page,
        own=user.name == call.who.name,
        owner=user.name,
        owner_segment=user_segment(user.name),
        default=next((server for server in person.servers if not server.name), None),
        default_url=call.surface.hub.addresses.server_url(user.name, ""),
        named=named,
        places=waits,
        grounds=await places(call, person.servers),
        may_extend=may_target(call, "start:servers", target),
        named_allowed=call.surface.hub.settings.limits.named_servers or bool(named),
        asks=asks(call, person),
        visits=await visits_to(call.surface.hub, user.name, [server.name for server in person.servers]),
    )


async def stop(call: Call) -> Response:
    target = await target_of(call, "delete:servers")
    if target.server is not None:
        await ask_stop(call.surface.hub, target.person.user.name, target.name, actor=call.actor)
    return see_other(call, _home_of(call, target.person.user.name))


async def extend(call: Call) -> Response:
    target = await target_of(call, "start:servers")
    by_s = (await call.form()).get("by_s", "")
    if not (by_s.isascii() and by_s.isdigit() and len(by_s) < 9):
        raise BadInputError("By how many seconds?")
    await extend_server(call.surface.hub, target.person.user.name, target.name, int(by_s), actor=call.actor)
    return see_other(call, _home_of(call, target.person.user.name))


async def delete(call: Call) -> Response:
    target = await target_of(call, "delete:servers")
    if not target.name:
        raise BadInputError("A default server cannot be deleted, only stopped.")
    await ask_delete(call.surface.hub, target.person.user.name, target.name, actor=call.actor)
    return see_other(call, _home_of(call, target.person.user.name))


async def add(call: Call) -> Response:
    target = await target_of(call, "start:servers")
    form = await call.form()
    user = target.person.user.name
    await create_server(call.surface.hub, user, form.get("server_name", "").strip(), display_name=None, options=None, actor=call.actor)
    return see_other(call, _home_of(call, user))


def _home_of(call: Call, user: str) -> str:
    return "home" if user == call.who.name else f"home/{user_segment(user)}"
