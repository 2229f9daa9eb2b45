"""Identity and authorization for jupyter_server, both as the hub decides them."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

from jupyter_server.auth import Authorizer, IdentityProvider, User
from jupyter_server.base.handlers import JupyterHandler
from tornado.web import HTTPError, RequestHandler

from .browser import is_navigation, is_websocket
from .contract import Contract
from .cookies import SESSION_ID, Cookies
from .handlers import CallbackHandler, LoginHandler, LogoutHandler
from .hub import HubClient, HubUnavailableError, Identity
from .identities import Identities
from .oauth import Flow
from .signing import Signer
from .xsrf import COOKIE, expected_token, is_expected, needs_token

_AUTHORIZATION = re.compile(r"(?:token|bearer)\s+(\S+)\s*", re.IGNORECASE)
_INFO_FIELDS = ("name", "display_name", "initials", "avatar_url", "color")
_VISIT = "_perijove_visit"


@dataclass(frozen=True)
class Visit:
    """What is known of one request's sender.

    `identity` may be somebody who may not enter. `hub_failed`: nobody could be asked.
    """

    identity: Identity | None = None
    hub_failed: bool = False
    token: str = ""
    by_cookie: bool = False


class HubUser(User):
    """A visitor who may enter. `identity` is what the hub said of them."""

    identity: Identity

    def __init__(self, identity: Identity) -> None:
        texts = {name: str(identity.info[name]) for name in _INFO_FIELDS if identity.info.get(name)}
        super().__init__(username=identity.name, **texts)
        self.identity = identity


class HubIdentityProvider(IdentityProvider):
    """Knows visitors by the hub's tokens, in a header or in this server's signed cookie."""

    # This server has no token of its own: whatever opens it is the hub's and can be withdrawn.
    token = ""
    token_generated = False
    need_token = False

    def attach(self, contract: Contract, hub: HubClient) -> None:
        """Give the provider its hub; called once, before the first request."""
        self.contract = contract
        self.hub = hub
        self._signer = Signer(contract.api_token)
        self.cookies = Cookies(contract, self._signer)
        self.flow = Flow(contract, self._signer, self.cookies.token_name)
        self.identities = Identities(
            hub.whoami,
            owner=contract.user,
            max_age_s=contract.identity_max_age_s,
            grace_s=contract.grace_s,
            monotonic=time.monotonic,
            log=self.log,
        )

    async def get_user(self, handler: RequestHandler) -> User | None:
        """The visitor, if they are known and may enter.

        Raises HTTPError 503 to programs when no hub can be asked: 403 would tell JupyterLab that
        the person is signed out. Pages are sent to the sign-in page, which explains.
        """
        visit = await self.visit(handler)
        identity = visit.identity
        if identity is None or not identity.may_enter:
            if identity is not None:
                self.log.warning(
                    "%s %s came with a valid token but may not open this server; it takes one of the scopes %s",
                    identity.kind,
                    identity.name,
                    ", ".join(sorted(self.contract.access_scopes)),
                )
            if visit.hub_failed and not _may_be_anonymous(handler):
                self._anonymous(handler)
                raise HTTPError(503, "The hub does not answer, so it cannot say who you are.")
            return None
        if visit.by_cookie:
            self._offer_xsrf_token(handler, visit.token)
        else:
            handler._token_authenticated = True  # type: ignore[attr-defined]
        return HubUser(identity)

    async def visit(self, handler: RequestHandler) -> Visit:
        """Who sent this request; found out once for each request."""
        known = getattr(handler, _VISIT, None)
        if isinstance(known, Visit):
            return known
        visit = await self._find_out(handler)
        setattr(handler, _VISIT, visit)
        return visit

    async def _find_out(self, handler: RequestHandler) -> Visit:
        session_id = handler.get_cookie(SESSION_ID) or ""
        try:
            token = self._explicit_token(handler)
            if token:
                identity = await self.identities.identify(token, session_id)
                if identity is not None:
                    return Visit(identity, token=token)
            cookie_token = self.cookies.read_token(handler)
            if not cookie_token:
                if self.cookies.has_token(handler):
                    self.cookies.clear(handler, self.cookies.token_name)
                return Visit()
            if not self._cookie_counts(handler, cookie_token):
                return Visit()
            identity = await self.identities.identify(cookie_token, session_id)
        except HubUnavailableError:
            return Visit(hub_failed=True)
        if identity is None:
            self.cookies.clear(handler, self.cookies.token_name)
            return Visit()
        return Visit(identity, token=cookie_token, by_cookie=True)

    def _explicit_token(self, handler: RequestHandler) -> str:
        match = _AUTHORIZATION.fullmatch(handler.request.headers.get("Authorization", ""))
        if match:
            return match[1]
        if self.contract.allow_token_in_url:
            return handler.get_query_argument("token", "")
        return ""

    def _cookie_counts(self, handler: RequestHandler, token: str) -> bool:
        """Whether the request shows that it comes from this server's own pages, where it must."""
        if is_websocket(handler.request.headers):
            return self.contract.allow_websocket_cookie
        expected = expected_token(self._signer, token)

        def check_xsrf_cookie() -> None:
            if not needs_token(handler.request.method or "", handler.request.headers):
                return
            headers = handler.request.headers
            given = headers.get("X-Xsrftoken") or headers.get("X-Csrftoken") or handler.get_argument("_xsrf", None)
            if not is_expected(expected, given):
                raise HTTPError(
                    403,
                    "The request lacks this page's XSRF token. Reload the page; a program should send an Authorization header instead of cookies.",
                )

        checks = (JupyterHandler.check_xsrf_cookie, RequestHandler.check_xsrf_cookie)
        if type(handler).check_xsrf_cookie in checks and not handler.settings.get("disable_check_xsrf", False):
            # A handler that brings its own check keeps it: the ones that forward to another
            # program (jupyter-server-proxy) cannot expect our token from its pages.
            handler.check_xsrf_cookie = check_xsrf_cookie  # type: ignore[method-assign]
        try:
            handler.check_xsrf_cookie()
        except HTTPError as error:
            self.log.debug("Ignoring the cookie of %s: %s", handler.request.path, error.log_message)
            return False
        return True

    def _offer_xsrf_token(self, handler: RequestHandler, token: str) -> None:
        expected = expected_token(self._signer, token)
        # What tornado's `xsrf_token` hands to templates, and would otherwise make up.
        handler._xsrf_token = expected.encode()
        request = handler.request
        if handler.get_cookie(COOKIE) != expected and is_navigation(request.method or "", request.headers):
            self.cookies.write_readable(handler, COOKIE, expected)

    def sign_in(self, handler: RequestHandler, token: str, expires_in_s: int | None) -> None:
        """Set the cookies of a visitor who just signed in."""
        self.cookies.write_token(handler, token, expires_in_s)
        self.cookies.write_readable(handler, COOKIE, expected_token(self._signer, token))

    def _anonymous(self, handler: RequestHandler) -> None:
        # jupyter_server's error pages ask who the user is; without this they fail in their turn.
        handler.current_user = None
        handler._jupyter_current_user = None  # type: ignore[attr-defined]

    def get_handlers(self) -> list[tuple[str, object]]:
        """The pages of signing in and out."""
        return [
            (r"/login", LoginHandler),
            (r"/oauth_callback", CallbackHandler),
            (r"/logout", LogoutHandler),
        ]

    def clear_login_cookie(self, handler: RequestHandler) -> None:
        """Sign the visitor out of this server."""
        self.cookies.clear(handler, self.cookies.token_name)

    def validate_security(self, app: Any, ssl_options: dict[str, Any] | None = None) -> None:
        """Nothing to warn of: every way in passes the hub."""

    def page_config(self, handler: RequestHandler, config: dict[str, Any]) -> dict[str, Any]:
        """Tell JupyterLab of its hub, for File > Hub Control Panel and File > Log Out."""
        user = handler.current_user
        contract = self.contract
        config["hubUser"] = user.username if isinstance(user, User) else ""
        config["hubServerUser"] = contract.user
        config["hubServerName"] = contract.server_name
        config["hubHost"] = contract.hub_host
        config["hubPrefix"] = contract.hub_prefix
        config["shareUrl"] = contract.hub_prefix + "user-redirect"
        config["token"] = ""
        visit = getattr(handler, _VISIT, None)
        if isinstance(visit, Visit) and contract.allow_token_in_url and not contract.allow_websocket_cookie:
            # The administrator chose tokens over cookies for WebSockets: a page can send one in
            # no other way than its address, and only if it knows it.
            config["token"] = visit.token
        return config


class HubAuthorizer(Authorizer):
    """Lets everybody do everything whom the hub lets in, and nobody else."""

    def is_authorized(self, handler: JupyterHandler, user: User, action: str, resource: str) -> bool:  # noqa: ARG002 - an override
        """True for a visitor whose scopes open this server."""
        return isinstance(user, HubUser) and user.identity.may_enter


def _may_be_anonymous(handler: RequestHandler) -> bool:
    """Whether the handler can answer somebody unknown, itself or by a redirect to sign in."""
    request = handler.request
    if is_navigation(request.method or "", request.headers):
        return True
    method = getattr(handler, (request.method or "").lower(), None)
    return bool(getattr(method, "__allow_unauthenticated", False))
