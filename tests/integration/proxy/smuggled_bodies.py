"""Requests whose end somebody may see elsewhere: lengths, codings, chunks. Written for this proxy, from RFC 9112, sections 6 and 7."""

from typing import Final, NamedTuple

CANARY: Final = b"GET /canary HTTP/1.1\r\nHost: a\r\n\r\n"
"""Follows each of them on the connection; it must be its own request, or part of what it seems to belong to, or never arrive."""
SMUGGLED: Final = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


class Case(NamedTuple):
    name: str
    raw: bytes
    want: str
    """Statuses of the answers, the canary's among them: 200 is always the server's, anything else the proxy's last word on this connection;
    "..." at the end: more would have to come."""


def post(*fields: bytes, body: bytes = b"") -> bytes:
    return b"POST /first HTTP/1.1\r\nHost: a\r\n" + b"".join(line + b"\r\n" for line in fields) + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", body=body)


def _length(name: str, value: bytes, want: str = "400", body: bytes = b"") -> Case:
    return Case(f"length {name}", post(b"Content-Length:" + value, body=body), want)


def _coding(name: str, *fields: bytes, want: str = "400", body: bytes = b"0\r\n\r\n" + SMUGGLED) -> Case:
    return Case(f"coding {name}", post(*fields, body=body), want)


def _chunks(name: str, body: bytes, want: str = "400") -> Case:
    return Case(f"chunks {name}", chunked(body), want)


_ATTACK: Final = b"0\r\n\r\n" + SMUGGLED
_HEX: Final = b"%x" % len(SMUGGLED)

LENGTHS: Final = [
    _length("none", b" 0", "200 200"),
    _length("right", b" 5", "200 200", b"hello"),
    _length("without a space", b"5", "200 200", b"hello"),
    _length("between spaces", b"  5  ", "200 200", b"hello"),
    _length("between tabs", b"\t5\t", "200 200", b"hello"),
    _length("with zeros before it", b" 0005", "200 200", b"hello"),
    _length("of a body that looks like a request", b" %d" % len(SMUGGLED), "200 200", SMUGGLED),
    _length("of a body that looks like a chunk", b" 5", "200 200", b"0\r\n\r\n"),
    _length("too small", b" 4", "200 400", b"hello, "),
    _length("that takes the next request in", b" %d" % len(CANARY), "200 ..."),
    _length("beyond everything that comes", b" 1000", "...", b"hello"),
    _length("with a plus", b" +5", body=b"hello"),
    _length("with a minus", b" -5", body=b"hello"),
    _length("minus zero", b" -0"),
    _length("empty", b""),
    _length("of spaces", b"   "),
    _length("in hexadecimal", b" 0x5", body=b"hello"),
    _length("in hexadecimal without mark", b" a", body=b"hellohello"),
    _length("with a fraction", b" 5.0", body=b"hello"),
    _length("with an exponent", b" 5e0", body=b"hello"),
    _length("with an underscore", b" 1_0", body=b"hellohello"),
    _length("with a thousands' comma", b" 1,000", body=b"hello"),
    _length("as a list of two alike", b" 5, 5", body=b"hello"),
    _length("as a list of two", b" 5, 6", body=b"hello"),
    _length("as a list with an end", b" 5,", body=b"hello"),
    _length("as a list with a beginning", b" ,5", body=b"hello"),
    _length("with a space inside", b" 5 6", body=b"hello"),
    _length("with a semicolon", b" 5;x=y", body=b"hello"),
    _length("in quotes", b' "5"', body=b"hello"),
    _length("with a vertical tab", b" \x0b5", body=b"hello"),
    _length("with a form feed", b" 5\x0c", body=b"hello"),
    _length("with a NUL", b" 5\x00", body=b"hello"),
    _length("with a no-break space", b" \xa05", body=b"hello"),
    _length("in other digits", " ٥".encode(), body=b"hello"),
    _length("in raised digits", b" \xb2", body=b"he"),
    _length("of 32 bits and one", b" 4294967301", "...", b"hello"),
    _length("of 64 bits and one", b" 18446744073709551621", body=b"hello"),
    _length("of 300 digits", b" " + b"0" * 299 + b"5", body=b"hello"),
    Case("length twice alike", post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"), "400"),
    Case("length twice, the first short", post(b"Content-Length: 0", b"Content-Length: 5", body=b"hello"), "400"),
    Case("length twice, the last short", post(b"Content-Length: 5", b"Content-Length: 0", body=b"hello"), "400"),
    Case("length twice in other letters", post(b"Content-Length: 5", b"CONTENT-LENGTH: 6", body=b"hello!"), "400"),
    Case("length folded", post(b"Content-Length:", b" 5", body=b"hello"), "400"),
    Case("length behind a folded field", post(b"X: y", b"\tContent-Length: 5", body=b"hello"), "400"),
    Case("length with a space before the colon", post(b"Content-Length : 5", body=b"hello"), "400"),
    Case("length with a tab before the colon", post(b"Content-Length\t: 5", body=b"hello"), "400"),
    Case("length with a NUL before the colon", post(b"Content-Length\x00: 5", body=b"hello"), "400"),
    Case("length without a colon", post(b"Content-Length 5", body=b"hello"), "400"),
    Case("length behind a bare CR", post(b"X: y\rContent-Length: 5", body=b"hello"), "400"),
    Case("length behind a bare LF", post(b"X: y\nContent-Length: 5", body=b"hello"), "400"),
    Case("length with an underscore in its name", post(b"Content_Length: 34"), "200 200"),
    Case("length in a name that begins the same", post(b"Content-Length-X: 34"), "200 200"),
    Case("length in a name that ends the same", post(b"X-Content-Length: 34"), "200 200"),
    Case("length named by Connection", post(b"Connection: Content-Length", b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED), "200 200"),
    Case("length named by Connection first", post(b"Content-Length: 5", b"Connection: content-length, keep-alive", body=b"hello"), "200 200"),
    Case("length of a GET", b"GET /first HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED, "200 200"),
    Case("length of a HEAD", b"HEAD /first HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED, "200 200"),
    Case("length of a DELETE", b"DELETE /first HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "200 200"),
    Case("length of an OPTIONS", b"OPTIONS /first HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "200 200"),
    Case("no length but a body", post(body=b"x=" + SMUGGLED), "200 400"),
]

CODINGS: Final = [
    _coding("alone", b"Transfer-Encoding: chunked", want="200 200", body=b"5\r\nhello\r\n0\r\n\r\n"),
    _coding("in large letters", b"TRANSFER-ENCODING: CHUNKED", want="200 200", body=b"5\r\nhello\r\n0\r\n\r\n"),
    _coding("without a space", b"Transfer-Encoding:chunked", want="200 200", body=b"0\r\n\r\n"),
    _coding("behind a tab", b"Transfer-Encoding:\tchunked", want="200 200", body=b"0\r\n\r\n"),
    _coding("before a space", b"Transfer-Encoding: chunked ", want="200 200", body=b"0\r\n\r\n"),
    _coding("with a length", b"Content-Length: 5", b"Transfer-Encoding: chunked", body=_ATTACK),
    _coding("before a length", b"Transfer-Encoding: chunked", b"Content-Length: %d" % len(_ATTACK), body=_ATTACK),
    _coding("with a length of nothing", b"Transfer-Encoding: chunked", b"Content-Length: 0", body=_ATTACK),
    _coding("with a length that nobody can read", b"Transfer-Encoding: chunked", b"Content-Length: x", body=_ATTACK),
    _coding("unknown, with a length", b"Content-Length: 5", b"Transfer-Encoding: xchunked", body=_ATTACK),
    _coding("identity, with a length", b"Content-Length: 5", b"Transfer-Encoding: identity", body=b"hello", want="501"),
    _coding("unknown", b"Transfer-Encoding: x", want="501"),
    _coding("empty", b"Transfer-Encoding:", want="501"),
    _coding("gzip", b"Transfer-Encoding: gzip", want="501"),
    _coding("with a letter before it", b"Transfer-Encoding: xchunked"),
    _coding("with a letter behind it", b"Transfer-Encoding: chunkedx"),
    _coding("cut short", b"Transfer-Encoding: chunke", want="501"),
    _coding("in quotes", b'Transfer-Encoding: "chunked"'),
    _coding("in single quotes", b"Transfer-Encoding: 'chunked'"),
    _coding("in brackets", b"Transfer-Encoding: [chunked]"),
    _coding("with a parameter", b"Transfer-Encoding: chunked;q=1"),
    _coding("with a semicolon", b"Transfer-Encoding: chunked;"),
    _coding("with a comma behind it", b"Transfer-Encoding: chunked,"),
    _coding("with a comma before it", b"Transfer-Encoding: ,chunked"),
    _coding("twice in a list", b"Transfer-Encoding: chunked, chunked"),
    _coding("twice in lines", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    _coding("then identity", b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
    _coding("after identity", b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked", want="501"),
    _coding("after identity in a list", b"Transfer-Encoding: identity, chunked"),
    _coding("before identity in a list", b"Transfer-Encoding: chunked, identity"),
    _coding("after gzip in a list", b"Transfer-Encoding: gzip, chunked"),
    _coding("in two letters' cases", b"Transfer-Encoding: chunked", b"tRANSFER-eNCODING: cow"),
    _coding("behind a vertical tab", b"Transfer-Encoding: \x0bchunked"),
    _coding("before a vertical tab", b"Transfer-Encoding: chunked\x0b"),
    _coding("behind a form feed", b"Transfer-Encoding: \x0cchunked"),
    _coding("before a NUL", b"Transfer-Encoding: chunked\x00"),
    _coding("behind a no-break space", b"Transfer-Encoding: \xa0chunked"),
    _coding("with a long s", "Transfer-Encoding: chunſked".encode(), want="501"),
    _coding("with a sign of Kelvin", "Transfer-Encoding: chun\u212aed".encode(), want="501"),
    _coding("with a space before the colon", b"Transfer-Encoding : chunked"),
    _coding("with a tab before the colon", b"Transfer-Encoding\t: chunked"),
    _coding("behind a space", b" Transfer-Encoding: chunked"),
    _coding("behind a tab in the line", b"X: y", b"\tTransfer-Encoding: chunked"),
    _coding("folded", b"Transfer-Encoding:", b" chunked"),
    _coding("behind a bare LF", b"X: y\nTransfer-Encoding: chunked"),
    _coding("behind a bare CR", b"X: y\rTransfer-Encoding: chunked"),
    _coding("before a bare CR", b"Transfer-Encoding: chunked\r"),
    _coding("before a bare LF", b"Transfer-Encoding: chunked\nX: y"),
    _coding("between bare CRs", b"X: y\r\rTransfer-Encoding: chunked"),
    _coding("without a colon", b"Transfer-Encoding chunked"),
    _coding("with two colons", b"Transfer-Encoding:: chunked"),
    _coding("with a hyphen that is none", "Transfer\u2010Encoding: chunked".encode()),
    _coding("with an underscore", b"Transfer_Encoding: chunked", want="200 400"),
    _coding("named by Connection", b"Connection: Transfer-Encoding", b"Transfer-Encoding: chunked", want="200 200", body=b"0\r\n\r\n"),
    _coding("in TE", b"TE: chunked", want="200 400"),
    _coding("in Content-Encoding", b"Content-Encoding: chunked", want="200 400"),
    Case("coding in HTTP/1.0", b"POST /first HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + _ATTACK, "400"),
    Case("coding in HTTP/1.0 kept", b"POST /first HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + _ATTACK, "400"),
    Case("coding of a GET", b"GET /first HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "200 200"),
]

CHUNKS: Final = [
    _chunks("of several sizes", b"1\r\na\r\nA\r\n0123456789\r\n00b\r\n0123456789a\r\n0\r\n\r\n", "200 200"),
    _chunks("that look like a request", _HEX + b"\r\n" + SMUGGLED + b"\r\n0\r\n\r\n", "200 200"),
    _chunks("that look like an end", b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", "200 200"),
    _chunks("with an end of many zeros", b"1\r\na\r\n000000\r\n\r\n", "200 200"),
    _chunks("with an extension", b"5;a=b\r\nhello\r\n0;c\r\n\r\n", "200 200"),
    _chunks("with an extension in quotes", b'5;a="b;c"\r\nhello\r\n0\r\n\r\n', "200 200"),
    _chunks("with spaces before an extension", b"5 \t;a=b\r\nhello\r\n0\r\n\r\n"),
    _chunks("with a trailer", b"0\r\nX: y\r\n\r\n", "200 200"),
    _chunks("with a trailer that names a length", b"0\r\nContent-Length: 34\r\n\r\n", "200 200"),
    _chunks("with a trailer that names a coding", b"0\r\nTransfer-Encoding: chunked\r\nHost: b\r\n\r\n", "200 200"),
    _chunks("without an end", b"5\r\nhello\r\n", "400"),
    _chunks("cut short", b"ff\r\nhello\r\n", "..."),
    _chunks("with a size of 64 bits and one", b"10000000000000001\r\na\r\n0\r\n\r\n"),
    _chunks("with a size of 32 bits and one", b"100000001\r\na\r\n0\r\n\r\n", "..."),
    _chunks("with a size of all bits", b"ffffffffffffffff\r\na\r\n0\r\n\r\n"),
    _chunks("with a size below zero", b"-1\r\na\r\n0\r\n\r\n"),
    _chunks("with a size below 64 bits", b"fffffffffffffffe\r\na\r\n0\r\n\r\n"),
    _chunks("with 40 zeros before the size", b"0" * 40 + b"1\r\na\r\n0\r\n\r\n"),
    _chunks("with a plus", b"+5\r\nhello\r\n0\r\n\r\n"),
    _chunks("with a mark of hexadecimal", b"0x5\r\nhello\r\n0\r\n\r\n"),
    _chunks("with an underscore", b"0_5\r\nhello\r\n0\r\n\r\n"),
    _chunks("with a space before the size", b" 5\r\nhello\r\n0\r\n\r\n"),
    _chunks("with a space behind the size", b"5 \r\nhello\r\n0\r\n\r\n"),
    _chunks("with a tab behind the size", b"5\t\r\nhello\r\n0\r\n\r\n"),
    _chunks("with a NUL behind the size", b"5\x00\r\nhello\r\n0\r\n\r\n"),
    _chunks("with a letter behind the size", b"5g\r\nhello\r\n0\r\n\r\n"),
    _chunks("without a size", b"\r\nhello\r\n0\r\n\r\n"),
    _chunks("with an extension but no size", b";a=b\r\nhello\r\n0\r\n\r\n"),
    _chunks("with a comma", b"5,a\r\nhello\r\n0\r\n\r\n"),
    _chunks("with a list of sizes", b"5, 6\r\nhello\r\n0\r\n\r\n"),
    _chunks("with a bare LF behind the size", b"5\nhello\r\n0\r\n\r\n"),
    _chunks("with a bare CR behind the size", b"5\rhello\r\n0\r\n\r\n"),
    _chunks("with two CRs behind the size", b"5\r\r\nhello\r\n0\r\n\r\n"),
    _chunks("with a bare LF in an extension", b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    _chunks("with a bare CR in an extension", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    _chunks("with a bare LF that ends an extension", b"2;\nxx\r\n" + _HEX + b"\r\n0\r\n\r\n" + SMUGGLED),
    _chunks("with a NUL in an extension", b"5;a=\x00\r\nhello\r\n0\r\n\r\n"),
    _chunks("with an extension without end", b"5;" + b"a" * 5000 + b"\r\nhello\r\n0\r\n\r\n"),
    _chunks("longer than said", b"5\r\nhello!\r\n0\r\n\r\n"),
    _chunks("shorter than said", b"5\r\nhell\r\n0\r\n\r\n"),
    _chunks("ended by a bare LF", b"5\r\nhello\n0\r\n\r\n"),
    _chunks("ended by a bare CR", b"5\r\nhello\r0\r\n\r\n"),
    _chunks("ended by two other bytes", b"5\r\nhelloXX0\r\n\r\n"),
    _chunks("ended by LF and CR", b"5\r\nhello\n\r0\r\n\r\n"),
    _chunks("ended by nothing", b"5\r\nhello0\r\n\r\n"),
    _chunks("ended by two lines", b"5\r\nhello\r\n\r\n0\r\n\r\n"),
    _chunks("with an end of a bare LF", b"0\n\n" + SMUGGLED),
    _chunks("with a bare LF behind the end", b"0\r\n\n" + SMUGGLED),
    _chunks("with a bare CR behind the end", b"0\r\n\r" + SMUGGLED),
    _chunks("with an end that misses a line", b"0\r\n" + SMUGGLED),
    _chunks("with a trailer that is none", b"0\r\nX\r\n\r\n"),
    _chunks("with a trailer with a space before the colon", b"0\r\nX : y\r\n\r\n"),
    _chunks("with a folded trailer", b"0\r\nX: y\r\n z\r\n\r\n"),
    _chunks("with a trailer that ends in a bare LF", b"0\r\nX: y\n\r\n"),
    _chunks("with a trailer with a bare CR", b"0\r\nX: y\rZ: a\r\n\r\n"),
    _chunks("with a trailer with a NUL", b"0\r\nX: \x00\r\n\r\n"),
    _chunks("with trailers without end", b"0\r\n" + b"X: y\r\n" * 5000 + b"\r\n"),
]
