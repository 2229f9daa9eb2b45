"""Who sends a request: a token, the proxies' secret, or a browser's sign-in cookie that is really meant."""

import hmac

from perijove.domain.errors import ForbiddenError, NotSignedInError
from perijove.web.call import Call
from perijove.web.cookies import SESSION, VISIT
from perijove.web.origin import FIELD, HEADERS, SAFE_METHODS, foreign, needs_token, token_fits
from perijove.web.router import Access

_RELOAD = "Reload the page and try again."


async def identify(call: Call, access: Access) -> None:
    """Find out who asks and put it into the call. Raises NotSignedInError, ForbiddenError."""
    if access is Access.OPEN:
        await _if_known(call)
    elif access is Access.PROXY:
        _proxy(call)
    elif access is Access.VISIT:
        await _visit(call)
    elif not await _token(call):
        await _browser(call, meant=access is not Access.READ)


def bearer(call: Call) -> str | None:
    """The token of an Authorization header: "token X" or "Bearer X" in any case (JupyterHub takes both)."""
    kind, _, text = call.request.headers.get("authorization", "").partition(" ")
    return text.strip() if kind.lower() in {"token", "bearer"} and text.strip() else None


async def _token(call: Call) -> bool:
    """True if a token was sent and holds. A wrong token is refused, whatever cookie comes along."""
    text = bearer(call)
    if text is None:
        return False
    identities = call.surface.identities
    call.identity = identities.cached(text, call.surface.hub.clock.now()) or await identities.of_token(text)
    if call.identity is None:
        raise NotSignedInError("Missing or invalid credentials.", "The token is unknown, expired or revoked.")
    return True


async def _read_cookie(call: Call) -> bool:
    cookie = call.kept(SESSION)
    if not cookie:
        return False
    identities = call.surface.identities
    browser = identities.cached_browser(cookie, call.surface.hub.clock.now()) or await identities.of_browser(cookie)
    if browser is None:
        return False
    call.identity, call.session, call.cookie = browser.identity, browser.session, cookie
    return True


async def _browser(call: Call, *, meant: bool) -> None:
    if not await _read_cookie(call):
        raise NotSignedInError("Missing or invalid credentials.", "Sign in, or send a token.")
    if meant:
        await check_meant(call)


async def check_meant(call: Call) -> None:
    """Raises ForbiddenError unless the request comes from a page of ours (web/origin.py)."""
    headers = call.request.headers
    if foreign(headers, call.host) and call.request.method not in SAFE_METHODS:
        raise ForbiddenError("The request came from another site.", _RELOAD)
    if not needs_token(call.request.method, headers):
        return
    given = next((headers[name] for name in HEADERS if name in headers), None)
    if given is None and headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        given = (await call.form()).get(FIELD)
    if given is None:
        given = call.request.query_params.get(FIELD)
    if not token_fits(given, call.page_token):
        raise ForbiddenError("This form is too old, or was not made for you.", _RELOAD)


async def _visit(call: Call) -> None:
    """A page for anybody with a browser; a form it sends must be one that this browser was shown."""
    call.visit = call.kept(VISIT)
    await _read_cookie(call)
    if call.request.method not in SAFE_METHODS:
        await check_meant(call)


async def _if_known(call: Call) -> None:
    """On an open route credentials are looked at, not asked for."""
    text = bearer(call)
    if text is not None:
        identities = call.surface.identities
        call.identity = identities.cached(text, call.surface.hub.clock.now()) or await identities.of_token(text)


async def known_browser(call: Call) -> None:
    """For an open route that asks after all: without a token, the sign-in cookie will do. Raises ForbiddenError as check_meant does."""
    if call.identity is None and await _read_cookie(call):
        await check_meant(call)


def _proxy(call: Call) -> None:
    given = bearer(call) or ""
    if not hmac.compare_digest(given.encode(), call.surface.proxy_token.encode()):
        raise NotSignedInError("Only proxies may ask this.", "Hub and proxy need the same secret: see [proxy] token.")
