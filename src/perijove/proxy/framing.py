"""How an answer ends, towards the server and towards the client (RFC 9112, section 6.3). Pure."""

from typing import Final, NamedTuple

from perijove.proxy.chunks import Chunks
from perijove.proxy.http1 import NO_LENGTH, ResponseHead

UNTIL_CLOSE: Final = -1
_WITHOUT_BODY: Final = frozenset({204, 304})
_NOT_FOR_OLD: Final = frozenset({b"transfer-encoding", b"trailer"})


class Framing(NamedTuple):
    """What is decided when an answer's head has come."""

    left: int
    """Bytes of the body, or UNTIL_CLOSE (also if it is chunked)."""
    chunks: Chunks | None
    to_close: bool
    """The client sees the end of the answer by the end of its connection."""
    keep_client: bool
    keep_upstream: bool
    head: bytes
    """The head to send; empty: as it came."""


def frame(head: ResponseHead, data: bytes, method: bytes, minor: int, keep: bool) -> Framing:
    """`data` begins with the head; `minor` is the client's version; `keep`: its connection may serve more requests."""
    keep_upstream = head.keep_alive
    fields = head.fields
    chunks = None
    to_close = False
    if head.chunked and minor == 0:
        fields = b"".join(line for line in fields.splitlines(keepends=True) if line.partition(b":")[0].lower() not in _NOT_FOR_OLD)
    if method == b"HEAD" or head.status in _WITHOUT_BODY:
        left = 0
    elif head.chunked:
        left = UNTIL_CLOSE
        to_close = minor == 0
        chunks = Chunks(keep_trailers=True, payload=to_close)
    elif head.length != NO_LENGTH:
        left = head.length
    else:
        left = UNTIL_CLOSE
        to_close, keep_upstream = True, False
    keep = keep and not to_close
    if head.plain and keep and minor == 1:
        return Framing(left, chunks, to_close, keep, keep_upstream, b"")
    manner = b"Connection: close\r\n" if not keep else b"Connection: keep-alive\r\n" if minor == 0 else b""
    # Our own version: what was said in the protocol of the hop before does not count here (RFC 9110, section 6.2).
    return Framing(left, chunks, to_close, keep, keep_upstream, b"HTTP/1.1%b%b%b\r\n" % (data[8 : data.find(b"\r\n") + 2], fields, manner))
