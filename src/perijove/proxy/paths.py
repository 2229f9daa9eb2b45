"""What a request's address may be, before any route is looked up. Pure."""

import re
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from perijove.proxy.http1 import Refused

INTERNAL: Final = b"hub/perijove"
"""Below the base URL: what hub and proxies say to each other, which nobody outside may reach."""

_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?@]*)(/[^?]*)?(\?.*)?")
_SLASHES = re.compile(rb"/{2,}")


class Address(NamedTuple):
    """A request target in origin form."""

    target: bytes
    """As sent on."""
    path: bytes
    """Without the query, not decoded."""
    host: bytes | None
    """From a target in absolute form, which overrules the Host field (RFC 9112, section 3.2.2)."""


class Addresses:
    """Sorts request targets for one base URL."""

    def __init__(self, base_url: str) -> None:
        """`base_url` begins and ends with a slash."""
        self._internal = base_url.encode() + INTERNAL

    def parse(self, target: bytes) -> Address:
        """Raises Refused: 400 for what is no path or climbs with "..", 404 for the hub's internal addresses."""
        host = None
        if not target.startswith(b"/"):
            found = _ABSOLUTE.fullmatch(target)
            if found is None or not found[1]:
                raise Refused(400, "The address asked for is malformed.")
            host = found[1]
            target = (found[2] or b"/") + (found[3] or b"")
        query = target.find(b"?")
        path = target if query < 0 else target[:query]
        if b"%" in path or b"/." in path or b"//" in path:
            self._look_closely(path)
        elif path.startswith(self._internal):
            self._keep_out(path)
        return Address(target, path, host)

    def _look_closely(self, path: bytes) -> None:
        """Whatever way a server may read it, it must not lead out of where it seems to lead."""
        decoded = unquote_to_bytes(path)
        for segment in decoded.split(b"/"):
            # Browsers and clients resolve these themselves; what still has them wants to be two things at once.
            if segment in {b".", b".."}:
                raise Refused(400, "The path has '.' or '..' segments.")
        if b"\0" in decoded:
            raise Refused(400, "The path has a NUL in it.")
        self._keep_out(_SLASHES.sub(b"/", decoded))

    def _keep_out(self, path: bytes) -> None:
        if path.startswith(self._internal) and path[len(self._internal) : len(self._internal) + 1] in {b"", b"/"}:
            raise Refused(404, "There is nothing at this address.")
