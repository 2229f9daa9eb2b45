"""What goes over the one connection between agent and gateway: frames, one to a WebSocket message.

    kind (1 byte)  stream (4 bytes, big-endian; 0: the connection itself)  payload

A stream is one connection to the server, opened by the gateway.
"""

from __future__ import annotations

import json
import struct
from typing import Any, NamedTuple

VERSION = 1
"""Of this format. Both ends say theirs in their HELLO; the lower one is spoken."""
OPEN, DATA, CREDIT, END, RESET, HELLO, NOTE = range(1, 8)
PAYLOAD = 32 * 1024
"""The most bytes of a stream in one frame: no stream keeps the others waiting for longer than this takes."""
_HEAD = struct.Struct(">BI")
_TOTAL = struct.Struct(">Q")
LARGEST = _HEAD.size + 1024 * 1024
"""What a peer may send in one frame: HELLO and NOTE may be longer than DATA."""


class FrameError(Exception):
    """The other end does not speak this protocol. The connection is of no use any more."""


class Frame(NamedTuple):
    """`total` of CREDIT: bytes that the receiver has passed on, and one more for the end of the stream; of END: bytes of the whole stream.
    Both are counted from its beginning."""

    kind: int
    stream: int
    payload: bytes = b""

    def encoded(self) -> bytes:
        return _HEAD.pack(self.kind, self.stream) + self.payload

    @property
    def total(self) -> int:
        """Raises FrameError."""
        if len(self.payload) != _TOTAL.size:
            raise FrameError("a frame with a count has no count")
        return int(_TOTAL.unpack(self.payload)[0])

    @property
    def words(self) -> dict[str, Any]:
        """Of HELLO and NOTE: a JSON object. Raises FrameError."""
        try:
            found = json.loads(self.payload)
        except ValueError as error:
            raise FrameError("a frame with words has none") from error
        if not isinstance(found, dict):
            raise FrameError("a frame with words is no object")
        return found


def counting(kind: int, stream: int, total: int) -> Frame:
    """A CREDIT or an END."""
    return Frame(kind, stream, _TOTAL.pack(total))


def saying(kind: int, words: dict[str, Any]) -> Frame:
    """A HELLO or a NOTE."""
    return Frame(kind, 0, json.dumps(words, separators=(",", ":")).encode())


def decoded(message: bytes) -> Frame:
    """Raises FrameError."""
    if not _HEAD.size <= len(message) <= LARGEST:
        raise FrameError(f"a frame of {len(message)} bytes")
    kind, stream = _HEAD.unpack_from(message)
    if not OPEN <= kind <= NOTE or (stream == 0) is not (kind in (HELLO, NOTE)):
        raise FrameError(f"a frame of unknown kind {kind} for stream {stream}")
    return Frame(kind, stream, message[_HEAD.size :])
