"""Requests whose head may be read in two ways: first lines, names, addresses, fields, upgrades. Written for this proxy, from RFC 9110 and 9112."""

from typing import Final

from .smuggled_bodies import CANARY, SMUGGLED, Case


def get(target: bytes, *fields: bytes, host: bytes = b"a") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + b"".join(line + b"\r\n" for line in fields) + b"\r\n"


def _line(name: str, line: bytes, want: str = "400") -> Case:
    return Case(f"line {name}", line + b"\r\nHost: a\r\n\r\n", want)


def _target(name: str, target: bytes, want: str = "400") -> Case:
    return Case(f"target {name}", get(target), want)


def _host(name: str, *hosts: bytes, target: bytes = b"/first", want: str = "400") -> Case:
    lines = b"".join(b"Host:" + host + b"\r\n" for host in hosts)
    return Case(f"host {name}", b"GET " + target + b" HTTP/1.1\r\n" + lines + b"\r\n", want)


def _field(name: str, field: bytes, want: str = "400") -> Case:
    return Case(f"field {name}", get(b"/first", field), want)


LINES: Final = [
    _line("good", b"GET /first HTTP/1.1", "200 200"),
    _line("of an own method", b"M-SEARCH /first HTTP/1.1", "200 200"),
    _line("of a method in small letters", b"get /first HTTP/1.1", "200 200"),
    _line("of a method of signs", b"!#$%&'*+-.^_`|~ /first HTTP/1.1", "200 200"),
    _line("of HTTP/1.0", b"GET /first HTTP/1.0", "200"),
    _line("of HTTP/0.9", b"GET /first", "400"),
    _line("of HTTP/0.9 by number", b"GET /first HTTP/0.9", "505"),
    _line("of HTTP/1.2", b"GET /first HTTP/1.2", "505"),
    _line("of HTTP/1.10", b"GET /first HTTP/1.10", "505"),
    _line("of HTTP/1.01", b"GET /first HTTP/1.01", "505"),
    _line("of HTTP/01.1", b"GET /first HTTP/01.1", "505"),
    _line("of HTTP/2.0", b"GET /first HTTP/2.0", "505"),
    _line("of HTTP/2", b"GET /first HTTP/2", "505"),
    _line("of HTTP/1", b"GET /first HTTP/1", "505"),
    _line("of HTTP/1.", b"GET /first HTTP/1.", "505"),
    _line("of http/1.1", b"GET /first http/1.1"),
    _line("of another protocol", b"GET /first RTSP/1.1"),
    _line("of no protocol", b"GET /first /1.1"),
    _line("with a space behind it", b"GET /first HTTP/1.1 "),
    _line("with two spaces", b"GET  /first HTTP/1.1"),
    _line("with two spaces before the version", b"GET /first  HTTP/1.1"),
    _line("with a tab", b"GET\t/first HTTP/1.1"),
    _line("with a tab before the version", b"GET /first\tHTTP/1.1"),
    _line("with a space before it", b" GET /first HTTP/1.1"),
    _line("with a space in the target", b"GET /first /other HTTP/1.1"),
    _line("with a version in the target", b"GET /first HTTP/1.1 HTTP/1.1"),
    _line("without a target", b"GET HTTP/1.1"),
    _line("without a method", b"/first HTTP/1.1"),
    _line("with a colon in the method", b"GE:T /first HTTP/1.1"),
    _line("with a slash in the method", b"GE/T /first HTTP/1.1"),
    _line("with a NUL in the method", b"G\x00ET /first HTTP/1.1"),
    _line("with a NUL in the target", b"GET /fi\x00rst HTTP/1.1"),
    _line("with a CR in the target", b"GET /first\rHTTP/1.1 HTTP/1.1"),
    _line("with a LF in the target", b"GET /first\nHTTP/1.1 HTTP/1.1"),
    _line("with a DEL in the target", b"GET /fi\x7frst HTTP/1.1"),
    _line("with a vertical tab in the target", b"GET /fi\x0brst HTTP/1.1"),
    _line("ended by LF", b"GET /first HTTP/1.1\nX: y"),
    _line("ended by CR", b"GET /first HTTP/1.1\rX: y"),
    _line("ended by two CRs", b"GET /first HTTP/1.1\r"),
    _line("of an answer", b"HTTP/1.1 200 OK"),
    _line("that opens HTTP/2", b"PRI * HTTP/2.0", "505"),
    _line("of CONNECT", b"CONNECT /first HTTP/1.1", "405"),
    _line("of CONNECT to a host", b"CONNECT b:80 HTTP/1.1"),
    _line("of TRACE", b"TRACE /first HTTP/1.1", "405"),
    _line("of OPTIONS for all", b"OPTIONS * HTTP/1.1"),
    Case("line empty before it", b"\r\n" + get(b"/first"), "200 200"),
    Case("line empty three times before it", b"\r\n\r\n\r\n" + get(b"/first"), "200 200"),
    Case("line of a bare LF before it", b"\n" + get(b"/first"), "400"),
    Case("line of a bare CR before it", b"\r" + get(b"/first"), "400"),
    Case("line of a NUL before it", b"\x00" + get(b"/first"), "400"),
    Case("line of a byte order mark before it", b"\xef\xbb\xbf" + get(b"/first"), "400"),
    Case("line of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 32, "400"),
    Case("line of a PROXY preamble", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + get(b"/first"), "400"),
]

TARGETS: Final = [
    _target("with a query", b"/first?a=b&c=/../d", "200 200"),
    _target("encoded", b"/fi%72st%20x", "200 200"),
    _target("with an encoded slash", b"/a%2fb", "200 200"),
    _target("with a semicolon", b"/a;b=c/d", "200 200"),
    _target("with double slashes", b"//b/first", "200 200"),
    _target("with signs", b"/a\"'<>[]^`{|}~", "200 200"),
    _target("with raw UTF-8", "/é".encode(), "200 200"),
    _target("with a bad encoding", b"/a%zz", "200 200"),
    _target("with dots in a name", b"/a..b/...", "200 200"),
    _target("of a hidden file", b"/a/.b", "200 200"),
    _target("that climbs", b"/a/../b"),
    _target("that climbs at the end", b"/a/.."),
    _target("that stays", b"/a/./b"),
    _target("that climbs encoded", b"/a/%2e%2e/b"),
    _target("that climbs half encoded", b"/a/.%2E/b"),
    _target("that climbs behind an encoded slash", b"/a%2f..%2fb"),
    _target("that climbs by backslashes", b"/a\\..\\b"),
    _target("that climbs behind a backslash", b"/a/..\\b"),
    _target("that climbs before a backslash", b"/a\\../b"),
    _target("that climbs by encoded backslashes", b"/a%5c..%5Cb"),
    _target("that climbs with a parameter", b"/a/..;/b"),
    _target("that climbs with a parameter that has a value", b"/a/..;x=y/b"),
    _target("that climbs with an encoded parameter", b"/a/%2e%2e%3b/b"),
    _target("with an encoded NUL", b"/a%00b"),
    _target("with a fragment", b"/a#b"),
    _target("that is no path", b"first"),
    _target("that is a query", b"?first"),
    _target("that is a star", b"*"),
    _target("of the hub's inside", b"/hub/perijove/routes", "404"),
    _target("of the hub's inside encoded", b"/hub/%70erijove/routes", "404"),
    _target("of the hub's inside behind slashes", b"//hub///perijove/routes", "404"),
    _target("of the hub's inside behind an encoded slash", b"/hub%2fperijove/routes", "404"),
    _target("of the hub's inside in absolute form", b"http://a/hub/perijove/routes", "404"),
    _target("of the hub's inside by backslashes", b"/hub\\perijove\\routes", "404"),
    _target("absolute", b"http://a/first?x", "200 200"),
    _target("absolute with another host", b"http://b/first", "200 200"),
    _target("absolute with another host and port", b"http://b:81/first", "200 200"),
    _target("absolute without a path", b"http://b", "200 200"),
    _target("absolute without a path but a query", b"http://b?x", "200 200"),
    _target("absolute by TLS", b"HTTPS://b/first", "200 200"),
    _target("absolute without a host", b"http:///first"),
    _target("absolute with a user", b"http://a@b/first"),
    _target("absolute with a space", b"http://a b/first"),
    _target("absolute with a backslash", b"http://a\\b/first"),
    _target("absolute with a fragment", b"http://a/first#x"),
    _target("absolute with a bad port", b"http://a:x/first"),
    _target("absolute that climbs", b"http://a/first/../x"),
    _target("absolute of another kind", b"ftp://a/first"),
    _target("absolute of a file", b"file:///etc/passwd"),
    _target("without slashes", b"http:a/first"),
    _target("beyond every limit", b"/" + b"a" * 100_000, "414"),
]

HOSTS: Final = [
    _host("with a port", b" a:8000", want="200 200"),
    _host("of IPv6", b" [::1]:80", want="200 200"),
    _host("empty", b"", want="200 200"),
    _host("in large letters", b" A.EXAMPLE", want="200 200"),
    _host("missing"),
    _host("missing though the target names one", target=b"http://a/first"),
    _host("twice", b" a", b" b"),
    _host("twice alike", b" a", b" a"),
    _host("twice though the target names one", b" a", b" b", target=b"http://a/first"),
    _host("twice, one empty", b"", b" a"),
    _host("with a user", b" b@a"),
    _host("with a path", b" a/b"),
    _host("with a query", b" a?b"),
    _host("with a scheme", b" http://a"),
    _host("with a space", b" a b"),
    _host("as a list", b" a, b"),
    _host("with a bad port", b" a:b"),
    _host("with two ports", b" a:80:81"),
    _host("with a NUL", b" a\x00"),
    _host("with a backslash", b" a\\b"),
    _host("in angle brackets", b" <a>"),
    _host("beyond ASCII", " é".encode()),
    Case("host folded", b"GET /first HTTP/1.1\r\nHost:\r\n a\r\n\r\n", "400"),
    Case("host with a space before the colon", b"GET /first HTTP/1.1\r\nHost : a\r\n\r\n", "400"),
    Case("host behind a space", b"GET /first HTTP/1.1\r\n Host: a\r\nX: y\r\n\r\n", "400"),
    Case("host behind a space and another", b"GET /first HTTP/1.1\r\nHost: a\r\n Host: b\r\n\r\n", "400"),
    Case("host missing in HTTP/1.0", b"GET /first HTTP/1.0\r\n\r\n", "200"),
    Case("host twice in HTTP/1.0", b"GET /first HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
    Case("host named by Connection", get(b"/first", b"Connection: Host"), "200 200"),
]

FIELDS: Final = [
    _field("empty", b"X:", "200 200"),
    _field("in Latin-1", b"X: \xe9\xff", "200 200"),
    _field("with colons", b"X: a:b::c", "200 200"),
    _field("with tabs", b"X:\ta\tb\t", "200 200"),
    _field("named by a number", b"1: x", "200 200"),
    _field("without a name", b": x"),
    _field("without a colon", b"X"),
    _field("with a space in its name", b"X Y: z"),
    _field("with a bracket in its name", b"X(Y): z"),
    _field("with a name beyond ASCII", "é: x".encode()),
    _field("with a NUL", b"X: a\x00b"),
    _field("with a bell", b"X: a\x07b"),
    _field("with a DEL", b"X: a\x7fb"),
    _field("with a bare CR", b"X: a\rb"),
    _field("with a bare LF", b"X: a\nb"),
    _field("with a bare CR at its end", b"X: a\r"),
    _field("that smuggles by a bare LF", b"X: a\n\nGET /smuggled HTTP/1.1\nHost: a\n\n"),
    _field("that smuggles by bare CRs", b"X: a\r\rGET /smuggled HTTP/1.1\rHost: a\r\r"),
    _field("folded by a space", b"X: a\r\n b"),
    _field("folded by a tab", b"X: a\r\n\tb"),
    _field("folded to nothing", b"X: a\r\n "),
    _field("of a line of spaces", b"   "),
    _field("too long", b"X: " + b"y" * 70_000, "431"),
    _field("too often", b"\r\n".join([b"X: y"] * 1000), "431"),
    _field("Connection close", b"Connection: close", "200"),
    _field("Connection close in a list", b"Connection: keep-alive, close", "200"),
    _field("Connection close in two lines", b"Connection: keep-alive\r\nConnection: CLOSE", "200"),
    _field("Connection with empty parts", b"Connection: , keep-alive,, x ,", "200 200"),
    _field("Connection of nothing", b"Connection:", "200 200"),
    _field("Connection that is no list", b"Connection: keep alive"),
    _field("Connection in quotes", b'Connection: "close"'),
    _field("Connection that names what is not there", b"Connection: x, y", "200 200"),
    _field("Connection that names Connection", b"Connection: connection, close", "200"),
    _field("Connection that names our fields", b"Connection: X-Forwarded-For, X-Real-IP, Via, X-Request-Id\r\nX-Request-Id: 1", "200 200"),
    _field("Keep-Alive", b"Keep-Alive: timeout=5\r\nConnection: Keep-Alive", "200 200"),
    _field("Proxy-Connection", b"Proxy-Connection: close", "200 200"),
    _field("Expect", b"Expect: 100-continue", "200 200"),
    _field("Expect of something else", b"Expect: 200-ok", "417"),
    _field("Expect in a list", b"Expect: 100-continue, x", "417"),
    Case(
        "field Connection close and Length",
        b"POST /first HTTP/1.1\r\nHost: a\r\nConnection: close, Content-Length\r\nContent-Length: 35\r\n\r\n" + SMUGGLED,
        "200",
    ),
    Case("field Connection in HTTP/1.0", b"GET /first HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", "200 200"),
    Case("field Connection close in HTTP/1.0", b"GET /first HTTP/1.0\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n", "200"),
    Case(
        "field Length in HTTP/1.0", b"POST /first HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 35\r\n\r\n" + SMUGGLED, "200 200"
    ),
]

_WEBSOCKET: Final = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")

UPGRADES: Final = [
    Case("upgrade refused", get(b"/first", *_WEBSOCKET), "200 200"),
    Case("upgrade refused, then more", get(b"/first", *_WEBSOCKET) + SMUGGLED, "200 200 200"),
    Case("upgrade of a bad version refused", get(b"/first", *_WEBSOCKET[:2], b"Sec-WebSocket-Version: 777") + SMUGGLED, "200 200 200"),
    Case("upgrade without Connection", get(b"/first", b"Upgrade: websocket") + SMUGGLED, "200 200 200"),
    Case("upgrade without Upgrade", get(b"/first", b"Connection: Upgrade") + SMUGGLED, "200 200 200"),
    Case("upgrade to h2c", get(b"/first", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"), "200 200"),
    Case("upgrade to H2C among others", get(b"/first", b"Connection: Upgrade", b"Upgrade: websocket, H2C"), "200 200"),
    Case("upgrade to h2c without settings", get(b"/first", b"Connection: Upgrade", b"Upgrade: h2c"), "200 200"),
    Case("upgrade to h2c by prior knowledge", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", "505"),
    Case("upgrade to TLS", get(b"/first", b"Connection: Upgrade", b"Upgrade: TLS/1.0"), "200 200"),
    Case("upgrade in HTTP/1.0", b"GET /first HTTP/1.0\r\nHost: a\r\nConnection: Upgrade, keep-alive\r\nUpgrade: websocket\r\n\r\n", "200 200"),
    Case(
        "upgrade with a body",
        b"POST /first HTTP/1.1\r\nHost: a\r\n" + b"\r\n".join(_WEBSOCKET) + b"\r\nContent-Length: 35\r\n\r\n" + SMUGGLED,
        "200 200",
    ),
    Case(
        "upgrade with chunks",
        b"POST /first HTTP/1.1\r\nHost: a\r\n" + b"\r\n".join(_WEBSOCKET) + b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "200 200 200",
    ),
    Case("upgrade with Expect", get(b"/first", *_WEBSOCKET, b"Expect: 100-continue"), "200 200"),
    Case("upgrade in two lines", get(b"/first", b"Connection: Upgrade", b"Upgrade: a", b"Upgrade: websocket"), "200 200"),
]

PIPELINES: Final = [
    Case("pipeline of 50", b"".join(get(b"/%d" % number) for number in range(50)), " ".join(["200"] * 51)),
    Case("pipeline of bodies", (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\n" + SMUGGLED) * 5, "200 200 200 200 200 200"),
    Case("pipeline of heads", (b"HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n" + get(b"/y")) * 3, " ".join(["200"] * 7)),
    Case("pipeline with one that is refused", get(b"/x") + get(b"/y", b"X : y") + SMUGGLED, "200 400"),
    Case("pipeline with one that nobody passes on", get(b"/x") + b"TRACE /y HTTP/1.1\r\nHost: a\r\n\r\n" + SMUGGLED, "200 405"),
    Case("pipeline with a bad chunk", get(b"/x") + b"POST /y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n" + SMUGGLED, "200 400"),
    Case("pipeline behind close", get(b"/x", b"Connection: close") + SMUGGLED, "200"),
    Case("pipeline behind HTTP/1.0", b"GET /x HTTP/1.0\r\n\r\n" + SMUGGLED, "200"),
    Case("pipeline with empty lines", get(b"/x") + b"\r\n" + get(b"/y") + b"\r\n\r\n", "200 200 200"),
    Case("pipeline of a head cut short", get(b"/x") + b"GET /y HTTP/1.1\r\nHost: a\r\nX: ", "200 400"),
    Case("pipeline that repeats itself", CANARY * 3, "200 200 200 200"),
    Case("pipeline of an error and 1000 more", get(b"/x", b"X : y") + SMUGGLED * 1000, "400"),
]
