"""How the whole site stands, for administrators."""

from starlette.responses import Response

from perijove.control.site.standing import standing_of
from perijove.web.call import Call
from perijove.web.pages.render import page


async def show(call: Call) -> Response:
    call.require("admin-ui")
    call.require("read:hub")
    standing = await standing_of(call.surface.hub)
    return await page(call, "standing.html", here="admin", tab="standing", standing=standing)
