"""How requests leave and answers return when the proxy stands in for configurable-http-proxy. Without IO."""

import re
from typing import Final
from urllib.parse import urlsplit

from perijove.proxy.forwarding import CookieFilter, Forwarding, TrustedProxies
from perijove.proxy.http1 import Refused, RequestFields
from perijove.proxy.manners import Manners
from perijove.proxy.paths import Addresses
from perijove.proxy.table import Entry
from perijove.proxy.upstreams import Origin
from perijove.wire.routespec import parse_routespec
from perijove.wire.target import Target

HEALTH: Final = b"/_chp_healthz"
_REDIRECTIONS: Final = frozenset({201, 301, 302, 307, 308})
_LOCATION = re.compile(rb"(?i)\r\nlocation:[ \t]*([^\r]*?)[ \t]*(?=\r\n)")


class Healthy(Refused):
    """Whoever asks wants to know whether the proxy lives; it is not for a server."""

    def __init__(self) -> None:
        super().__init__(200, "OK")

    @staticmethod
    def answer(method: bytes) -> bytes:
        body = b'{"status":"OK"}'
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
        return head if method == b"HEAD" else head + body


class PublicAddresses(Addresses):
    """No address belongs to a hub of ours, so none is kept from people."""

    def __init__(self) -> None:
        super().__init__("/")
        self.internal = HEALTH

    def parse(self, target: bytes) -> tuple[bytes, bytes, bytes | None]:
        """As there; raises Healthy for questions about the proxy's health."""
        if target == HEALTH:
            raise Healthy
        return super().parse(target)

    def _keep_out(self, path: bytes) -> None:
        """Nothing to keep out."""


class ChpForwarding(Forwarding):
    """Adds what the command line says to add."""

    def __init__(self, scheme: str, trusted: TrustedProxies, manners: Manners) -> None:
        super().__init__(scheme, trusted, CookieFilter(()))
        self._manners = manners
        self._added = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in manners.custom_headers)
        names = b"|".join(re.escape(name.encode("latin-1")) for name, _ in manners.custom_headers)
        self._replaced = re.compile(rb"(?im)^(?:" + names + rb"):[^\r]*\r\n") if names else None

    def tail(self, fields: RequestFields, peer: str, trusted: bool, to_hub: bool, authority: bytes) -> bytes:
        tail = super().tail(fields, peer, trusted, to_hub, authority)
        if self._replaced is not None:
            tail = self._replaced.sub(b"", tail) + self._added
        if self._manners.change_origin:
            tail = _HOST.sub(lambda _: b"Host: " + authority + b"\r\n", tail, count=1)
        return tail

    def _client_lines(self, fields: RequestFields) -> list[tuple[int, int, bytes]]:
        return super()._client_lines(fields) if self._manners.x_forward else []

    def _about_client(self, fields: RequestFields, peer: str, trusted: bool, host: bytes) -> bytes:
        return super()._about_client(fields, peer, trusted, host) if self._manners.x_forward else b"Via: 1.1 perijove\r\n"


_HOST = re.compile(rb"(?im)^host:[^\r]*\r\n")


def target_path(manners: Manners, target: bytes, entry: Entry[Origin] | None, to: Origin) -> bytes:
    """The address that a request for `target` (path and query) is sent on with, by the route it belongs to."""
    if not manners.include_prefix and entry is not None:
        path, mark, query = target.partition(b"?")
        # By segments, not by length: the request may spell the prefix in another way than the route.
        left = path.split(b"/")[len(parse_routespec(entry.route.spec).segments) + 1 :]
        target = b"/" + b"/".join(left) + mark + query
    return to.prefix + target if manners.prepend_path else target


def rewrite_location(manners: Manners, head: bytes, status: int, to: Target, asked: bytes | None) -> bytes:
    """The head of an answer with its Location changed, if it is a redirection to the target itself. `asked`: the request's Host."""
    if status not in _REDIRECTIONS:
        return head
    found = _LOCATION.search(head)
    if found is None:
        return head
    try:
        parts = urlsplit(found[1].decode("latin-1"))
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return head
    if parts.hostname != to.host.lower() or port != to.port:
        return head
    if manners.auto_rewrite and asked:
        parts = parts._replace(netloc=asked.decode("latin-1"))
    if manners.protocol_rewrite:
        parts = parts._replace(scheme=manners.protocol_rewrite)
    return head[: found.start(1)] + parts.geturl().encode("latin-1") + head[found.end(1) :]
