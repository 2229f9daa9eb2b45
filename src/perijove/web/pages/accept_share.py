"""The page behind a link to a shared server: what it gives, and one click to take it."""

from starlette.responses import RedirectResponse, Response

from perijove.control.sharing.codes import accept_code, read_code
from perijove.domain.errors import BadInputError, ForbiddenError, NotFoundError, NotSignedInError
from perijove.domain.share import SharedServer
from perijove.web.call import Call
from perijove.web.pages.render import page
from perijove.web.pages.shared import shared_title
from perijove.web.pages.spawn import next_of


def _visitor(call: Call) -> str:
    if call.session is None or call.who.kind != "user":
        raise NotSignedInError("Only a person who is signed in can use this link.")
    return call.who.name


def _onward(call: Call, server: SharedServer) -> str:
    return next_of(call) or call.surface.hub.addresses.server_url(server.owner, server.name)


def _code(text: str | None) -> str:
    if not text:
        raise BadInputError("Missing argument code: this is only half of a link.", "Copy the whole link.")
    return text


async def show(call: Call) -> Response:
    name, code = _visitor(call), _code(call.request.query_params.get("code"))
    offer = await read_code(call.surface.hub, code)
    if offer.server.owner == name:
        raise ForbiddenError("You can't share with yourself: this is a link to a server of yours.", "Send it to whom you want to let in.")
    catalog = call.surface.hub.catalog
    response = await page(
        call,
        "accept_share.html",
        what=shared_title(offer.server),
        owner=offer.server.owner,
        ready=offer.server.ready,
        scopes=[(scope, catalog.describe(scope)) for scope in offer.scopes],
        code=code,
        onward=_onward(call, offer.server),
    )
    response.headers["referrer-policy"] = "strict-origin"  # the address holds the code; without any referrer the form would count as foreign
    return response


async def accept(call: Call) -> Response:
    """The code is in the form, or in the address. One that does not work is a bad request here (JupyterHub's rule)."""
    name, form = _visitor(call), await call.form()
    code = _code(form.get("code") or call.request.query_params.get("code"))
    try:
        made = await accept_code(call.surface.hub, name, code)
    except NotFoundError as error:
        raise BadInputError(error.message, error.hint) from None
    await call.surface.identities.caught_up()
    return RedirectResponse(_onward(call, made.server), 303)
