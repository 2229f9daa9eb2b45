"""Is a request that carries a sign-in cookie really meant by the person? Cookies are sent by the browser unasked.

People's servers are hostile to each other and, without per-person subdomains, share the hub's origin. So the browser's own
word (Sec-Fetch-…, Origin) is necessary but not enough: whatever changes state, and whatever a script rather than a
navigation asks for, must also carry a token that only the hub's own pages contain. Names as in JupyterHub, whose clients
send them: form field or query parameter `_xsrf`, header X-XSRFToken or X-CSRFToken.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from urllib.parse import urlsplit

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FIELD = "_xsrf"
HEADERS = ("x-xsrftoken", "x-csrftoken")


def page_token(key: bytes, cookie: str) -> str:
    """The token for pages shown under this cookie, 43 url-safe characters."""
    return urlsafe_b64encode(hmac.digest(key, cookie.encode(), "sha256")).rstrip(b"=").decode()


def navigation(headers: Mapping[str, str]) -> bool:
    """Whether a person opens a page (old browsers send no Sec-Fetch-Mode)."""
    return headers.get("sec-fetch-mode", "navigate") == "navigate"


def foreign(headers: Mapping[str, str], host: str) -> bool:
    """Whether the browser says that another site caused the request. `host` is our own public host[:port]."""
    site = headers.get("sec-fetch-site")
    if site is not None and site not in {"same-origin", "none"}:
        return True
    origin = headers.get("origin")
    try:
        return origin is not None and urlsplit(origin).netloc != host
    except ValueError:  # no browser says such a thing of a page
        return True


def needs_token(method: str, headers: Mapping[str, str]) -> bool:
    """Whether the page token must come along."""
    return method not in SAFE_METHODS or not navigation(headers)


def token_fits(given: str | None, expected: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), expected.encode())
