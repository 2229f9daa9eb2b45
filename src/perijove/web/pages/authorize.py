"""The question "let this server or service know who you are?"."""

from urllib.parse import urlsplit

from starlette.responses import Response

from perijove.control.access.oauth import Authorization
from perijove.web.call import Call
from perijove.web.pages.render import page


async def authorize_page(call: Call, grant: Authorization) -> Response:
    catalog = call.surface.hub.catalog
    target = urlsplit(grant.redirect_uri)
    what = (
        f"{grant.server.user_name}'s server" if grant.server else f"the service {grant.service.name}" if grant.service else grant.client.description
    )
    # What every token of the client has goes without saying; but a list needs an entry.
    shown = ("inherit",) if "inherit" in grant.scopes else [scope for scope in grant.scopes if scope not in grant.required] or ("(no_scope)",)
    return await page(
        call,
        "authorize.html",
        form_action=f"{target.scheme}://{target.netloc}" if target.netloc else "",
        what=what,
        server_owner=grant.server.user_name if grant.server else "",
        granted=grant.scopes,
        scopes=[(scope, catalog.describe(scope)) for scope in shown],
        action=f"{call.path}?{call.query}",
    )
