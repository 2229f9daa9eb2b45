"""Heads of requests, as a gateway reads them."""

import pytest

from perijove.gateway.request import BadRequestError, parse


def test_a_head_is_read() -> None:
    request = parse(b"GET /tunnel/3 HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nAuthorization:  token  abc \r\n\r\n")
    assert (request.method, request.target, request.token, request.upgrades) == ("GET", "/tunnel/3", "abc", True)
    assert parse(b"CONNECT s1 HTTP/1.1\r\nAuthorization: Basic abc\r\n\r\n").token == ""
    assert not parse(b"POST /x HTTP/1.1\r\nUpgrade: websocket\r\n\r\n").upgrades


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n a: b\r\n\r\n",
        b"GET / HTTP/1.1\r\na : b\r\n\r\n",
        b"GET / HTTP/1.1\r\na: b\x00\r\n\r\n",
        b"GET / HTTP/1.1\na: b\r\n\r\n",
        b"\r\n\r\n",
    ],
)
def test_what_is_no_head_is_refused(head: bytes) -> None:
    with pytest.raises(BadRequestError):
        parse(head)
