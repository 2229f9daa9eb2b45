"""Strict-Transport-Security in the heads of answers."""

import pytest

from perijove.proxy.hsts import hsts_line, stamped, with_hsts
from perijove.proxy.http1 import ResponseHead

LINE = hsts_line(3600, False)


def through(data: bytes) -> bytes:
    head, data = with_hsts(ResponseHead(data, data.find(b"\r\n\r\n")), data, LINE)
    again = ResponseHead(data, data.find(b"\r\n\r\n"))
    assert (head.size, head.length, head.status, head.fields) == (again.size, again.length, again.status, again.fields)
    return data


def test_the_line_says_how_long_and_for_whom() -> None:
    assert LINE == b"Strict-Transport-Security: max-age=3600\r\n"
    assert hsts_line(1, True) == b"Strict-Transport-Security: max-age=1; includeSubDomains\r\n"
    assert hsts_line(0, True) == b""


@pytest.mark.parametrize(
    ("fields", "rest"),
    [(b"Content-Length: 5\r\n", b"hello"), (b"Content-Length: 5\r\n", b"he"), (b"", b"until the end\r\n\r\n"), (b"Content-Length: 0\r\n", b"")],
)
def test_it_is_added_to_what_a_server_says(fields: bytes, rest: bytes) -> None:
    assert through(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n" + rest) == b"HTTP/1.1 200 OK\r\n" + fields + LINE + b"\r\n" + rest


def test_one_persons_server_does_not_decide_for_the_host() -> None:
    theirs = b"HTTP/1.1 200 OK\r\nstrict-transport-Security:max-age=0\r\nContent-Length: 1\r\nStrict-Transport-Security: x\r\n\r\n"
    body = b"\r\nStrict-Transport-Security: in a body\r\n"
    assert through(theirs + body) == b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n" + LINE + b"\r\n" + body


def test_pages_of_our_own_have_it_too() -> None:
    assert (
        stamped(b"HTTP/1.1 503 X\r\nContent-Length: 4\r\n\r\n\r\n\r\n", LINE) == b"HTTP/1.1 503 X\r\nContent-Length: 4\r\n" + LINE + b"\r\n\r\n\r\n"
    )
