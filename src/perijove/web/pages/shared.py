"""What others share with the person who looks at the home page."""

from typing import Any
from urllib.parse import quote

from perijove.control.sharing.shares import shared_with
from perijove.domain.access import may, server_resource, user_resource
from perijove.domain.page import Page
from perijove.domain.share import Recipient, Share, SharedServer
from perijove.web.call import Call
from perijove.wire.names import user_segment

PAGE = 50


def page_offset(call: Call) -> int:
    """Of a list on a page; 0 for nonsense."""
    text = call.request.query_params.get("offset", "0")
    return min(int(text), 2**31) if text.isascii() and text.isdigit() else 0


def shared_title(server: SharedServer) -> str:
    """ "ada's server", "ada's server lab"."""
    return f"{server.owner}'s server {server.name}" if server.name else f"{server.owner}'s server"


async def shared_rows(call: Call) -> tuple[Page[Share], list[dict[str, Any]]]:
    """What others share with the asker, for the home page; nothing if they may not see it."""
    me = call.who.name
    if not may(call.identity, "read:users:shares", user_resource(me)):
        return Page((), 0, PAGE, 0), []
    found = await shared_with(call.surface.hub, Recipient("user", me), page_offset(call), PAGE)
    return found, [_row(call, one) for one in found.items]


def _row(call: Call, one: Share) -> dict[str, Any]:
    server = one.server
    owner = user_segment(server.owner)
    on = server_resource(server.owner, server.name)
    return {
        "title": shared_title(server),
        "ready": server.ready,
        "url": call.surface.hub.addresses.server_url(server.owner, server.name),
        "path": f"{owner}/{quote(server.name, safe='@~')}" if server.name else owner,
        "group": one.to.name if one.to.kind == "group" else "",
        "may_open": bool(may(call.identity, "access:servers", on)),
        "may_start": bool(may(call.identity, "start:servers", on)),
    }
