"""A request as it was read, and as it is said to the server."""

from collections.abc import Sequence
from typing import Final

from perijove.proxy.http1 import RequestFields
from perijove.proxy.table import Entry
from perijove.proxy.upstreams import Origin

_REPEATABLE: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})


class Request:
    """Never changes once made: a client that sends the same bytes again, as polling pages do, is served by the same object."""

    __slots__ = ("entry", "fields", "generation", "head", "method", "origins", "plain", "raw", "repeatable", "target", "tracked")

    def __init__(
        self, method: bytes, target: bytes, fields: RequestFields, entry: Entry[Origin] | None, origins: Sequence[Origin], head: bytes
    ) -> None:
        """`head`: what is sent to the server, up to the value of X-Request-Id if that is ours to give; `origins`: where to, in order of
        preference; `entry` is None for the hub."""
        self.method = method
        self.target = target
        self.fields = fields
        self.entry = entry
        self.origins = origins
        self.head = head
        self.repeatable = method in _REPEATABLE and not fields.has_body
        self.plain = fields.minor == 1 and fields.keep_alive and method != b"HEAD"
        """Whether a plain answer may be passed on as it comes."""
        self.tracked = not (b"?" in target and b"no_track_activity" in target)
        """Whether it counts as somebody's activity."""
        self.raw = b""
        """The bytes it was read from; empty: not to be compared with."""
        self.generation = 0
        """Of the route table, when `raw` was read."""
