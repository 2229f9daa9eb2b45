"""Where an answer ends, for both sides (RFC 9112, section 6.3)."""

import pytest

from perijove.proxy.framing import UNTIL_CLOSE, Framing, frame
from perijove.proxy.http1 import ResponseHead


def framed(fields: bytes, *, version: bytes = b"1.1", status: int = 200, method: bytes = b"GET", minor: int = 1, keep: bool = True) -> Framing:
    data = b"HTTP/%b %d X\r\n%b\r\n" % (version, status, fields)
    return frame(ResponseHead(data, len(data) - 4), data, method, minor, keep)


@pytest.mark.parametrize(
    ("fields", "kind", "left", "to_close", "keep_client", "keep_upstream"),
    [
        (b"Content-Length: 5\r\n", {}, 5, False, True, True),
        (b"Content-Length: 5\r\n", {"method": b"HEAD"}, 0, False, True, True),
        (b"Content-Length: 5\r\n", {"status": 304}, 0, False, True, True),
        (b"", {"status": 204}, 0, False, True, True),
        (b"", {}, UNTIL_CLOSE, True, False, False),
        (b"Connection: close\r\nContent-Length: 5\r\n", {}, 5, False, True, False),
        (b"Content-Length: 5\r\n", {"version": b"1.0"}, 5, False, True, False),
        (b"Connection: keep-alive\r\nContent-Length: 5\r\n", {"version": b"1.0"}, 5, False, True, True),
        (b"Transfer-Encoding: chunked\r\n", {}, UNTIL_CLOSE, False, True, True),
        (b"Transfer-Encoding: chunked\r\n", {"minor": 0}, UNTIL_CLOSE, True, False, True),
        (b"Content-Length: 5\r\n", {"keep": False}, 5, False, False, True),
    ],
)
def test_the_end_of_an_answer(fields: bytes, kind: dict[str, object], left: int, to_close: bool, keep_client: bool, keep_upstream: bool) -> None:
    result = framed(fields, **kind)  # type: ignore[arg-type]
    assert (result.left, result.to_close, result.keep_client, result.keep_upstream) == (left, to_close, keep_client, keep_upstream)


def test_the_client_is_told_in_its_own_terms() -> None:
    assert framed(b"Content-Length: 5\r\n").head == b"", "as it came"
    assert framed(b"Content-Length: 5\r\n", keep=False).head == b"HTTP/1.1 200 X\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
    assert framed(b"Content-Length: 5\r\n", minor=0).head == b"HTTP/1.1 200 X\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n"
    assert framed(b"Content-Length: 5\r\n", version=b"1.0").head == b"HTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\n"
    assert framed(b"A: b\r\nTransfer-Encoding: chunked\r\n", minor=0).head == b"HTTP/1.1 200 X\r\nA: b\r\nConnection: close\r\n\r\n"
    assert b"Transfer" not in framed(b"A: b\r\nTransfer-Encoding: chunked\r\n", minor=0, method=b"HEAD").head, "HTTP/1.0 knows no codings"


@pytest.mark.parametrize("status", [103, 204])
def test_no_coding_is_told_of_where_none_can_be(status: int) -> None:
    assert framed(b"Transfer-Encoding: chunked\r\n", status=status).head == b"HTTP/1.1 %d X\r\n\r\n" % status
    assert framed(b"Transfer-Encoding: chunked\r\n", status=304).head == b"", "RFC 9112, section 6.1"
