"""What is shared with a person or group: see it, give it up."""

from starlette.responses import Response

from perijove.control.sharing.shares import Place, find_share, leave, shared_with
from perijove.domain.access import group_resource
from perijove.domain.share import Recipient
from perijove.web.api.models import ShareModel
from perijove.web.api.paging import PAGING, Paged, paged, window
from perijove.web.api.shown import share_model
from perijove.web.api.users import require_on_user
from perijove.web.call import Call, json_response
from perijove.web.described import gives
from perijove.web.router import Access, Route


async def _holder(call: Call, *, read: bool) -> Recipient:
    """The person or group in the path, if the asker may. Raises what Call.require raises."""
    name = call.params.get("name")
    if name is not None:
        await require_on_user(call, "read:users:shares" if read else "users:shares", name)
        return Recipient("user", name)
    group = call.params["group"]
    call.require("read:groups:shares" if read else "groups:shares", group_resource(group))
    return Recipient("group", group)


def _place(call: Call) -> Place:
    return Place(call.params["owner"], call.params.get("server", ""))


async def list_shared(call: Call) -> Response:
    holder = await _holder(call, read=True)
    part = window(call, shaped=True)
    page = await shared_with(call.surface.hub, holder, part.offset, part.limit)
    return paged(call, part, page, [share_model(found, call.surface) for found in page.items])


async def get_shared(call: Call) -> Response:
    holder = await _holder(call, read=True)
    return json_response(share_model(await find_share(call.surface.hub, holder, _place(call)), call.surface))


async def leave_shared(call: Call) -> Response:
    holder = await _holder(call, read=False)
    await leave(call.surface.hub, holder, _place(call), actor=call.actor)
    await call.surface.identities.caught_up()
    return Response(status_code=204)


def _per_holder(path: str, scope: str, whom: str) -> tuple[Route[Call, Response], ...]:
    api, read = Access.API, (f"read:{scope}",)
    return (
        Route(
            method="GET",
            path=path,
            handler=list_shared,
            access=api,
            summary=f"What is shared with {whom}",
            scopes=read,
            query=PAGING,
            gives=(gives(200, Paged[ShareModel]),),
        ),
        *(
            route
            for one in (f"{path}/{{owner}}/", f"{path}/{{owner}}/{{server}}")
            for route in (
                Route(
                    method="GET",
                    path=one,
                    handler=get_shared,
                    access=api,
                    summary=f"What of a server is shared with {whom}",
                    scopes=read,
                    gives=(gives(200, ShareModel),),
                ),
                Route(method="DELETE", path=one, handler=leave_shared, access=api, summary="Give it up", scopes=(scope,), gives=(gives(204),)),
            )
        ),
    )


ROUTES: tuple[Route[Call, Response], ...] = (
    *_per_holder("/api/users/{name}/shared", "users:shares", "a person"),
    *_per_holder("/api/groups/{group}/shared", "groups:shares", "a group"),
)
