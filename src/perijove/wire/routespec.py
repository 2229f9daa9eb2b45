"""Route specs: the prefixes that routes are known by, and the one way to compare them with a request's path.

"/user/alice/" matches the path /user/alice and all below it; "alice.example.org/user/alice/" only for requests with that host.
Segments are compared percent-decoded, as JupyterHub's proxies do, so /user/a%40b/ and /user/a@b/ are one route. A decoded segment
stays one segment: an encoded slash never makes two of it.
"""

import re
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

MAX_SPEC: Final = 4096
_PLAIN = re.compile(r"/(?:(?!\.{1,2}/)[A-Za-z0-9._~!$&'()*+,;=:@-]+/)+")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_HOST = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?)")


class BadRouteSpecError(ValueError):
    """A text that cannot name a route; the message says why."""


class RouteSpec(NamedTuple):
    """A parsed spec; two texts that mean the same route are equal."""

    host: bytes
    """Lower case, without a port; empty for any host."""
    segments: tuple[bytes, ...]
    """The path's segments, percent-decoded; empty for the root."""


def parse_routespec(text: str) -> RouteSpec:
    """Raises BadRouteSpecError. The slash at the end may be left out, as in JupyterHub's proxy API."""
    if len(text) <= MAX_SPEC and _PLAIN.fullmatch(text):  # nearly all: tables of tens of thousands have to be read in no time
        return RouteSpec(b"", tuple(text.encode().split(b"/")[1:-1]))
    if len(text) > MAX_SPEC:
        raise BadRouteSpecError(f"A route spec has at most {MAX_SPEC} characters; this one has {len(text)}.")
    host, slash, path = text.partition("/")
    if not slash:
        raise BadRouteSpecError(f"{text!r} is not a route spec: it needs a path, such as '/user/alice/'.")
    if host and not _HOST.fullmatch(host):
        raise BadRouteSpecError(f"{text!r} is not a route spec: {host!r} before the first slash is not a host name.")
    if "?" in path or "#" in path:
        raise BadRouteSpecError(f"{text!r} is not a route spec: it has a query or a fragment.")
    segments = tuple(unquote_to_bytes(segment) for segment in path.removesuffix("/").split("/")) if path else ()
    for segment in segments:
        if segment in {b"", b".", b".."}:
            raise BadRouteSpecError(f"{text!r} is not a route spec: {segment.decode()!r} cannot be one of its segments.")
        if _CONTROL.search(segment):
            raise BadRouteSpecError(f"{text!r} is not a route spec: it has control characters.")
    return RouteSpec(host.lower().encode(), segments)


def host_without_port(host: bytes) -> bytes:
    """The host of a Host header, lower case: b"Alice.example.org:8000" -> b"alice.example.org"; b"[::1]:80" -> b"[::1]"."""
    if host.startswith(b"["):
        return host[: host.find(b"]") + 1].lower()
    return host.partition(b":")[0].lower()
