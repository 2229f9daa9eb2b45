"""What a request's address may be, before any route is looked up. Pure."""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from perijove.proxy.http1 import Refused

INTERNAL: Final = b"hub/perijove"
"""Below the base URL: what hub and proxies say to each other, which nobody outside may reach."""

_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?@]*)(/[^?]*)?(\?.*)?")
_SLASHES = re.compile(rb"/{2,}")
_CLIMBING = re.compile(rb"(?:\A|/)\.{1,2}(?:;[^/]*)?(?:/|\Z)")
_RAW = re.compile(rb"[\x80-\xff]")


class Addresses:
    """Sorts request targets for one base URL."""

    def __init__(self, base_url: str) -> None:
        """Raises ValueError if `base_url` does not begin and end with a slash."""
        if not base_url.startswith("/") or not base_url.endswith("/"):
            raise ValueError(f"the base URL {base_url!r} must begin and end with a slash")
        self.internal = base_url.encode() + INTERNAL
        """What paths begin with that have to be looked at with `parse`, however plain they are."""

    def parse(self, target: bytes) -> tuple[bytes, bytes, bytes | None]:
        """(target in origin form as sent on, its path without the query and not decoded, host).

        The host is that of a target in absolute form, which overrules the Host field (RFC 9112, section 3.2.2), else None.
        Raises Refused: 400 for what is no path or climbs with "..", 404 for the hub's internal addresses.
        """
        if not target.isascii():
            # Some clients send UTF-8 as it is; what is sent on is HTTP.
            target = _RAW.sub(lambda found: b"%%%02X" % found[0][0], target)
        host = None
        if not target.startswith(b"/"):
            found = _ABSOLUTE.fullmatch(target)
            if found is None or not found[1]:
                raise Refused(400, "The address asked for is malformed.")
            host = found[1]
            target = (found[2] or b"/") + (found[3] or b"")
        query = target.find(b"?")
        path = target if query < 0 else target[:query]
        if b"%" in path or b"/." in path or b"//" in path or b"\\" in path:
            self._look_closely(path)
        elif path.startswith(self.internal):
            self._keep_out(path)
        return target, path, host

    def _look_closely(self, path: bytes) -> None:
        """Whatever way a server may read it, it must not lead out of where it seems to lead."""
        decoded = unquote_to_bytes(path).replace(b"\\", b"/")
        # Browsers and clients resolve these themselves; what still has them, be it with a parameter, wants to be two things at once.
        if _CLIMBING.search(decoded):
            raise Refused(400, "The path has '.' or '..' segments.")
        if b"\0" in decoded:
            raise Refused(400, "The path has a NUL in it.")
        self._keep_out(_SLASHES.sub(b"/", decoded))

    def _keep_out(self, path: bytes) -> None:
        if path.startswith(self.internal) and path[len(self.internal) : len(self.internal) + 1] in {b"", b"/"}:
            raise Refused(404, "There is nothing at this address.")
