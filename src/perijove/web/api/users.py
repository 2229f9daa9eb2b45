"""People."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType
from starlette.responses import Response

from perijove.control.people.auth_state import auth_state_of, sealed_change
from perijove.control.people.groups import group_exists
from perijove.control.people.removal import delete_person
from perijove.control.people.users import Person, UserChange, add_people, change_user, find_person, get_person, list_people
from perijove.domain.access import Resource, asks_groups, group_resource, may_change_admin, may_list, user_resource
from perijove.domain.errors import BadInputError, ForbiddenError, NotFoundError
from perijove.ports.store.access import UserQuery, Visible
from perijove.web.api.models import Problem, UserModel
from perijove.web.api.paging import PAGING, listed, paged, window
from perijove.web.api.shown import person_groups, user_model
from perijove.web.call import Call, json_response
from perijove.web.described import Query, body, gives
from perijove.web.router import Access, Route

STOPPED = Query("include_stopped_servers", bool | str, "also those of a person's servers that do not run; any text but 0 and false means yes")
LISTING = (
    Query("state", Literal["active", "ready", "inactive"], "people with a server, with one that is ready, or without"),
    Query("sort", Literal["id", "name", "last_activity", "-id", "-name", "-last_activity"], "by what; with `-` the other way round"),
    Query("name_filter", str, "a part of the name, in any case"),
    STOPPED,
    *PAGING,
)
READ = ("read:users", "read:users:name", "read:servers", "read:users:groups", "read:users:activity", "read:roles:users")
FUTURE = timedelta(minutes=59)
"""How far ahead of ours a server's clock may be (JupyterHub's rule)."""


class NewUsers(Struct, forbid_unknown_fields=True):
    usernames: list[str]
    admin: bool = False


class NewUser(Struct):
    admin: bool = False


class UserPatch(Struct, forbid_unknown_fields=True):
    name: str | UnsetType = UNSET
    admin: bool | UnsetType = UNSET
    groups: list[str] | UnsetType = UNSET
    roles: list[str] | UnsetType = UNSET
    auth_state: dict[str, Any] | UnsetType | None = UNSET


class Activity(Struct):
    last_activity: str


class UserActivity(Struct):
    last_activity: str | None = None
    servers: dict[str, Activity] | None = None


async def resource_of(call: Call, name: str, needed: str | tuple[str, ...]) -> Resource:
    """The user as a resource; their groups are looked up only if the answer hangs on them."""
    if not asks_groups(call.who.scopes, (needed,) if isinstance(needed, str) else needed, user_resource(name)):
        return user_resource(name)
    person = await find_person(call.surface.hub, name)
    return user_resource(name, person_groups(person.user) if person else frozenset())


async def require_on_user(call: Call, needed: str | tuple[str, ...], name: str) -> None:
    """Raises what Call.require raises."""
    call.require(needed, await resource_of(call, name, needed))


async def list_users(call: Call) -> Response:
    verdict, reach = may_list(call.who, "list:users", ("user", "group"))
    verdict.enforce()
    query, part = call.request.query_params, window(call)
    sort, state = query.get("sort", "id").strip(), query.get("state") or None
    if sort.removeprefix("-") not in {"id", "name", "last_activity"}:
        raise BadInputError(f"sort must be one of id, name, last_activity (with '-' for descending), not {sort!r}.")
    if state not in {None, "active", "ready", "inactive"}:
        raise BadInputError(f"state must be one of active, ready, inactive, not {state!r}.")
    stopped = query.get("include_stopped_servers", "0").lower() not in {"0", "false"}
    visible = Visible(all=reach.all, users=reach.users, groups=reach.groups)
    wanted = UserQuery(offset=part.offset, limit=part.limit, sort=sort, search=query.get("name_filter", ""), state=state, visible=visible)
    page = await list_people(call.surface.hub, wanted)
    return paged(call, part, page, [user_model(person, call.surface, call.who.scopes, stopped_servers=stopped) for person in page.items])


async def add_users(call: Call) -> Response:
    call.require("admin:users")
    body = await call.json_as(NewUsers)
    if body.admin:
        may_change_admin(call.who, "", is_admin=False, becomes_admin=True).enforce()
    added = await add_people(call.surface.hub, body.usernames, admin=body.admin, actor=call.actor)
    people = (
        [await get_person(call.surface.hub, user.name) for user in added] if len(added) == 1 else await _people(call, [user.name for user in added])
    )
    return json_response([user_model(person, call.surface, call.who.scopes) for person in people], 201)


async def _people(call: Call, names: list[str]) -> list[Any]:
    page = await list_people(call.surface.hub, UserQuery(limit=len(names), visible=Visible(all=False, users=frozenset(names))))
    return list(page.items)


async def add_user(call: Call) -> Response:
    name = call.params["name"]
    call.require("admin:users", user_resource(name))
    body = await call.json_as(NewUser)
    if body.admin:
        may_change_admin(call.who, name, is_admin=False, becomes_admin=True).enforce()
    (user,) = await add_people(call.surface.hub, [name], admin=body.admin, actor=call.actor)
    return json_response(user_model(await get_person(call.surface.hub, user.name), call.surface, call.who.scopes), 201)


async def get_user(call: Call) -> Response:
    name = call.params["name"]
    await require_on_user(call, READ, name)
    person = await get_person(call.surface.hub, name)
    stopped = call.request.query_params.get("include_stopped_servers", "0").lower() not in {"0", "false"}
    return json_response(await _whole(call, person, stopped_servers=stopped))


async def _whole(call: Call, person: Person, *, stopped_servers: bool = False) -> UserModel:
    """With auth_state, for who may see it."""
    model = user_model(person, call.surface, call.who.scopes, stopped_servers=stopped_servers)
    if model.auth_state is not UNSET:
        model.auth_state = await auth_state_of(call.surface.hub, person.user)
    return model


async def patch_user(call: Call) -> Response:
    name = call.params["name"]
    await require_on_user(call, "admin:users", name)
    body = await call.json_as(UserPatch, required=True)
    person = await get_person(call.surface.hub, name)
    becomes = body.admin if isinstance(body.admin, bool) else person.user.admin
    may_change_admin(call.who, name, is_admin=person.user.admin, becomes_admin=becomes).enforce()
    if isinstance(body.groups, list):
        await _require_groups(call, person, body.groups)
    if isinstance(body.roles, list) and not call.who.admin:
        raise ForbiddenError("Only administrators may give roles or take them.")
    change = UserChange(
        name=body.name if isinstance(body.name, str) else None,
        admin=body.admin if isinstance(body.admin, bool) else None,
        groups=frozenset(body.groups) if isinstance(body.groups, list) else None,
        roles=frozenset(body.roles) if isinstance(body.roles, list) else None,
        auth_state=UNSET if body.auth_state is UNSET else sealed_change(call.surface.hub, body.auth_state),
    )
    changed = await change_user(call.surface.hub, name, change, actor=call.actor)
    return json_response(await _whole(call, changed))


async def _require_groups(call: Call, person: Person, groups: list[str]) -> None:
    """Groups bring roles: whoever moves somebody in or out needs to hold those groups. Raises what Call.require raises, BadInputError."""
    for group in sorted(set(person.user.groups) ^ set(groups)):
        call.require("groups", group_resource(group))
        if not await group_exists(call.surface.hub, group):
            raise BadInputError(f"There is no group {group!r}.", "Make it first.")


async def delete_user(call: Call) -> Response:
    name = call.params["name"]
    await require_on_user(call, "delete:users", name)
    if call.who.kind == "user" and call.who.name == name:
        raise BadInputError("Cannot delete yourself!", "Another administrator can.")
    await delete_person(call.surface.hub, name, actor=call.actor)
    return Response(status_code=204)


async def post_activity(call: Call) -> Response:
    name = call.params["name"]
    await require_on_user(call, "users:activity", name)
    body = await call.json_as(UserActivity)
    if body.last_activity is None and not body.servers:
        raise BadInputError("body must contain at least one of: `last_activity`, `servers`")
    now = call.surface.hub.clock.now()
    user_at = None if body.last_activity is None else _moment(body.last_activity, now)
    servers = {server: _moment(entry.last_activity, now) for server, entry in (body.servers or {}).items()}
    try:
        await call.surface.reports.add(name, user_at, servers)
    except NotFoundError as error:
        if await find_person(call.surface.hub, name) is None:
            raise
        raise BadInputError(error.message) from None
    return Response()


def _moment(text: str, now: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter: in UTC it would be before the year 1, or after 9999
        raise BadInputError(f"Not a valid timestamp: {text!r}") from None
    if moment > now + FUTURE:
        raise BadInputError(f"Rejecting timestamp {text} because it is more than an hour in the future.")
    return min(moment, now)


ROUTES: tuple[Route[Call, Response], ...] = (
    Route(
        method="GET",
        path="/api/users",
        handler=list_users,
        access=Access.API,
        summary="List users",
        scopes=("list:users",),
        query=LISTING,
        gives=(listed(UserModel),),
    ),
    Route(
        method="POST",
        path="/api/users",
        handler=add_users,
        access=Access.API,
        summary="Add users",
        scopes=("admin:users",),
        takes=body(NewUsers),
        gives=(gives(201, list[UserModel]), gives(409, Problem, meaning="All of them exist already.")),
    ),
    Route(
        method="GET",
        path="/api/users/{name}",
        handler=get_user,
        access=Access.API,
        summary="One user",
        scopes=READ,
        query=(STOPPED,),
        gives=(gives(200, UserModel),),
    ),
    Route(
        method="POST",
        path="/api/users/{name}",
        handler=add_user,
        access=Access.API,
        summary="Add a user",
        scopes=("admin:users",),
        takes=body(NewUser, required=False),
        gives=(gives(201, UserModel), gives(409, Problem, meaning="There is such a user already.")),
    ),
    Route(
        method="PATCH",
        path="/api/users/{name}",
        handler=patch_user,
        access=Access.API,
        summary="Change a user",
        scopes=("admin:users",),
        takes=body(UserPatch),
        gives=(gives(200, UserModel), gives(409, Problem, meaning="The new name is taken, or a server is in the way.")),
    ),
    Route(
        method="DELETE",
        path="/api/users/{name}",
        handler=delete_user,
        access=Access.API,
        summary="Delete a user",
        scopes=("delete:users",),
        gives=(gives(204), gives(400, Problem, meaning="It is the asker, or a server is still being stopped: ask again.")),
    ),
    Route(
        method="POST",
        path="/api/users/{name}/activity",
        handler=post_activity,
        access=Access.API,
        summary="Report activity",
        scopes=("users:activity",),
        takes=body(UserActivity),
        gives=(gives(200),),
    ),
)
