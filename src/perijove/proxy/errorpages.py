"""The proxy's own answers: small pages that need nobody else, or JSON for programs."""

import base64
import hashlib
import html
import re
from functools import lru_cache
from http import HTTPStatus
from typing import Final, NamedTuple

import msgspec

_ACCEPT = re.compile(rb"(?i)\naccept:[ \t]*([^\r]*)\r")
_STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto 2rem;padding:0 1.5rem;background:Canvas;color:CanvasText}"
    "h1{font-size:1.4rem}a{color:LinkText}small{opacity:.75}"
)
_CSP: Final = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


class Trouble(NamedTuple):
    """What goes wrong, in words for the person who sees it."""

    status: int
    title: str
    message: str
    retry_after_s: int = 0
    link: str = ""
    """Below the base URL; empty: no link."""
    link_text: str = ""


HUB_DOWN: Final = Trouble(
    503,
    "The hub is not answering",
    "Signing in, starting and stopping servers is not possible just now. Servers that run already go on working. Try again in a moment; "
    "if this lasts, tell the administrator of this site.",
    5,
)
HUB_FAILED: Final = HUB_DOWN._replace(status=502)
SERVER_DOWN: Final = Trouble(
    503, "This server is not answering", "It may be starting, have been stopped, or be overloaded. See its state, or start it again, from the home page.",
    5, "hub/home", "Go to the home page",
)  # fmt: skip
AWAY: Final = Trouble(
    503,
    "The job of this server is not connected",
    "The machine where it runs has lost its connection to this site, or the job is suspended or has ended. It comes back by itself if it can; see its "
    "state on the home page.",
    5, "hub/home", "Go to the home page",
)  # fmt: skip
NO_ANSWER: Final = Trouble(
    502, "The server gave no proper answer", "It closed the connection or answered with something that is not HTTP. Try again; if this lasts, restart the server.",
    0, "hub/home", "Go to the home page",
)  # fmt: skip
TOO_SLOW: Final = Trouble(
    504, "The server takes too long to answer", "It did not answer in time. Try again later; if this lasts, restart the server.",
    0, "hub/home", "Go to the home page",
)  # fmt: skip
NOTHING_HERE: Final = Trouble(
    404, "There is nothing here", "No server is known at this address. Check it, or go to the home page.", 0, "hub/home", "Go to the home page"
)
OVERLOADED: Final = Trouble(503, "Too many connections", "This site has more visitors than it can serve just now. Try again in a moment.", 10)
NO_FILES: Final = Trouble(
    503,
    "This site has too much to do",
    "The way to the server cannot be opened: too many open files or connections on the proxy's machine. Try again in a moment; if this lasts, tell the "
    "administrator of this site.",
    5,
)
CROWDED: Final = Trouble(
    429, "Too many connections from your address", "Close some of the pages of this site that you have open, then try again in a moment.", 10
)
TIMED_OUT: Final = Trouble(408, "The request took too long to arrive", "The connection may be slow or interrupted. Try again.")


def wants_html(block: bytes) -> bool:
    """Whether a request with these header field lines comes from somebody who looks at pages. Programs get JSON."""
    accept = _ACCEPT.search(b"\n" + block)
    return accept is not None and b"text/html" in accept[1].lower()


@lru_cache(maxsize=256)
def render(trouble: Trouble, base_url: str, as_html: bool, head_only: bool, keep_alive: bool) -> bytes:
    """A whole response. Of thousands of stale pages that keep asking, only the first costs anything."""
    if as_html:
        link = f'<p><a href="{html.escape(base_url + trouble.link)}">{html.escape(trouble.link_text)}</a></p>' if trouble.link else ""
        body = (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>{html.escape(trouble.title)}</title><style>{_STYLE}</style></head>"
            f"<body><main><h1>{html.escape(trouble.title)}</h1><p>{html.escape(trouble.message)}</p>{link}"
            f"<p><small>{trouble.status} {_phrase(trouble.status)}</small></p></main></body></html>\n"
        ).encode()
        kind = "text/html; charset=utf-8"
    else:
        body = msgspec.json.encode({"status": trouble.status, "message": f"{trouble.title}. {trouble.message}"})
        kind = "application/json"
    fields = [
        f"HTTP/1.1 {trouble.status} {_phrase(trouble.status)}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Vary: Accept",
        "X-Content-Type-Options: nosniff",
    ]
    if as_html:
        fields.append(f"Content-Security-Policy: {_CSP}")
    if trouble.retry_after_s:
        fields.append(f"Retry-After: {trouble.retry_after_s}")
    if trouble.status == 405:
        fields.append("Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
    if not keep_alive:
        fields.append("Connection: close")
    head = ("\r\n".join(fields) + "\r\n\r\n").encode()
    return head if head_only else head + body


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase
