"""One's own account: password, and where one is signed in."""

from starlette.responses import Response

from perijove.control.people.accounts import change_password, has_password
from perijove.control.people.sessions import revoke_session, sessions_of
from perijove.domain.errors import BadInputError, NotFoundError, NotSignedInError, PerijoveError
from perijove.web.call import Call
from perijove.web.pages.home import see_other
from perijove.web.pages.render import page


async def show(call: Call) -> Response:
    return await _page(call)


async def _page(call: Call, *, problem: PerijoveError | None = None, notice: str = "") -> Response:
    if call.session is None:
        raise NotSignedInError("This page is for people who are signed in.")
    return await page(
        call,
        "account.html",
        status=problem.status if problem else 200,
        here="account",
        has_password=await has_password(call.surface.hub, call.who.name),
        sessions=await sessions_of(call.surface.hub, call.who.name),
        current=call.session.id,
        problem=problem,
        notice=notice,
    )


async def set_password(call: Call) -> Response:
    form = await call.form()
    try:
        if form.get("new", "") != form.get("again", ""):
            raise BadInputError("The two new passwords are not the same.")
        keep = call.session.id if call.session is not None else None
        await change_password(call.surface.hub, call.who.name, form.get("old", ""), form.get("new", ""), keep=keep, address=call.address)
        await call.surface.identities.caught_up()
    except PerijoveError as error:
        return await _page(call, problem=error)
    return await _page(call, notice="Your password is changed. Everywhere else you are signed out.")


async def end_session(call: Call) -> Response:
    text = call.params["session_id"]
    if not text.isascii() or not text.isdigit() or len(text) > 17:
        raise NotFoundError("There is no such session.")
    await revoke_session(call.surface.hub, call.who.name, int(text), actor=call.who.name)
    await call.surface.identities.caught_up()
    return see_other(call, "account")
