"""When a cookie alone is not enough, and the token that must come with it.

Servers of one hub often share one host and differ by path only, so a page of another person's
server is "same origin" here. Comparing a header with a cookie (the usual double submit) is then no
protection, for that page can set the cookie. The token is therefore computed from the visitor's
access token, which pages cannot read, and reading by script needs it as well as writing.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from .browser import SAFE_METHODS, is_websocket
from .signing import Signer

COOKIE = "_xsrf"

# What a page's markup loads. Scripts cannot read these answers as text, unlike those of `fetch`,
# and browsers do not let scripts forge Sec-Fetch-Dest.
_MARKUP = frozenset(
    {
        "audio",
        "font",
        "image",
        "manifest",
        "script",
        "serviceworker",
        "sharedworker",
        "style",
        "track",
        "video",
        "worker",
    }
)


def needs_token(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a request that is known by its cookie must also bring the token.

    A WebSocket need not: its handler checks that the Origin is this host.
    """
    if method not in SAFE_METHODS:
        return True
    if is_websocket(headers):
        return False
    mode = headers.get("Sec-Fetch-Mode", "navigate")
    if mode == "navigate":
        return False
    same_origin = headers.get("Sec-Fetch-Site") in {"same-origin", "none"}
    return not (same_origin and headers.get("Sec-Fetch-Dest") in _MARKUP)


def expected_token(signer: Signer, access_token: str) -> str:
    """The token for a visitor who holds this access token."""
    return signer.tag("xsrf", access_token)


def is_expected(expected: str, given: str | None) -> bool:
    """Whether the request brought the right token."""
    return bool(given) and secrets.compare_digest(expected.encode(), str(given).encode())
