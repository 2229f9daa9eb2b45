"""What kind of request this is, told from its headers; and where a redirect may go."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def is_websocket(headers: Mapping[str, str]) -> bool:
    """Whether the request asks to become a WebSocket."""
    return headers.get("Upgrade", "").lower() == "websocket"


def is_navigation(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a person opens a page, so that a redirect to the sign-in page helps.

    Fetch, XHR and WebSocket cannot follow a sign-in; they get a plain refusal. Where the browser
    sends no Sec-Fetch-Mode (plain http on a name other than localhost), the Accept header decides.
    """
    if method not in {"GET", "HEAD"} or is_websocket(headers):
        return False
    mode = headers.get("Sec-Fetch-Mode")
    if mode is not None:
        return mode == "navigate"
    if headers.get("X-Requested-With", "").lower() == "xmlhttprequest":
        return False
    accept = headers.get("Accept", "")
    return "text/html" in accept or accept in {"", "*/*"}


def is_public_https(public_urls: tuple[str, ...], headers: Mapping[str, str], protocol: str) -> bool:
    """Whether the browser came over https, so that cookies must be Secure.

    The hub's own statement of its public URL decides; else the first hop that a proxy recorded.
    """
    for url in public_urls:
        if url:
            return url.lower().startswith("https://")
    forwarded = headers.get("X-Forwarded-Proto") or headers.get("X-Scheme")
    if forwarded:
        return forwarded.split(",")[0].strip().lower() == "https"
    return protocol == "https"


def safe_next(url: str, prefix: str) -> str:
    """`url` if it is a path of this server, else `prefix`.

    Browsers read a backslash as a slash and drop tabs and newlines, so those are refused: either
    would make `/\\evil.example` another host.
    """
    if any(ord(char) < 0x21 or char == "\\" or ord(char) == 0x7F for char in url):
        return prefix
    if url.startswith("//") or not (url.partition("?")[0] + "/").startswith(prefix):
        return prefix
    parts = urlsplit(url)
    steps = parts.path.lower().replace("%2e", ".").split("/")
    if parts.scheme or parts.netloc or ".." in steps:
        return prefix
    return url
