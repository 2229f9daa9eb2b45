"""Streams that clients and servers may send: mostly good HTTP, some of it spoilt."""

from random import Random
from typing import Final

_REQUESTS: Final = (
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /user/alice/x HTTP/1.1\r\nHost: a\r\nCookie: perijove-session=1; b=2\r\nConnection: keep-alive, x\r\nX: y\r\n\r\n",
    b"GET /user/alice/x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /user/alice/x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD /user/alice/x HTTP/1.1\r\nHost: a\r\nX-Request-Id: 1\r\n\r\n",
    b"GET /user/alice/%41?x HTTP/1.0\r\n\r\n",
    b"GET /user/alice/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET http://b/user/alice/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /user/alice/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 300\r\nExpect: 100-continue\r\n\r\n" + b"x" * 300,
    b"POST /user/alice/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;a=b\r\nxyz\r\n0\r\nT: u\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /user/alice/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept: text/html\r\n\r\n",
    b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /hub/perijove/x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\n\r\n",
)
_LARGE_REQUEST: Final = b"POST /user/alice/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n" + b"x" * 3000
_ANSWERS: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nT: u\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi",
    b"HTTP/1.1 413 Too large\r\nContent-Length: 3\r\n\r\nbig",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" + b"y" * 3000,
    b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + b"z" * 2000 + b"\r\n0\r\n\r\n",
)
_SPOILS: Final = (
    b"\r", b"\n", b"\r\n", b"\x00", b" ", b"\t", b":", b"0", b"f", b"-", b"\xff", b";", b",", b"chunked", b"\r\n\r\n", b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"HTTP/1.1 ", b"x" * 5000,
)  # fmt: skip


def _spoilt(data: bytes, random: Random) -> bytes:
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(data) + 1)
        data = data[:at] + random.choice(_SPOILS) + data[at + random.choice((0, 0, 1, 2)) :]
    return data


def request(random: Random) -> bytes:
    data = _LARGE_REQUEST if random.random() < 0.05 else random.choice(_REQUESTS)
    return _spoilt(data, random) if random.random() < 0.12 else data


def answer(random: Random) -> bytes:
    data = random.choice(_ANSWERS)
    kind = random.random()
    if kind < 0.1:
        return _spoilt(data, random)
    return data[: random.randrange(len(data))] if kind < 0.2 else data
