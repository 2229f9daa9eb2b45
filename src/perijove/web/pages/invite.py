"""The page behind an invitation, and behind a link to set a new password."""

from starlette.responses import Response

from perijove.control.people.invitations import Acceptance, accept_invitation, find_invitation
from perijove.domain.errors import BadInputError, ConflictError, PerijoveError
from perijove.web import cookies
from perijove.web.call import Call
from perijove.web.pages.render import page
from perijove.web.pages.sign_in import go_on


async def show(call: Call) -> Response:
    return await _page(call)


async def _page(call: Call, problem: PerijoveError | None = None, typed: str = "") -> Response:
    invitation = await find_invitation(call.surface.hub, call.params["secret"])
    response = await page(
        call,
        "invite.html",
        status=problem.status if problem else 200,
        invitation=invitation,
        typed_name=typed or invitation.user_name or "",
        problem=problem,
    )
    response.headers["referrer-policy"] = "strict-origin"  # the address holds the secret; without any referrer the form would count as foreign
    return response


async def accept(call: Call) -> Response:
    form = await call.form()
    name = form.get("username", "").strip()
    try:
        if form.get("password", "") != form.get("again", ""):
            raise BadInputError("The two passwords are not the same.")
        signed_in = await accept_invitation(
            call.surface.hub,
            call.params["secret"],
            Acceptance(
                user_name=name,
                password=form.get("password", ""),
                address=call.address,
                user_agent=call.request.headers.get("user-agent", ""),
                replaces=call.kept(cookies.SESSION),
            ),
        )
    except (BadInputError, ConflictError) as error:
        return await _page(call, error, name)
    return await go_on(call, signed_in, "")
