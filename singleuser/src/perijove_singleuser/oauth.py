"""The OAuth 2.0 authorization code flow with PKCE (RFC 6749, RFC 7636), without any memory.

All that a flow needs between the redirect and the callback travels in one signed cookie of the
browser that began it; the PKCE verifier is computed from the state. So a flow survives a restart
of this server, and any number of tabs may sign in at once.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from .browser import safe_next
from .contract import Contract
from .signing import Signer

STATE_MAX_AGE_S = 600
# Browsers drop a cookie whose name and value pass 4096 bytes.
_COOKIE_LIMIT = 3800
# Each is some 300 bytes, and proxies refuse requests whose headers pass 8 KiB.
_OPEN_FLOWS_LIMIT = 8
_STATE = re.compile(r"([0-9])-([A-Za-z0-9_-]{8})([A-Za-z0-9_-]{16})")


@dataclass(frozen=True)
class Begun:
    """A flow to start: set the cookie, clear the old ones, send the browser to `url`."""

    url: str
    cookie_name: str
    cookie_value: str
    forget: tuple[str, ...]


@dataclass(frozen=True)
class Returned:
    """A callback that belongs to a flow this browser began here."""

    next_url: str
    verifier: str
    cookie_name: str


class Flow:
    """Begins flows and recognises their callbacks."""

    def __init__(self, contract: Contract, signer: Signer, cookie_name: str) -> None:
        self._contract = contract
        self._signer = signer
        self._cookie_prefix = f"{cookie_name}-oauth-state-"

    def begin(self, next_url: str, cookies: Mapping[str, str], *, attempt: int = 0) -> Begun:
        """Start signing in; `attempt` counts restarts, so that they end."""
        suffix, rest = secrets.token_urlsafe(6), secrets.token_urlsafe(12)
        state = f"{attempt}-{suffix}{rest}"
        name = self._cookie_prefix + suffix
        value = self._sealed(name, state, next_url)
        if len(value) > _COOKIE_LIMIT:
            # an address this long is not worth losing the sign-in for
            value = self._sealed(name, state, self._contract.prefix)
        challenge = hashlib.sha256(self._verifier(state).encode()).digest()
        query = urlencode(
            {
                "client_id": self._contract.client_id,
                "redirect_uri": self._contract.callback_url,
                "response_type": "code",
                "code_challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
                "code_challenge_method": "S256",
                "state": state,
            }
        )
        flows = [cookie for cookie in cookies if cookie.startswith(self._cookie_prefix)]
        return Begun(
            url=f"{self._contract.authorize_url}?{query}",
            cookie_name=name,
            cookie_value=value,
            forget=tuple(flows) if len(flows) >= _OPEN_FLOWS_LIMIT else (),
        )

    def returned(self, state: str, cookies: Mapping[str, str]) -> Returned | None:
        """The flow this callback ends; None if this browser did not begin it or it is too old."""
        match = _STATE.fullmatch(state)
        if match is None:
            return None
        name = self._cookie_prefix + match[2]
        kept = self._signer.unseal(name, cookies.get(name), max_age_s=STATE_MAX_AGE_S)
        if kept is None:
            return None
        pending = json.loads(kept)
        if not secrets.compare_digest(str(pending["state"]), state):
            return None
        return Returned(
            next_url=safe_next(str(pending["next"]), self._contract.prefix),
            verifier=self._verifier(state),
            cookie_name=name,
        )

    def _sealed(self, name: str, state: str, next_url: str) -> str:
        return self._signer.seal(name, json.dumps({"state": state, "next": next_url}))

    def _verifier(self, state: str) -> str:
        return self._signer.tag("pkce", state)


def attempt_of(state: str) -> int:
    """How often the flow with this state was already restarted; 9 for a state that is not ours.

    The count is in the state and not in a cookie, because a browser that keeps no cookies is one
    of the reasons to stop. It is not secret: a forged one only ends or restarts the forger's flow.
    """
    match = _STATE.fullmatch(state)
    return int(match[1]) if match else 9
