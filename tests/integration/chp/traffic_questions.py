"""What passes through the public door: routes, escapes, headers, bodies, answers of every kind, upgrades."""

from collections.abc import Iterator

from .asking import PATIENCE_S, Ask, Part
from .question import Question, acting, get

_PATHS = [
    "/", "/?", "/?a=b", "/?a=b&c=%20d&e+f", "/user/alice", "/user/alice/", "/user/alice?x=1", "/user/alice/lab/tree/a%20b.ipynb?reset",
    "/user/alice/deeper", "/user/alice/deeper/", "/user/alice/deeper/x", "/user/alice/deep", "/user/alicex", "/user/alice%2Fdeeper", "/user%2Falice",
    "/user/alice/%2e%2e/bob", "/user/alice/../bob", "/user/alice/./x", "/user/%61lice", "/USER/alice", "/user/cy%20d/x", "/user/cy d", "/user/cy+d/x",
    "/user/@dee/x", "/user/%40dee/x", "/user/%C3%A9/x", "/user/%c3%a9/x", "/user/bob", "/user/bob/", "/user/bob/x", "/user/bob?x=1", "/user/bob/x?y=/z",
    "//user/alice", "/user//alice", "/user/alice//x", "/user/alice/a;b=c", "/user/alice/a%2Fb", "/user/alice/a%3Fb", "/user/alice/a%23b", "/user/alice/%25",
    "/user/alice/a|b", "/user/alice/a^b", "/user/alice/[a]", "/user/alice/{a}", '/user/alice/a"b', "/user/alice/<b>", "/user/alice/a`b", "/user/alice/a\\b",
    "/user/alice/'a'", "/user/alice/a%00b", "/user/alice/~a", "/user/alice/a:b", "/user/alice/a,b", "/user/alice/" + "x" * 3000, "/user/alice?" + "y" * 3000,
    "/user/alice?redirect=http://x/?a=b", "/user/alice?a[]=1&b={}", "/user/alice??", "/user/alice?a?b", "/slash", "/slash/", "/slash/x",
    "/socket", "/socket/x?y=z", "/socket-other-name/x", "/_chp_healthz/x", "/_chp_healthzx", "/api/routes", "/metrics",
]  # fmt: skip

_WS = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")


def upgrade(
    path: str,
    *fields: str,
    act: str = "",
    arg: str = "",
    then: bytes = b"ping pong",
    part: Part = "all",
    usual: tuple[str, ...] = _WS,
    patience_s: float = PATIENCE_S,
) -> Ask:
    """A WebSocket handshake, and what is sent once it is through."""
    return Ask(f"GET {path}", (*usual, *fields, *acting(act, arg)), then=then, part=part, patience_s=patience_s)


def _paths() -> Iterator[Question]:
    for options in ("plain", "no-prepend", "no-prefix", "bare"):
        for path in _PATHS if options == "plain" else _PATHS[: len(_PATHS) : 2]:
            yield Question(options, f"path {path[:45]}{'…' * (len(path) > 45)}", (get(path, part="status" if " " in path else "all"),))
    for options in ("no-prepend", "no-prefix", "bare"):
        for path in ("/user/bob/ws?x=1", "/user/alice/ws"):
            yield Question(options, f"upgrade {path}", (upgrade(path),))


def _headers() -> Iterator[Question]:
    def plain(name: str, *fields: str, act: str = "", arg: str = "") -> Question:
        return Question("plain", name, (get("/user/alice/h", *fields, act=act, arg=arg),))

    yield plain("usual headers", "Accept: text/html", "Cookie: a=b; c=d", "User-Agent: tests", "Accept-Encoding: gzip, br", "Referer: http://x/")
    yield plain("authorization", "Authorization: token abc")
    yield plain("origin", "Origin: http://elsewhere")
    yield plain("forwarded for", "X-Forwarded-For: 192.0.2.1")
    yield plain("forwarded proto", "X-Forwarded-Proto: https")
    yield plain("forwarded port", "X-Forwarded-Port: 443")
    yield plain("forwarded host", "X-Forwarded-Host: other.example.org")
    yield plain("all forwarded", "X-Forwarded-For: 192.0.2.1, 192.0.2.2", "X-Forwarded-Proto: https", "X-Forwarded-Port: 443", "X-Forwarded-Host: o")
    yield plain("forwarded, standard", "Forwarded: for=192.0.2.1")
    yield plain("via", "Via: 1.1 other")
    yield plain("real ip", "X-Real-IP: 192.0.2.1", "X-Scheme: https")
    yield plain("cookies twice", "Cookie: a=b", "Cookie: c=d")
    yield plain("a header twice", "X-Twice: 1", "X-Twice: 2")
    yield plain("accept twice", "Accept: a/b", "Accept: c/d")
    yield plain("empty header", "X-Empty:")
    yield plain("latin-1 header", "X-Name: Zo\xeb")
    yield plain("spaces in a header", "X-Space:   a   b   ")
    yield plain("named by connection", "Connection: X-Private", "X-Private: 1")
    yield plain("keep-alive", "Connection: keep-alive", "Keep-Alive: timeout=9")
    yield plain("close", "Connection: close")
    yield plain("te", "TE: trailers", "Connection: TE")
    yield plain("proxy headers", "Proxy-Authorization: Basic eA==", "Proxy-Connection: keep-alive")
    yield plain("many headers", *(f"X-Many-{number}: {number}" for number in range(60)))
    yield plain("range", "Range: bytes=0-10", 'If-None-Match: "x"')
    yield plain("set-cookie twice", act="fields", arg="Set-Cookie: a=b; Path=/|Set-Cookie: c=d; HttpOnly")
    yield plain("answer with a header twice", act="fields", arg="X-Twice: 1|X-Twice: 2")
    yield plain("answer with vary twice", act="fields", arg="Vary: Accept|Vary: Cookie")
    yield plain("answer with a server", act="fields", arg="Server: Backend/1|X-Powered-By: x")
    yield plain("answer with via", act="fields", arg="Via: 1.1 inner")
    yield plain("answer with policies", act="fields", arg="Content-Security-Policy: default-src 'none'|Strict-Transport-Security: max-age=1")
    yield plain("answer with connection headers", act="fields", arg="Connection: X-Private|X-Private: 1")
    yield plain("answer with keep-alive", act="fields", arg="Keep-Alive: timeout=99")
    yield plain("answer with proxy headers", act="fields", arg="Proxy-Authenticate: Basic|Proxy-Connection: x")
    yield plain("answer offers an upgrade", act="fields", arg="Upgrade: h2c|Connection: Upgrade")
    yield plain("answer with a latin-1 header", act="fields", arg="X-Name: Zo\xeb")
    yield plain("answer with an empty header", act="fields", arg="X-Empty: ")
    yield plain("answer with etag and cache", act="fields", arg='ETag: "x"|Cache-Control: max-age=3|Last-Modified: Fri, 01 Jan 2100 00:00:00 GMT')
    yield plain("answer with a reason", act="reason")
    for value in ("example.org:8443", "example.org:80", "[::1]:8000", "EXAMPLE.org", "127.0.0.1:<public>", "a_b"):
        yield Question("plain", f"host {value}", (get("/user/alice/h", host=value),))
    for options in ("bare", "rewriting"):
        for path in ("/user/alice/h", "/user/bob/h", "/socket/h"):
            yield Question(options, f"headers to {path}", (get(path, "X-Forwarded-For: 192.0.2.1", "X-One: mine", host="example.org:8443"),))
        yield Question(options, "headers of an upgrade", (upgrade("/user/alice/ws", "X-Forwarded-Proto: https", "X-One: mine"),))


def _bodies() -> Iterator[Question]:
    def plain(name: str, *asks: Ask) -> Question:
        return Question("plain", name, asks)

    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "REPORT"):
        yield plain(f"{method} without a body", Ask(f"{method} /user/alice/b"))
        yield plain(f"{method} with a body", Ask(f"{method} /user/alice/b", ("Content-Type: text/plain",), b"some text"))
        if method in {"POST", "PUT", "PATCH"}:
            yield plain(f"{method} chunked", Ask(f"{method} /user/alice/b", ("Transfer-Encoding: chunked",), b"4\r\nsome\r\n5\r\n text\r\n0\r\n\r\n"))
    yield plain("POST of no length zero", Ask("POST /user/alice/b", ("Content-Length: 0",)))
    yield plain("GET with a body", Ask("GET /user/alice/b", (), b"a body"))
    yield plain("large body", Ask("POST /user/alice/b", (), bytes(range(256)) * 8192))
    yield plain("large chunked body", Ask("POST /user/alice/b", ("Transfer-Encoding: chunked",), b"40000\r\n" + bytes(0x40000) + b"\r\n0\r\n\r\n"))
    yield plain("chunks with extensions", Ask("POST /user/alice/b", ("Transfer-Encoding: chunked",), b"4;a=b\r\nsome\r\n0\r\n\r\n"))
    yield plain(
        "chunks with trailers", Ask("POST /user/alice/b", ("Transfer-Encoding: chunked", "Trailer: X-T"), b"4\r\nsome\r\n0\r\nX-T: 1\r\n\r\n")
    )
    yield plain("form", Ask("POST /user/alice/b", ("Content-Type: application/x-www-form-urlencoded",), b"a=b&c=d"))
    yield plain("binary", Ask("POST /user/alice/b", ("Content-Type: application/octet-stream",), bytes(range(256))))
    yield plain("body over a socket", Ask("POST /socket/b", (), b"some text"))
    yield plain("HEAD", Ask("HEAD /user/alice/b", acting("reason")))
    yield plain("HEAD of a chunked answer", Ask("HEAD /user/alice/b", acting("chunked")))
    yield plain("HEAD of what is missing", Ask("HEAD /user/alice/b", acting("status", "404")))
    yield plain("expect continue", Ask("POST /user/alice/b", ("Expect: 100-continue", *acting("go-on")), b"some text"))
    yield plain("expect continue, large", Ask("POST /user/alice/b", ("Expect: 100-continue", *acting("go-on")), bytes(200_000)))
    yield plain("expect something else", Ask("POST /user/alice/b", ("Expect: tea",), b"some text", part="status"))
    yield plain("refused early", Ask("POST /user/alice/b", acting("early"), bytes(300_000), part="status"))


def _answers() -> Iterator[Question]:
    def plain(name: str, *asks: Ask) -> Question:
        return Question("plain", name, asks)

    for act in ("chunked", "close", "old", "gzip", "big", "hints"):
        yield plain(f"answer {act}", get("/user/alice/a", act=act))
    yield plain("answer chunked over a socket", get("/socket/a", act="chunked"))
    yield plain("answer with trailers", get("/user/alice/a", "TE: trailers", act="trailers"))
    for status in (200, 201, 202, 203, 204, 205, 206, 207, 300, 304, 400, 401, 403, 404, 405, 409, 410, 418, 422, 429, 500, 501, 502, 503, 504, 507):
        yield plain(f"answer {status}", get("/user/alice/a", act="status", arg=str(status)))
    for status in (204, 304):
        yield plain(f"answer {status} to HEAD", Ask("HEAD /user/alice/a", acting("status", str(status))))
        yield plain(f"answer {status} to POST", Ask("POST /user/alice/a", acting("status", str(status)), b"some text"))
    for act in ("reset", "end", "nonsense"):
        yield plain(f"server: {act}", Ask("GET /user/alice/a", acting(act), part="status"))
        yield plain(f"server: {act}, with a body", Ask("POST /user/alice/a", acting(act), b"some text", part="status"))
    yield plain("server: ends in the midst", get("/user/alice/a", act="half", patience_s=1))
    for path in ("/closed", "/closed/x?y=z", "/no-socket/x"):
        yield plain(f"nobody at {path}", Ask(f"GET {path}", part="status"))
        yield plain(f"nobody at {path}, POST", Ask(f"POST {path}", (), b"some text", part="status"))
        yield plain(f"nobody at {path}, HEAD", Ask(f"HEAD {path}", part="status"))
    for path in ("/", "/x?y=z", "/user/alice"):
        for method in ("GET", "POST", "HEAD"):
            yield Question("nothing", f"{method} {path} without a route", (Ask(f"{method} {path}", part="status"),))
    for line in ("GET /_chp_healthz", "HEAD /_chp_healthz", "POST /_chp_healthz", "GET /_chp_healthz?x=1", "GET /_chp_healthz/"):
        for options in ("plain", "nothing"):
            yield Question(options, f"health: {line}", (Ask(line, part="all" if line == "GET /_chp_healthz" else "status"),))
    for path in ("/%", "/user/alice/%zz", "/%ff", "/%c3%28"):
        yield plain(f"bad escape {path}", Ask(f"GET {path}", part="status"))
        yield plain(f"bad escape in a query {path[1:]}", get(f"/user/alice/q?x={path[1:]}"))


def _connections() -> Iterator[Question]:
    def raw(name: str, text: bytes, then: bytes = b"") -> Question:
        return Question("plain", name, (Ask(raw=text, then=then, part="status", patience_s=1.5),))

    one = b"GET /user/alice/c HTTP/1.1\r\nHost: h\r\n\r\n"
    yield Question("plain", "two on one connection", (Ask(raw=one, then=one.replace(b"/c", b"/d")),))
    yield Question("plain", "to two servers on one connection", (Ask(raw=one, then=one.replace(b"alice", b"bob")),))
    yield Question("plain", "after an error on one connection", (Ask(raw=one.replace(b"/user/alice", b"/closed"), then=one, part="status"),))
    yield Question(
        "plain", "after a body on one connection", (Ask(raw=b"POST /user/alice/c HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab", then=one),)
    )
    yield Question("plain", "pipelined", (Ask(raw=one + one.replace(b"/c", b"/d"), then=b"\r\n"),))
    yield Question("plain", "old HTTP", (Ask(raw=b"GET /user/alice/c HTTP/1.0\r\nHost: h\r\n\r\n"),))
    yield Question("plain", "old HTTP without a host", (Ask(raw=b"GET /user/alice/c HTTP/1.0\r\n\r\n"),))
    yield Question("plain", "old HTTP kept alive", (Ask(raw=b"GET /user/alice/c HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n"),))
    yield Question("plain", "old HTTP, chunked answer", (Ask(raw=b"GET /user/alice/c HTTP/1.0\r\nHost: h\r\nX-Act: chunked\r\n\r\n"),))
    yield Question("plain", "absolute form", (Ask(raw=b"GET http://h/user/alice/c?d HTTP/1.1\r\nHost: h\r\n\r\n"),))
    yield Question("plain", "absolute form of another host", (Ask(raw=b"GET http://other/user/alice/c HTTP/1.1\r\nHost: h\r\n\r\n"),))
    yield raw("asterisk form", b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n")
    yield raw("connect", b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n")
    yield raw("no host", b"GET /user/alice/c HTTP/1.1\r\n\r\n")
    yield raw("two hosts", b"GET /user/alice/c HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    yield raw("both lengths", b"POST /user/alice/c HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    yield raw("two lengths", b"POST /user/alice/c HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd")
    yield raw("length not a number", b"POST /user/alice/c HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n")
    yield raw("negative length", b"POST /user/alice/c HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n")
    yield raw("length with a plus", b"POST /user/alice/c HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\na")
    yield raw("unknown coding", b"POST /user/alice/c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: lzw\r\n\r\n")
    yield raw("bad chunk size", b"POST /user/alice/c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")
    yield raw("folded header", b"GET /user/alice/c HTTP/1.1\r\nHost: h\r\nX-A: b\r\n c\r\n\r\n")
    yield raw("space before the colon", b"GET /user/alice/c HTTP/1.1\r\nHost: h\r\nX-A : b\r\n\r\n")
    yield raw("header without a colon", b"GET /user/alice/c HTTP/1.1\r\nHost: h\r\nnonsense\r\n\r\n")
    yield raw("bad header name", b"GET /user/alice/c HTTP/1.1\r\nHost: h\r\nX(A): b\r\n\r\n")
    yield raw("control character in a header", b"GET /user/alice/c HTTP/1.1\r\nHost: h\r\nX-A: b\x01c\r\n\r\n")
    yield raw("NUL in a header", b"GET /user/alice/c HTTP/1.1\r\nHost: h\r\nX-A: b\x00c\r\n\r\n")
    yield raw("bare line feeds", b"GET /user/alice/c HTTP/1.1\nHost: h\n\n")
    yield raw("bare carriage return", b"GET /user/alice/c HTTP/1.1\r\nHost: h\r\nX-A: b\rc\r\n\r\n")
    yield raw("no version", b"GET /user/alice/c\r\nHost: h\r\n\r\n")
    yield raw("HTTP/2.0", b"GET /user/alice/c HTTP/2.0\r\nHost: h\r\n\r\n")
    yield raw("HTTP/1.2", b"GET /user/alice/c HTTP/1.2\r\nHost: h\r\n\r\n")
    yield raw("unknown method", b"BREW /user/alice/c HTTP/1.1\r\nHost: h\r\n\r\n")
    yield raw("method in small letters", b"get /user/alice/c HTTP/1.1\r\nHost: h\r\n\r\n")
    yield raw("target without a slash", b"GET user/alice/c HTTP/1.1\r\nHost: h\r\n\r\n")
    yield raw("target with a fragment", b"GET /user/alice/c#d HTTP/1.1\r\nHost: h\r\n\r\n")
    yield raw("two spaces", b"GET  /user/alice/c HTTP/1.1\r\nHost: h\r\n\r\n")
    yield raw("empty line before", b"\r\n" + one)
    yield raw("not HTTP", b"hello there\r\n\r\n")
    yield raw("TLS to a plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    yield raw("large head", b"GET /user/alice/c HTTP/1.1\r\nHost: h\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\n")
    yield raw("head of 10 kB", b"GET /user/alice/c HTTP/1.1\r\nHost: h\r\nX-A: " + b"a" * 10_000 + b"\r\n\r\n")


def _upgrades() -> Iterator[Question]:
    def plain(name: str, *asks: Ask) -> Question:
        return Question("plain", name, asks)

    yield plain("websocket", upgrade("/user/alice/ws?token=x"))
    yield plain("websocket to a base path", upgrade("/user/bob/ws?token=x"))
    yield plain("websocket over a socket", upgrade("/socket/ws"))
    yield plain("websocket, much", upgrade("/user/alice/ws", then=bytes(range(256)) * 2048))
    yield plain("websocket, protocol", upgrade("/user/alice/ws", "Sec-WebSocket-Protocol: v1.kernel.websocket.jupyter.org"))
    yield plain("websocket, extensions", upgrade("/user/alice/ws", "Sec-WebSocket-Extensions: permessage-deflate"))
    yield plain("websocket, cookies and origin", upgrade("/user/alice/ws", "Cookie: a=b", "Origin: http://x", "Authorization: token abc"))
    yield plain("websocket, forwarded", upgrade("/user/alice/ws", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https"))
    yield plain(
        "websocket, connection lists more", upgrade("/user/alice/ws", usual=("Connection: keep-alive, Upgrade", "Upgrade: WebSocket", *_WS[2:]))
    )
    yield plain("websocket, speaks first", upgrade("/user/alice/ws", act="talk"))
    yield plain(
        "websocket, sent with the head",
        Ask(raw=b"GET /user/alice/ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly", then=b"later"),
    )
    yield plain("other upgrade", upgrade("/user/alice/ws", usual=("Connection: Upgrade", "Upgrade: echo/1")))
    yield plain("upgrade without connection", upgrade("/user/alice/ws", usual=("Upgrade: websocket",), then=b"", patience_s=1))
    yield plain("connection without upgrade", get("/user/alice/ws", "Connection: Upgrade"))
    for status in (200, 302, 400, 403, 404, 426, 500, 503):
        yield plain(f"upgrade answered {status}", upgrade("/user/alice/ws", act="status", arg=str(status), then=b""))
    yield plain("upgrade refused, chunked", upgrade("/user/alice/ws", act="chunked", then=b""))
    for act in ("end", "reset"):
        yield plain(f"upgrade, server: {act}", upgrade("/user/alice/ws", act=act, then=b"", part="status"))
    for path in ("/closed/ws", "/no-socket/ws"):
        yield plain(f"upgrade to {path}", upgrade(path, then=b"", part="status"))
    yield Question("nothing", "upgrade without a route", (upgrade("/user/alice/ws", then=b"", part="status"),))
    yield plain("upgrade, bad escape", upgrade("/user/alice/%zz", then=b"", part="status"))
    yield plain("upgrade, POST", Ask("POST /user/alice/ws", _WS, then=b"ping"))
    yield plain("upgrade of the health page", upgrade("/_chp_healthz", then=b"", part="status"))


QUESTIONS = [*_paths(), *_headers(), *_bodies(), *_answers(), *_connections(), *_upgrades()]
