"""Groups."""

from typing import Annotated, Any

from msgspec import Meta, Struct, field
from starlette.responses import Response

from perijove.control.people.groups import add_groups, change_members, delete_group, get_group, list_groups, set_properties
from perijove.domain.access import group_resource, may_list
from perijove.domain.errors import BadInputError
from perijove.web.api.models import GroupModel, Problem
from perijove.web.api.paging import PAGING, listed, paged, window
from perijove.web.api.shown import group_model
from perijove.web.call import Call, json_response
from perijove.web.described import body, gives
from perijove.web.router import Access, Route

READ_GROUP = ("read:groups", "read:groups:name", "read:roles:groups")


class NewGroups(Struct, forbid_unknown_fields=True):
    groups: Annotated[list[str], Meta(min_length=1)]
    users: list[str] = field(default_factory=list)


class Members(Struct, forbid_unknown_fields=True):
    users: list[str]


class NewGroup(Struct, forbid_unknown_fields=True):
    users: list[str] = field(default_factory=list)
    name: str = ""
    roles: list[str] = field(default_factory=list)


async def get_groups(call: Call) -> Response:
    verdict, reach = may_list(call.who, "list:groups", ("group",))
    verdict.enforce()
    part = window(call)
    page = await list_groups(call.surface.hub, part.offset, part.limit, None if reach.all else reach.groups)
    return paged(call, part, page, [group_model(group, call.who.scopes) for group in page.items])


async def post_groups(call: Call) -> Response:
    call.require("admin:groups")
    body = await call.json_as(NewGroups)
    added = await add_groups(call.surface.hub, body.groups, body.users, actor=call.actor)
    return json_response([group_model(group, call.who.scopes) for group in added], 201)


async def get_one_group(call: Call) -> Response:
    name = call.params["group"]
    call.require(READ_GROUP, group_resource(name))
    return json_response(group_model(await get_group(call.surface.hub, name), call.who.scopes))


async def post_group(call: Call) -> Response:
    name = call.params["group"]
    call.require("admin:groups", group_resource(name))
    body = await call.json_as(NewGroup)
    (group,) = await add_groups(call.surface.hub, [name], body.users, actor=call.actor)
    return json_response(group_model(group, call.who.scopes), 201)


async def remove_group(call: Call) -> Response:
    name = call.params["group"]
    call.require("delete:groups", group_resource(name))
    await delete_group(call.surface.hub, name, actor=call.actor)
    return Response(status_code=204)


async def add_members(call: Call) -> Response:
    return await _members(call, add=True)


async def remove_members(call: Call) -> Response:
    return await _members(call, add=False)


async def _members(call: Call, *, add: bool) -> Response:
    name = call.params["group"]
    call.require("groups", group_resource(name))
    body = await call.json_as(Members)
    group = await change_members(call.surface.hub, name, body.users, add=add, actor=call.actor)
    return json_response(group_model(group, call.who.scopes))


async def put_properties(call: Call) -> Response:
    name = call.params["group"]
    call.require("groups", group_resource(name))
    properties = await call.json()
    if not isinstance(properties, dict):
        raise BadInputError("The body must be a JSON object: the group's properties.")
    return json_response(group_model(await set_properties(call.surface.hub, name, properties, actor=call.actor), call.who.scopes))


_GROUP = "/api/groups/{group}"
_ADMIN = ("admin:groups",)
_EXISTS = gives(409, Problem, meaning="There is such a group already.")
_THE_GROUP = (gives(200, GroupModel),)
ROUTES: tuple[Route[Call, Response], ...] = (
    Route(
        method="GET",
        path="/api/groups",
        handler=get_groups,
        access=Access.API,
        summary="List groups",
        scopes=("list:groups",),
        query=PAGING,
        gives=(listed(GroupModel),),
    ),
    Route(
        method="POST",
        path="/api/groups",
        handler=post_groups,
        access=Access.API,
        summary="Add groups",
        scopes=_ADMIN,
        takes=body(NewGroups),
        gives=(gives(201, list[GroupModel]), _EXISTS),
    ),
    Route(method="GET", path=_GROUP, handler=get_one_group, access=Access.API, summary="One group", scopes=READ_GROUP, gives=_THE_GROUP),
    Route(
        method="POST",
        path=_GROUP,
        handler=post_group,
        access=Access.API,
        summary="Add a group",
        scopes=_ADMIN,
        takes=body(NewGroup, required=False),
        gives=(gives(201, GroupModel), _EXISTS),
    ),
    Route(
        method="DELETE",
        path=_GROUP,
        handler=remove_group,
        access=Access.API,
        summary="Delete a group",
        scopes=("delete:groups",),
        gives=(gives(204),),
    ),
    Route(
        method="POST",
        path=_GROUP + "/users",
        handler=add_members,
        access=Access.API,
        summary="Add members",
        scopes=("groups",),
        takes=body(Members),
        gives=_THE_GROUP,
    ),
    Route(
        method="DELETE",
        path=_GROUP + "/users",
        handler=remove_members,
        access=Access.API,
        summary="Remove members",
        scopes=("groups",),
        takes=body(Members),
        gives=_THE_GROUP,
    ),
    Route(
        method="PUT",
        path=_GROUP + "/properties",
        handler=put_properties,
        access=Access.API,
        summary="Set properties",
        scopes=("groups",),
        takes=body(dict[str, Any]),
        gives=_THE_GROUP,
    ),
)
