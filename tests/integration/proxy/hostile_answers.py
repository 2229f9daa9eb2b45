"""Answers of servers that are broken or hostile. Written for this proxy, from RFC 9112."""

from typing import Final, NamedTuple

EVIL: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
BROKEN: Final = "broken off"
HELLO: Final = "200 hello"


class Hostile(NamedTuple):
    name: str
    raw: bytes
    want: str
    """Status and body as the client gets them; 502 is the proxy's own page; BROKEN: the client sees that something is missing."""
    method: bytes = b"GET"
    late: bytes = b""
    """Sent when the client has its answer."""
    close: bool = False
    """The server closes the connection behind `raw`."""


def _line(name: str, line: bytes, want: str = "502") -> Hostile:
    return Hostile(f"line {name}", line + b"\r\nContent-Length: 5\r\n\r\nhello", want)


def _fields(name: str, *lines: bytes, want: str = "502", body: bytes = b"hello", status: bytes = b"200 OK", version: bytes = b"1.1") -> Hostile:
    return Hostile(f"fields {name}", b"HTTP/" + version + b" " + status + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body, want)


def _chunks(name: str, body: bytes, want: str = BROKEN, close: bool = False) -> Hostile:
    # The first chunk is good and comes in a piece of its own, so that the answer has begun when it goes wrong.
    return Hostile(f"chunks {name}", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body, want, close=close)


LINES: Final = [
    _line("good", b"HTTP/1.1 200 OK", HELLO),
    _line("without a reason", b"HTTP/1.1 200 ", HELLO),
    _line("without a reason and its space", b"HTTP/1.1 200", HELLO),
    _line("with a reason in Latin-1", b"HTTP/1.1 200 \xe9", HELLO),
    _line("of 299", b"HTTP/1.1 299 Own", "299 hello"),
    _line("of 599", b"HTTP/1.1 599 Own", "599 hello"),
    _line("of 999", b"HTTP/1.1 999 Own", "999 hello"),
    _line("of four digits", b"HTTP/1.1 2000 OK"),
    _line("of two digits", b"HTTP/1.1 20 OK"),
    _line("of 099", b"HTTP/1.1 099 OK"),
    _line("of 000", b"HTTP/1.1 000 OK"),
    _line("with a sign", b"HTTP/1.1 +200 OK"),
    _line("with letters", b"HTTP/1.1 2xx OK"),
    _line("with two spaces", b"HTTP/1.1  200 OK"),
    _line("with a tab", b"HTTP/1.1\t200 OK"),
    _line("with a space before it", b" HTTP/1.1 200 OK"),
    _line("behind an empty line", b"\r\nHTTP/1.1 200 OK"),
    _line("behind a NUL", b"\x00HTTP/1.1 200 OK"),
    _line("with a NUL", b"HTTP/1.1 200 O\x00K"),
    _line("with a bare CR", b"HTTP/1.1 200 OK\rX: y"),
    _line("with a bare LF", b"HTTP/1.1 200 OK\nX: y"),
    _line("of HTTP/1.2", b"HTTP/1.2 200 OK"),
    _line("of HTTP/2.0", b"HTTP/2.0 200 OK"),
    _line("of HTTP/0.9", b"HTTP/0.9 200 OK"),
    _line("in small letters", b"http/1.1 200 OK"),
    _line("of another protocol", b"ICY 200 OK"),
    _line("of a request", b"GET / HTTP/1.1"),
    Hostile("line of HTTP/0.9 without any", b"<html>hello</html>\r\n\r\n", "502", close=True),
    Hostile("line of all bare LFs", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "502", close=True),
    Hostile("line of all bare LFs, to be continued", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "502"),
    Hostile("line missing", b"", "502", close=True),
    Hostile("line cut short", b"HTTP/1.1 20", "502", close=True),
    Hostile("line of TLS", b"\x15\x03\x01\x00\x02\x02\x16", "502", close=True),
    Hostile("line without end", b"HTTP/1.1 200 " + b"x" * 300_000, "502"),
]

FIELDS: Final = [
    _fields("good", b"Content-Length: 5", want=HELLO),
    _fields("with zeros", b"content-length:   0005 ", want=HELLO),
    _fields("with length twice alike", b"Content-Length: 5", b"Content-Length: 5"),
    _fields("with two lengths", b"Content-Length: 5", b"Content-Length: 50"),
    _fields("with a list of lengths", b"Content-Length: 5, 5"),
    _fields("with a list of lengths and an end", b"Content-Length: 5,"),
    _fields("with a plus", b"Content-Length: +5"),
    _fields("with a minus", b"Content-Length: -5"),
    _fields("with hexadecimal", b"Content-Length: 0x5"),
    _fields("with a fraction", b"Content-Length: 5.0"),
    _fields("with an empty length", b"Content-Length:"),
    _fields("with a length beyond 64 bits", b"Content-Length: 18446744073709551621"),
    _fields("with length and coding", b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + EVIL),
    _fields("with coding and length", b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n" + EVIL),
    _fields("with two codings", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    _fields("with a list of codings", b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    _fields("with chunked not last", b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
    _fields("with identity", b"Transfer-Encoding: identity", b"Content-Length: 5"),
    _fields("with an unknown coding", b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    _fields("with coding in HTTP/1.0", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n", version=b"1.0"),
    _fields("with a space before the colon", b"Content-Length : 5"),
    _fields("with a space before the coding's colon", b"Transfer-Encoding : chunked", b"Content-Length: 5"),
    _fields("folded", b"X: a", b" Content-Length: 5"),
    _fields("with a folded length", b"Content-Length:", b" 5"),
    _fields("behind a space", b" X: y", b"Content-Length: 5"),
    _fields("with a NUL", b"X: a\x00b", b"Content-Length: 5"),
    _fields("with a bare CR", b"X: a\rContent-Length: 0", b"Content-Length: 5"),
    _fields("with a bare LF", b"X: a\nContent-Length: 0", b"Content-Length: 5"),
    _fields("with an answer behind bare LFs", b"X: a\n\n" + EVIL, b"Content-Length: 5"),
    _fields("without a colon", b"X", b"Content-Length: 5"),
    _fields("without a name", b": x", b"Content-Length: 5"),
    _fields("with a name beyond ASCII", "é: x".encode(), b"Content-Length: 5"),
    _fields("that Connection names", b"Connection: Content-Length, X", b"X: y", b"Content-Length: 5", want=HELLO),
    _fields("that keep in HTTP/1.0", b"Connection: keep-alive", b"Content-Length: 5", version=b"1.0", want=HELLO),
    _fields("that close", b"Connection: close", b"Content-Length: 5", want=HELLO),
    Hostile("fields cut short", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "502", close=True),
    Hostile("fields without end", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 60_000, "502"),
    Hostile("fields of no length, to the end", b"HTTP/1.1 200 OK\r\n\r\nhello", HELLO, close=True),
    Hostile("fields of HTTP/1.0 of no length, to the end", b"HTTP/1.0 200 OK\r\n\r\nhello", HELLO, close=True),
]

CHUNKS: Final = [
    _chunks("good", b"5\r\nhello\r\n0\r\n\r\n", HELLO),
    _chunks("with extensions", b'5;a="b"\r\nhello\r\n0;c\r\n\r\n', HELLO),
    _chunks("with trailers", b"5\r\nhello\r\n0\r\nX: y\r\n\r\n", HELLO),
    _chunks("without end", b"5\r\nhello\r\n", close=True),
    _chunks("cut short", b"5\r\nhel", close=True),
    _chunks("cut in the last line", b"5\r\nhello\r\n0\r\n", close=True),
    _chunks("of no size", b"5\r\nhello\r\nx\r\n"),
    _chunks("of a size below zero", b"5\r\nhello\r\n-5\r\n"),
    _chunks("of a size beyond 64 bits", b"5\r\nhello\r\n10000000000000005\r\nhello"),
    _chunks("with a mark of hexadecimal", b"5\r\nhello\r\n0x5\r\nhello\r\n0\r\n\r\n"),
    _chunks("with a space before the size", b"5\r\nhello\r\n 5\r\nhello\r\n0\r\n\r\n"),
    _chunks("with a bare LF behind the size", b"5\r\nhello\r\n5\nhello\r\n0\r\n\r\n"),
    _chunks("with a bare LF in an extension", b"5\r\nhello\r\n5;\nhello\r\n0\r\n\r\n"),
    _chunks("longer than said", b"5\r\nhello!!\r\n0\r\n\r\n"),
    _chunks("ended by two other bytes", b"5\r\nhelloXX0\r\n\r\n"),
    _chunks("with trailers that are none", b"5\r\nhello\r\n0\r\nX\r\n\r\n"),
    _chunks("with folded trailers", b"5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n"),
    _chunks("with trailers with a bare LF", b"5\r\nhello\r\n0\r\nX: y\n\r\n"),
    _chunks("with an end that misses a line", b"5\r\nhello\r\n0\r\n" + EVIL),
    _chunks("with another answer behind", b"5\r\nhello\r\n0\r\n\r\n" + EVIL, HELLO),
]

ENDS: Final = [
    Hostile("end too early", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", BROKEN, close=True),
    Hostile("end too late", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, world", HELLO),
    Hostile("end before another answer", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" + EVIL, HELLO),
    Hostile("end of nothing before another answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + EVIL, "200 "),
    Hostile("end before a late answer", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", HELLO, late=EVIL),
    Hostile("end before one late byte", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", HELLO, late=b"\n"),
    Hostile("end of chunks before a late answer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", HELLO, late=EVIL),
    Hostile("end of a HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200 ", b"HEAD"),
    Hostile("end of a HEAD with a body", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 ", b"HEAD"),
    Hostile("end of a HEAD with a late body", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200 ", b"HEAD", late=b"hello"),
    Hostile("end of a HEAD with a late answer", b"HTTP/1.1 200 OK\r\nContent-Length: 45\r\n\r\n", "200 ", b"HEAD", late=EVIL),
    Hostile("end of a HEAD with chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "200 ", b"HEAD"),
    Hostile("end of a HEAD of no length", b"HTTP/1.1 200 OK\r\n\r\n", "200 ", b"HEAD"),
    Hostile("end of a HEAD of two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "502", b"HEAD"),
    Hostile("end of 204", b"HTTP/1.1 204 No Content\r\n\r\n", "204 "),
    Hostile("end of 204 with a body", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", "204 "),
    Hostile("end of 204 with chunks", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "204 "),
    Hostile("end of 204 with a late answer", b"HTTP/1.1 204 No Content\r\n\r\n", "204 ", late=EVIL),
    Hostile("end of 304 with a length", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "304 "),
    Hostile("end of 304 with a body", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", "304 "),
    Hostile("end of 304 with chunks", b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "304 "),
    Hostile("end of 205", b"HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n", "205 "),
    Hostile("end of an early answer to a POST", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", HELLO, b"POST"),
]

INTERIM: Final = [
    Hostile("interim 100", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", HELLO),
    Hostile("interim 103 twice", b"HTTP/1.1 103 E\r\nLink: <x>\r\n\r\n" * 2 + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", HELLO),
    Hostile("interim 199", b"HTTP/1.1 199 Own\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", HELLO),
    Hostile("interim with a length", b"HTTP/1.1 100 C\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", HELLO),
    Hostile("interim with a coding", b"HTTP/1.1 103 C\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", HELLO),
    Hostile("interim with a body", b"HTTP/1.1 100 C\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "502"),
    Hostile("interim malformed", b"HTTP/1.1 100 C\r\nX : y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "502"),
    Hostile("interim and nothing more", b"HTTP/1.1 100 C\r\n\r\n", "502", close=True),
    Hostile("interim that switches unasked", b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + EVIL, "502"),
    Hostile("interim behind the answer", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 103 E\r\n\r\n", HELLO),
    Hostile("interim late", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", HELLO, late=b"HTTP/1.1 103 E\r\n\r\n"),
]
