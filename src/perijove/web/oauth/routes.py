"""The OAuth 2 endpoints at JupyterHub's addresses: authorize (for browsers), token (for servers and services)."""

from base64 import b64decode
from typing import Literal
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit, urlunsplit

from msgspec import UNSET, Struct, UnsetType, field
from starlette.responses import RedirectResponse, Response

from perijove.control.access.oauth import Authorization, AuthorizeRequest, OAuthError, consider, exchange, find_client, issue_code, narrowed
from perijove.domain.errors import BadInputError, NotSignedInError
from perijove.web.call import Call, json_response
from perijove.web.described import FORM, HTML, Gives, Query, Takes, gives
from perijove.web.pages.authorize import authorize_page
from perijove.web.router import Access, Route

_ONCE = ("client_id", "redirect_uri", "response_type", "scope", "state", "code_challenge", "code_challenge_method")
_CHALLENGE = 'Bearer error="invalid_client"'
_NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}


class CodeForm(Struct, kw_only=True):
    """RFC 6749 section 4.1.3. The client's credentials are here or in a Basic Authorization header."""

    grant_type: Literal["authorization_code"]
    code: str
    redirect_uri: str
    client_id: str = ""
    client_secret: str = ""
    code_verifier: str = ""


class Consent(Struct, kw_only=True):
    """What the question's form sends: the page's own secret, and the scopes agreed to; without any the asker learns the name only."""

    secret: str = field(name="_xsrf")
    scopes: list[str] = []


class Granted(Struct, kw_only=True):
    """RFC 6749 section 5.1; `expires_in` in seconds."""

    access_token: str
    token_type: str = "Bearer"
    scope: str
    expires_in: int | UnsetType = UNSET


class Refused(Struct):
    """RFC 6749 section 5.2."""

    error: str
    error_description: str


def _request(call: Call) -> AuthorizeRequest:
    """Raises BadInputError: a parameter that comes twice says two things."""
    query = call.request.query_params
    for name in _ONCE:
        if len(query.getlist(name)) > 1:
            raise BadInputError(f"Duplicate {name} parameter.", "The server or service that sent you here made a mistake; tell its owner.")
    return AuthorizeRequest(
        client_id=query.get("client_id", ""),
        redirect_uri=query.get("redirect_uri", ""),
        response_type=query.get("response_type"),
        scopes=tuple(query.get("scope", "").split()),
        code_challenge=query.get("code_challenge"),
        code_challenge_method=query.get("code_challenge_method"),
    )


def _session_id(call: Call) -> str:
    if call.session is None or call.who.kind != "user":
        raise NotSignedInError("Only a person who is signed in can open a server or service.")
    return call.session.session_id


async def authorize(call: Call) -> Response:
    """Ask the person, or go straight on where JupyterHub's rules need no question."""
    hub, request, session_id = call.surface.hub, _request(call), _session_id(call)
    client = await find_client(hub, request.client_id, request.redirect_uri)
    try:
        grant = await consider(hub, call.who, request)
    except OAuthError as error:
        return _back(call, client.redirect_uri, {"error": error.error, "error_description": error.description})
    if grant.confirm:
        return await authorize_page(call, grant)
    return await _go_on(call, request, grant, session_id)


async def approve(call: Call) -> Response:
    """The person agreed, to the `scopes` of the form; without any, to be known by name only."""
    hub, request, session_id = call.surface.hub, _request(call), _session_id(call)
    client = await find_client(hub, request.client_id, request.redirect_uri)
    try:
        grant = narrowed(await consider(hub, call.who, request), await call.form_values("scopes"))
    except OAuthError as error:
        return _back(call, client.redirect_uri, {"error": error.error, "error_description": error.description})
    return await _go_on(call, request, grant, session_id)


async def _go_on(call: Call, request: AuthorizeRequest, grant: Authorization, session_id: str) -> Response:
    code = await issue_code(call.surface.hub, call.who, session_id, request, grant, address=call.address)
    return _back(call, grant.redirect_uri, {"code": code})


def _back(call: Call, redirect_uri: str, answer: dict[str, str]) -> Response:
    """To the client's registered redirect URI, and nowhere else."""
    state = call.request.query_params.get("state")
    parts = urlsplit(redirect_uri)
    query = [*parse_qsl(parts.query), *answer.items(), *([("state", state)] if state else [])]
    return RedirectResponse(urlunsplit(parts._replace(query=urlencode(query))), 302, _NO_STORE)


async def token(call: Call) -> Response:
    """RFC 6749 section 4.1.3; client credentials in the body or by HTTP Basic."""
    pairs = parse_qsl((await call.body()).decode("utf-8", "replace"), keep_blank_values=True)
    form = dict(pairs)
    client_id, client_secret = _client_credentials(call, form)
    try:
        if len(form) < len(pairs):
            raise OAuthError("invalid_request", "no parameter may come twice")
        if form.get("grant_type") != "authorization_code":
            raise OAuthError("unsupported_grant_type", "grant_type must be authorization_code")
        granted = await exchange(
            call.surface.hub,
            client_id=client_id,
            client_secret=client_secret,
            code=form.get("code", ""),
            redirect_uri=form.get("redirect_uri", ""),
            code_verifier=form.get("code_verifier"),
        )
    except OAuthError as error:
        headers = _NO_STORE | ({"www-authenticate": _CHALLENGE} if error.status == 401 else {})
        return json_response(Refused(error.error, error.description), error.status, headers)
    lasts = int(granted.expires_in_s) if granted.expires_in_s else UNSET
    return json_response(Granted(access_token=granted.text, scope=" ".join(granted.scopes), expires_in=lasts), 200, _NO_STORE)


def _client_credentials(call: Call, form: dict[str, str]) -> tuple[str, str]:
    kind, _, coded = call.request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            name, _, secret = b64decode(coded, validate=True).decode().partition(":")
        except ValueError:
            raise BadInputError("The Authorization header is not valid Basic credentials.") from None
        return unquote_plus(name), unquote_plus(secret)
    return form.get("client_id", ""), form.get("client_secret", "")


_ASKED = (
    Query("client_id", str, "of the server or service that asks", required=True),
    Query("redirect_uri", str, "the one that is registered for it; where the answer goes"),
    Query("response_type", str, "must be code", required=True),
    Query("scope", str, "what is asked for, separated by spaces"),
    Query("state", str, "comes back unchanged"),
    Query("code_challenge", str, "RFC 7636"),
    Query("code_challenge_method", str, "S256 or plain"),
)
_QUESTION = (Gives(200, (str,), "The question to the person.", HTML), gives(302, meaning="To the sign-in page, or back to who asked."))
ROUTES: tuple[Route[Call, Response], ...] = (
    Route(
        method="GET",
        path="/api/oauth2/authorize",
        handler=authorize,
        access=Access.PAGE,
        summary="Sign in to a server or service",
        query=_ASKED,
        gives=_QUESTION,
    ),
    Route(
        method="POST",
        path="/api/oauth2/authorize",
        handler=approve,
        access=Access.PAGE,
        summary="Agree to it",
        takes=Takes((Consent,), media=FORM),
        query=_ASKED,
        gives=_QUESTION,
    ),
    Route(
        method="POST",
        path="/api/oauth2/token",
        handler=token,
        access=Access.OPEN,
        summary="Trade a code for a token",
        takes=Takes((CodeForm,), media=FORM),
        gives=(gives(200, Granted), gives(400, Refused), gives(401, Refused)),
    ),
)
