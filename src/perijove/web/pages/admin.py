"""The first administration pages: people and their servers, invitations, the audit log."""

from urllib.parse import quote, urlencode

from starlette.responses import Response

from perijove.control.people.accounts import local_accounts
from perijove.control.people.invitations import INVITATION_AGE, invite
from perijove.control.people.removal import delete_person
from perijove.control.people.sessions import block_user, unblock_user
from perijove.control.people.users import Person, add_people, checked_name, get_person, list_people
from perijove.control.servers.ask import ask_start, ask_stop
from perijove.control.site.audit import audit_page
from perijove.domain.access import may, may_change_admin, may_list, server_resource, user_resource
from perijove.domain.errors import BadInputError, PerijoveError
from perijove.domain.page import Page
from perijove.domain.server import Server
from perijove.ports.store.access import UserQuery, Visible
from perijove.web.call import Call
from perijove.web.pages.home import see_other
from perijove.web.pages.own import target_of
from perijove.web.pages.place import places
from perijove.web.pages.render import page
from perijove.wire.names import user_segment
from perijove.wire.scopes import Scopes

PAGE = 50
_STATES = (("", "all"), ("ready", "running"), ("active", "running or on the way"), ("inactive", "none running"))


def _offset(call: Call) -> int:
    text = call.request.query_params.get("offset", "0")
    return min(int(text), 2**31) if text.isascii() and text.isdigit() else 0


def _rows(call: Call, people: Page[Person]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for person in people.items:
        segment = user_segment(person.user.name)
        for number, server in enumerate(person.servers or (None,)):
            name = server.name if server else ""
            rows.append(
                {
                    "user": person.user,
                    "server": server,
                    "first": number == 0,
                    "segment": segment,
                    "path": f"{segment}/{quote(name)}" if name else segment,
                    "label": f"{person.user.name}'s server {name}".strip(),
                    "url": call.surface.hub.addresses.server_url(person.user.name, name),
                }
            )
    return rows


async def _page(call: Call, *, link: str = "", problem: PerijoveError | None = None) -> Response:
    call.require("admin-ui")
    verdict, reach = may_list(call.who, "list:users", ("user", "group"))
    verdict.enforce()
    query = call.request.query_params
    search, state = query.get("q", "").strip(), query.get("state", "")
    state = state if state in dict(_STATES) else ""
    visible = Visible(all=reach.all, users=reach.users, groups=reach.groups)
    people = await list_people(
        call.surface.hub, UserQuery(offset=_offset(call), limit=PAGE, sort="name", search=search, state=state or None, visible=visible)
    )
    hours = int(INVITATION_AGE.total_seconds() // 3600)
    return await page(
        call,
        "admin.html",
        status=problem.status if problem else 200,
        here="admin",
        tab="people",
        q=search,
        state=state,
        states=_STATES,
        page=people,
        rows=_rows(call, people),
        grounds=await places(call, _readable(call, people)),
        page_url=f"?{urlencode({'q': search, 'state': state})}&",
        link=link,
        link_age=f"{hours // 24} days" if hours > 48 else f"{hours} hours",
        problem=problem,
        local_accounts=local_accounts(call.surface.hub),
    )


def _readable(call: Call, page: Page[Person]) -> list[Server]:
    """Whose place the asker may know."""
    return [
        server
        for person in page.items
        for server in person.servers
        if may(call.identity, "read:servers", server_resource(person.user.name, server.name, frozenset(person.user.groups)))
    ]


async def people(call: Call) -> Response:
    return await _page(call)


async def add(call: Call) -> Response:
    call.require("admin:users")
    form = await call.form()
    admin = form.get("admin") == "true"
    try:
        if admin:
            may_change_admin(call.who, "", is_admin=False, becomes_admin=True).enforce()
        await add_people(call.surface.hub, form.get("names", "").split(), admin=admin, actor=call.actor)
    except PerijoveError as error:
        return await _page(call, problem=error)
    return see_other(call, "admin")


async def invite_person(call: Call) -> Response:
    call.require("admin:users")
    form = await call.form()
    admin, name, uses = form.get("admin") == "true", form.get("username", "").strip(), form.get("uses", "1")
    try:
        if admin:
            may_change_admin(call.who, name, is_admin=False, becomes_admin=True).enforce()
        if not uses.isascii() or not uses.isdigit() or not 1 <= int(uses) <= 1000:
            raise BadInputError("A link can be used by 1 to 1000 people.")
        path = await invite(
            call.surface.hub,
            admin=admin,
            user_name=checked_name(name) if name else None,
            reset=False,
            uses=int(uses),
            actor=call.actor,
            within=_reach(call),
        )
    except PerijoveError as error:
        return await _page(call, problem=error)
    return await _page(call, link=call.public_origin + path)


async def reset_password(call: Call) -> Response:
    person = await _person(call)
    may_change_admin(call.who, person.user.name, is_admin=person.user.admin, becomes_admin=person.user.admin).enforce()
    path = await invite(call.surface.hub, admin=False, user_name=person.user.name, reset=True, uses=1, actor=call.actor, within=call.who.scopes)
    return await _page(call, link=call.public_origin + path)


def _reach(call: Call) -> Scopes | None:
    """Whoever gives somebody a password could act as them: only administrators may, beyond what they hold themselves."""
    return None if call.who.admin else call.who.scopes


async def _person(call: Call, scope: str = "admin:users") -> Person:
    name = call.params["name"]
    person = await get_person(call.surface.hub, name)
    call.require(scope, user_resource(name, frozenset(person.user.groups)))
    return person


async def block(call: Call) -> Response:
    person = await _person(call)
    if person.user.name == call.who.name:
        raise BadInputError("You cannot block yourself.", "Another administrator can.")
    may_change_admin(call.who, person.user.name, is_admin=person.user.admin, becomes_admin=person.user.admin).enforce()
    await block_user(call.surface.hub, person.user.name, actor=call.actor)
    await call.surface.identities.caught_up()
    return see_other(call, "admin")


async def unblock(call: Call) -> Response:
    person = await _person(call)
    await unblock_user(call.surface.hub, person.user.name, actor=call.actor)
    return see_other(call, "admin")


async def delete(call: Call) -> Response:
    person = await _person(call, "delete:users")
    if person.user.name == call.who.name:
        raise BadInputError("You cannot delete yourself.", "Another administrator can.")
    may_change_admin(call.who, person.user.name, is_admin=person.user.admin, becomes_admin=person.user.admin).enforce()
    await delete_person(call.surface.hub, person.user.name, actor=call.actor)
    return see_other(call, "admin")


async def start(call: Call) -> Response:
    target = await target_of(call, "start:servers")
    await ask_start(call.surface.hub, target.person.user.name, target.name, options=None, actor=call.actor)
    return see_other(call, "admin")


async def stop(call: Call) -> Response:
    target = await target_of(call, "delete:servers")
    if target.server is not None:
        await ask_stop(call.surface.hub, target.person.user.name, target.name, actor=call.actor)
    return see_other(call, "admin")


async def audit(call: Call) -> Response:
    call.require("admin:users")
    search = call.request.query_params.get("q", "").strip()
    found = await audit_page(call.surface.hub, _offset(call), PAGE, search)
    return await page(call, "audit.html", here="admin", tab="audit", q=search, page=found, page_url=f"?{urlencode({'q': search})}&")
