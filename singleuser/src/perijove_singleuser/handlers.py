"""Signing in by the hub, and out again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler

from .browser import is_navigation, safe_next
from .cookies import SESSION_ID
from .hub import HubRefusedError, HubUnavailableError
from .oauth import STATE_MAX_AGE_S, Begun, attempt_of
from .pages import CONTENT_SECURITY_POLICY, page

if TYPE_CHECKING:
    from .provider import HubIdentityProvider

_LAST_ATTEMPT = 1
_PROBE_TIMEOUT_S = 3.0


class _HubHandler(JupyterHandler):
    @property
    def hub_provider(self) -> HubIdentityProvider:
        provider: HubIdentityProvider = self.settings["identity_provider"]
        return provider

    def show(self, status: int, title: str, paragraphs: list[str], links: list[tuple[str, str]]) -> None:
        """Answer with one of our own pages."""
        self.set_status(status)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        self.set_header("Cache-Control", "no-store")
        self.finish(page(title, paragraphs, links))

    def show_hub_down(self, retry_url: str) -> None:
        """The 503 page."""
        self.set_header("Retry-After", "10")
        self.show(
            503,
            "The hub does not answer",
            [
                "Your server is running, but only the hub can say who you are, and it does not answer at the moment. Nothing is lost.",
                "Wait a minute and try again. If this lasts, tell the hub's administrator.",
            ],
            [(retry_url, "Try again")],
        )

    def set_flow_cookies(self, begun: Begun) -> None:
        """Bind the flow to this browser."""
        cookies = self.hub_provider.cookies
        for name in begun.forget:
            cookies.clear(self, name)
        cookies.write_private(self, begun.cookie_name, begun.cookie_value, max_age_s=STATE_MAX_AGE_S)

    def go(self, url: str) -> None:
        """Redirect; an answer that sets cookies must not be kept by any cache."""
        self.set_header("Cache-Control", "no-store")
        self.redirect(url)

    def cookie_values(self) -> dict[str, str]:
        """All cookies of the request."""
        return {name: morsel.value for name, morsel in self.cookies.items()}


class LoginHandler(_HubHandler):
    """Where jupyter_server sends people who are not signed in."""

    @allow_unauthenticated
    async def get(self) -> None:
        """Send the browser to the hub, or say why that would not help."""
        provider = self.hub_provider
        contract = provider.contract
        next_url = safe_next(self.get_query_argument("next", contract.prefix), contract.prefix)
        if self.current_user:
            self.go(next_url)
            return
        if not is_navigation(self.request.method or "", self.request.headers):
            self.set_status(403)
            self.set_header("Content-Type", "application/json")
            self.finish(json.dumps({"message": "Not signed in.", "reason": None}))
            return
        visit = await provider.visit(self)
        if visit.identity is not None:
            owner = contract.user
            self.show(
                403,
                f"You may not open {owner}'s server",
                [
                    f"You are signed in as {visit.identity.name}. This server belongs to {owner}, "
                    "and the hub does not list you among those who may open it.",
                    f"Ask {owner} to share the server with you, or sign in as somebody else.",
                ],
                [
                    (contract.home_url, "Go to your own servers"),
                    (contract.prefix + "logout", "Sign out"),
                ],
            )
            return
        if visit.hub_failed or not await self._hub_answers():
            self.show_hub_down(self.request.uri or contract.prefix)
            return
        begun = provider.flow.begin(next_url, self.cookie_values())
        self.set_flow_cookies(begun)
        self.go(begun.url)

    async def _hub_answers(self) -> bool:
        # Better to say here that the hub is down than to let the browser run into it.
        try:
            await self.hub_provider.hub.version(timeout_s=_PROBE_TIMEOUT_S)
        except HubUnavailableError:
            return False
        return True


class CallbackHandler(_HubHandler):
    """Where the hub sends the browser back to, with a code."""

    @allow_unauthenticated
    async def get(self) -> None:
        """Exchange the code, find out who it is, and sign them in."""
        provider = self.hub_provider
        prefix = provider.contract.prefix
        state = self.get_query_argument("state", "")
        error = self.get_query_argument("error", "")
        if error:
            self.show(
                403,
                "The hub did not sign you in",
                [
                    f"It answered: {self.get_query_argument('error_description', error)[:500]}",
                    "If you did not decline this yourself, tell the hub's administrator.",
                ],
                [(provider.contract.home_url, "Go to the hub"), (prefix, "Try again")],
            )
            return
        returned = provider.flow.returned(state, self.cookie_values())
        code = self.get_query_argument("code", "")
        if returned is None or not code:
            self._start_again(state)
            return
        provider.cookies.clear(self, returned.cookie_name)
        try:
            grant = await provider.hub.exchange(code, returned.verifier)
            identity = await provider.identities.identify(grant.access_token, self.get_cookie(SESSION_ID) or "")
        except HubUnavailableError as failure:
            self.log.warning("Could not finish a sign-in: %s", failure)
            self.show_hub_down(returned.next_url)
            return
        except HubRefusedError as refusal:
            self.log.warning("The hub refused a sign-in: %s", refusal)
            if refusal.error == "invalid_grant":
                # The code was used already or is too old: the page was reloaded, or left open.
                self._start_again(state)
            else:
                self._show_forgotten()
            return
        if identity is None:
            self._show_forgotten()
            return
        provider.sign_in(self, grant.access_token, grant.expires_in_s)
        self.log.info("%s %s signed in", identity.kind, identity.name)
        self.go(returned.next_url)

    def _start_again(self, state: str) -> None:
        """A callback that is not ours: harmless if signed in, else one more try, then an end."""
        provider = self.hub_provider
        prefix = provider.contract.prefix
        if self.current_user:
            self.go(prefix)
            return
        attempt = attempt_of(state)
        if attempt < _LAST_ATTEMPT:
            begun = provider.flow.begin(prefix, self.cookie_values(), attempt=attempt + 1)
            self.set_flow_cookies(begun)
            self.go(begun.url)
            return
        self.show(
            400,
            "The sign-in could not be finished",
            [
                "Your browser did not bring back what this server gave it when the sign-in began. "
                "Either the sign-in took longer than ten minutes, or the browser keeps no cookies "
                "for this site.",
                "Allow cookies for this site and try again.",
            ],
            [(prefix, "Try again")],
        )

    def _show_forgotten(self) -> None:
        self.show(
            502,
            "The hub does not know this server",
            [
                "This server runs, but the hub refused it when it asked who you are. The hub was "
                "probably restored from a backup, or started this server anew elsewhere.",
                "Stop the server on the hub's page and start it again. If that does not help, tell the hub's administrator.",
            ],
            [(self.hub_provider.contract.home_url, "Go to the hub")],
        )


class LogoutHandler(_HubHandler):
    """Signs out here, and then at the hub."""

    @allow_unauthenticated
    def get(self) -> None:
        """Drop this server's cookie and go on to the hub's own sign-out."""
        provider = self.hub_provider
        provider.clear_login_cookie(self)
        self.go(provider.contract.logout_url)
