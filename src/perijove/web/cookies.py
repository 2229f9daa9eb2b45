"""The hub's own cookies.

`perijove-session` is the sign-in: HttpOnly, only ever sent to the hub's own path. `jupyterhub-session-id` is the public session
id that servers compare to notice a sign-out (JupyterHub's contract); it authorises nobody. `perijove-visit` marks a browser that
is not signed in, so that the sign-in form can be tied to it. `_xsrf` holds the token that requests must carry (web/origin.py), where
programs that sign in as a browser would take it from with JupyterHub; scripts in pages cannot read it.

In subdomain mode servers' hosts lie below the hub's, and what has a Domain reaches them: only the public session id has one. The other
way round every server may set cookies for the whole domain; with TLS the hub's own bear the prefix __Host-, and no other is believed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

from perijove.domain.addresses import HubAddresses

SESSION = "perijove-session"
SESSION_ID = "jupyterhub-session-id"
VISIT = "perijove-visit"
STATE = "perijove-sign-in"
XSRF = "_xsrf"


@dataclass(frozen=True, slots=True)
class Jar:
    """`secure`: the browser came by TLS. Cookies are named by the constants above."""

    addresses: HubAddresses
    secure: bool

    def get(self, sent: Mapping[str, str], name: str) -> str:
        """What the browser sent; "" if nothing."""
        return sent.get(self._name(name), "")

    def set(self, response: Response, name: str, value: str, *, max_age_s: int | None = None) -> None:
        secure = self.secure or self._bound(name)
        response.set_cookie(
            self._name(name), value, max_age=max_age_s, path=self._path(name), domain=self._domain(name), secure=secure, httponly=True, samesite="lax"
        )

    def drop(self, response: Response, name: str) -> None:
        secure = self.secure or self._bound(name)
        response.delete_cookie(self._name(name), path=self._path(name), domain=self._domain(name), secure=secure, httponly=True, samesite="lax")

    def _bound(self, name: str) -> bool:
        return self.addresses.host_cookies and name != SESSION_ID

    def _name(self, name: str) -> str:
        return f"__Host-{name}" if self._bound(name) else name

    def _path(self, name: str) -> str:
        if self._bound(name):
            return "/"
        return self.addresses.base_url if name == SESSION_ID else f"{self.addresses.base_url}hub/"

    def _domain(self, name: str) -> str | None:
        return self.addresses.domain or None if name == SESSION_ID else None
