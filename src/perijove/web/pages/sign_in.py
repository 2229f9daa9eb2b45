"""Sign in and out."""

from typing import Any

import msgspec
from starlette.responses import RedirectResponse, Response

from perijove.control.people import sign_in as use_case
from perijove.control.people.sessions import sign_out as end_session
from perijove.control.people.sign_in import SignedIn
from perijove.control.people.users import find_person
from perijove.control.servers.ask import ask_stop
from perijove.domain.errors import BadInputError, PerijoveError
from perijove.domain.token import Session
from perijove.ports.authenticator import Credentials, Redirect
from perijove.web import cookies
from perijove.web.call import Call
from perijove.web.origin import FIELD, navigation
from perijove.web.pages.render import page
from perijove.web.pages.spawn import next_of
from perijove.web.sign_in_request import sign_in_request

STATE_AGE_S = 600


class _Kept(msgspec.Struct):
    """What a browser keeps, encrypted, while it is at the place that signs it in."""

    state: dict[str, str]
    next: str


async def show(call: Call) -> Response:
    """The form, or the way to where signing in happens. Who is signed in goes on at once."""
    if call.session is not None:
        return RedirectResponse(await _goal(call, call.who.name), 302)
    begun = await use_case.begin(call.surface.hub, sign_in_request(call))
    if isinstance(begun, Redirect):
        response = RedirectResponse(begun.url, 302)
        sealed = call.surface.hub.secrets.encrypt(msgspec.json.encode(_Kept(dict(begun.state), next_of(call))))
        call.jar.set(response, cookies.STATE, sealed.decode(), max_age_s=STATE_AGE_S)
        return response
    return await _form(call, begun)


async def _form(call: Call, form: Any, problem: PerijoveError | None = None, typed: dict[str, str] | None = None) -> Response:
    local = call.host.partition(":")[0] in {"127.0.0.1", "localhost", "[", "::1"}
    return await page(
        call,
        "sign_in.html",
        status=problem.status if problem else 200,
        form=form,
        label=call.surface.hub.authenticator.label,
        next=next_of(call),
        problem=problem,
        typed=typed or {},
        insecure=not call.secure and not local and call.surface.hub.settings.hub.health_insecure_warning,
    )


async def submit(call: Call) -> Response:
    fields = {name: text for name, text in (await call.form()).items() if name != FIELD}
    request = sign_in_request(call)
    try:
        with call.surface.metrics.login():
            signed_in = await _finish(call, Credentials(fields=fields, request=request))
    except PerijoveError as error:
        begun = await use_case.begin(call.surface.hub, request)
        if isinstance(begun, Redirect):
            raise
        shown = {field.name: fields.get(field.name, "") for field in begun.fields if field.kind == "text"}
        response = await _form(call, begun, error, shown)
        if error.retry_after_s is not None:
            response.headers["retry-after"] = str(error.retry_after_s)
        return response
    return await go_on(call, signed_in, next_of(call))


async def callback(call: Call) -> Response:
    """Back from where signing in happened."""
    kept = _kept(call)
    fields = dict(call.request.query_params)
    signed_in = await _finish(call, Credentials(fields=fields, request=sign_in_request(call), state=kept.state))
    response = await go_on(call, signed_in, kept.next)
    call.jar.drop(response, cookies.STATE)
    return response


def _kept(call: Call) -> _Kept:
    sealed = call.kept(cookies.STATE)
    try:
        return msgspec.json.decode(call.surface.hub.secrets.decrypt(sealed.encode()), type=_Kept)
    except ValueError:
        raise BadInputError("This sign-in was begun elsewhere, or too long ago.", "Go to the sign-in page and begin again.") from None


async def _finish(call: Call, credentials: Credentials) -> SignedIn:
    agent = call.request.headers.get("user-agent", "")
    return await use_case.finish(call.surface.hub, credentials, user_agent=agent, replaces=call.kept(cookies.SESSION))


async def go_on(call: Call, signed_in: SignedIn, following: str) -> Response:
    """Give the browser its cookies and send it on."""
    response = RedirectResponse(following or await _goal(call, signed_in.user.name), 303)
    call.jar.set(response, cookies.SESSION, signed_in.cookie, max_age_s=int(call.surface.hub.settings.hub.session_age))
    call.jar.set(response, cookies.SESSION_ID, signed_in.session.session_id)
    call.jar.drop(response, cookies.VISIT)
    call.cookie = signed_in.cookie
    call.keep_marks(response)  # programs go on to the API at once
    return response


async def _goal(call: Call, name: str) -> str:
    """Where somebody goes who wanted nothing in particular: `next`, the configured place, their running server, or home."""
    following = next_of(call)
    if following:
        return following
    settings = call.surface.hub.settings.hub
    if settings.default_url:
        return settings.default_url
    person = await find_person(call.surface.hub, name)
    default = next((server for server in person.servers if not server.name), None) if person else None
    if default is not None and default.ready and settings.redirect_to_server:
        return call.surface.hub.addresses.server_url(name, "")
    return call.surface.prefix + "home"


async def sign_out_page(call: Call) -> Response:
    """JupyterHub signs out on GET, and servers' "Log Out" leads here by a plain redirect. Where the browser says that another
    site, or something else than a navigation, caused the request, nobody is signed out without a click. In subdomain mode the click
    on "Log Out" itself counts."""
    headers = call.request.headers
    trusted = {"none", "same-origin"} | ({"same-site"} if call.surface.hub.addresses.domain and headers.get("sec-fetch-user") == "?1" else set())
    if call.session is not None and (headers.get("sec-fetch-site", "none") not in trusted or not navigation(headers)):
        return await page(call, "sign_out.html")
    return await sign_out(call)


async def sign_out(call: Call) -> Response:
    if call.session is not None:
        with call.surface.metrics.logout_duration.time():
            await _end(call, call.session)
    call.identity, call.session, call.cookie, call.visit = None, None, None, ""
    response = await page(call, "signed_out.html")
    call.jar.drop(response, cookies.SESSION)
    call.jar.drop(response, cookies.SESSION_ID)
    return response


async def _end(call: Call, session: Session) -> None:
    surface = call.surface
    await end_session(surface.hub, session, address=call.address)
    await surface.identities.caught_up()
    if surface.hub.settings.hub.shutdown_on_sign_out:
        person = await find_person(surface.hub, call.who.name)
        for server in person.servers if person else ():
            if not server.stopped:
                await ask_stop(surface.hub, call.who.name, server.name, actor=call.who.name)
