"""The REST API: methods, paths, bodies, tokens, times."""

from .asking import Ask
from .option_sets import TOKEN
from .question import AUTHORIZED, Question, api, get, post

_ALL = "/api/routes"

_PATHS = [
    "/", "/user/alice", "/user/alice/", "//user/alice", "/user//alice", "/user/alice//", "/a%20b", "/a%2Fb", "/a%2fb/c", "/%40me", "/@me", "/~me",
    "/caf%C3%A9", "/%E2%9C%93/x", "/a+b", "/a;b=c", "/a:b", "/a,b", "/a'b", "/a(b)", "/a!b*", "/a$b&c", "/a=b", "/%3Fq", "/%23h", "/%25", "/%2541",
    "/a%22b", "/a%5Cb", "/a%0Ab", "/%00", "/./a", "/a/./b", "/a/../b", "/..", "/%2e%2e/a", "/a/%2E/b", "/UPPER", "/a%7Eb", "/a|b", "/[a]", "/{a}",
    "/" + "long/" * 60, "/" + "x" * 2000, "/0", "/null", "/api/routes", "/_chp_healthz", "/user/%D0%B8%D0%B2%D0%B0%D0%BD", "/emoji/%F0%9F%90%8D",
]  # fmt: skip

_BAD_PATHS = ["/%", "/%zz", "/%ff", "/a%c3", "/%C0%AF", "/%ed%a0%80"]

_BODIES: dict[str, bytes] = {
    "nothing": b"",
    "blank": b"  ",
    "not-json": b"target=http://x",
    "cut-off": b'{"target": "http://x"',
    "two-values": b'{"target": "http://x"} {}',
    "single-quotes": b"{'target': 'http://x'}",
    "null": b"null",
    "true": b"true",
    "number": b"17",
    "string": b'"http://x"',
    "list": b'["http://x"]',
    "empty-object": b"{}",
    "empty-list": b"[]",
    "no-target": b'{"user": "alice"}',
    "target-null": b'{"target": null}',
    "target-number": b'{"target": 8000}',
    "target-list": b'{"target": ["http://x"]}',
    "target-object": b'{"target": {"host": "x"}}',
    "target-empty": b'{"target": ""}',
    "target-word": b'{"target": "x"}',
    "target-twice": b'{"target": "http://one", "target": "http://two"}',
    "target-ftp": b'{"target": "ftp://x"}',
    "target-ws": b'{"target": "ws://x:1"}',
    "target-https": b'{"target": "https://x:1"}',
    "target-unix": b'{"target": "unix+http://%2Ftmp%2Fx"}',
    "target-ipv6": b'{"target": "http://[::1]:1/a"}',
    "target-with-query": b'{"target": "http://x:1/base?key=value"}',
    "target-with-name": b'{"target": "http://me:pw@x:1/"}',
    "byte-order-mark": b'\xef\xbb\xbf{"target": "http://x"}',
    "not-utf-8": b'{"target": "http://x", "name": "\xff"}',
    "utf-8": '{"target": "http://x", "name": "Zoë"}'.encode(),
    "escapes": b'{"target": "http://x", "name": "Zo\\u00eb \\ud83d\\udc0d"}',
    "nan": b'{"target": "http://x", "n": NaN}',
    "big-number": b'{"target": "http://x", "n": 1e3, "m": 1.50}',
    "deep": b'{"target": "http://x", "more": {"a": [1, {"b": null}, true]}}',
    "own-last-activity": b'{"target": "http://x", "last_activity": "2001-01-01T00:00:00.000Z"}',
    "as-jupyterhub": b'{"target": "http://x", "jupyterhub": true, "user": "alice", "server_name": ""}',
    "spaces": b' \r\n\t{"target" : "http://x" }\n',
}

_TOKENS: dict[str, tuple[str, ...]] = {
    "none": (),
    "wrong": ("Authorization: token wrong",),
    "empty": ("Authorization: ",),
    "word-only": ("Authorization: token",),
    "bare": (f"Authorization: {TOKEN}",),
    "bearer": (f"Authorization: Bearer {TOKEN}",),
    "basic": ("Authorization: Basic czNjcmV0LXRva2VuOg==",),
    "upper-case-word": (f"Authorization: TOKEN {TOKEN}",),
    "capitalised-word": (f"Authorization: Token {TOKEN}",),
    "two-spaces": (f"Authorization: token  {TOKEN}",),
    "tab": (f"Authorization: token\t{TOKEN}",),
    "more-after": (f"Authorization: token {TOKEN} more",),
    "longer": (f"Authorization: token {TOKEN}x",),
    "shorter": (f"Authorization: token {TOKEN[:-1]}",),
    "upper-case-token": (f"Authorization: token {TOKEN.upper()}",),
    "word-before": (f"Authorization: Bearer token {TOKEN}",),
    "letters-before": (f"Authorization: xtoken {TOKEN}",),
    "header-upper-case": (f"AUTHORIZATION: token {TOKEN}",),
    "not-ascii": ("Authorization: token \xe9",),
}

_TIMES = [
    "2100-01-01T00:00:00.000Z", "1970-01-01T00:00:00.000Z", "2100-01-01T00:00:00Z", "2100-01-01T00:00Z", "2100-01-01", "2100-01", "2100",
    "1999-12-31T23:59:59.999999Z", "2100-01-01T00:00:00%2B02:00", "2100-01-01T00:00:00-0200", "2100-01-01T00:00:00", "2100-13-01", "2100-02-30",
    "yesterday", "0", "-1", "12345", "1e12", "x", "%20", "2100-01-01T25:00:00Z", "2100-01-01 00:00:00", "Fri%2C+01+Jan+2100+00:00:00+GMT",
]  # fmt: skip

_CHUNKS = b'8\r\n{"target\r\n9\r\n": "http:\r\n4\r\n//x"\r\n1\r\n}\r\n0\r\n\r\n'
_BOTH_LENGTHS = b"POST /api/routes/c HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
_METHODS = ["PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "PROPFIND"]


def _questions() -> list[Question]:
    def rest(name: str, *asks: Ask) -> Question:
        return Question("rest", name, asks, table=True)

    some = (post("/user/alice"), post("/user/bob", "<other>", user="bob"))
    told = [
        rest("empty table", api(f"GET {_ALL}")),
        rest("empty table, with a slash", api(f"GET {_ALL}/")),
        rest("two routes", *some, api(f"GET {_ALL}")),
        rest("two routes, with a slash", *some, api(f"GET {_ALL}/")),
        rest("one route", *some, api(f"GET {_ALL}/user/bob")),
        rest("one route, with a slash", *some, api(f"GET {_ALL}/user/bob/")),
        rest("one route with a query", *some, api(f"GET {_ALL}/user/bob?x=1")),
        rest("part of a route", *some, api(f"GET {_ALL}/user")),
        rest("below a route", *some, api(f"GET {_ALL}/user/bob/tree")),
        rest("root when it is not there", *some, api(f"GET {_ALL}/")),
        rest("add again", *some, post("/user/bob", "<backend>", user="robert"), api(f"GET {_ALL}/user/bob")),
        rest("add again without what was more", *some, post("/user/bob", "<backend>"), api(f"GET {_ALL}/user/bob")),
        rest("add the root by no path", post("", "<backend>"), api(f"GET {_ALL}")),
        rest("add the root by a slash", post("/", "<backend>"), api(f"GET {_ALL}")),
        rest("delete", *some, api(f"DELETE {_ALL}/user/bob")),
        rest("delete, with a slash", *some, api(f"DELETE {_ALL}/user/bob/")),
        rest("delete twice", *some, api(f"DELETE {_ALL}/user/bob"), api(f"DELETE {_ALL}/user/bob")),
        rest("delete what is missing", api(f"DELETE {_ALL}/user/nobody")),
        rest("delete above a route", *some, api(f"DELETE {_ALL}/user")),
        rest("delete below a route", *some, api(f"DELETE {_ALL}/user/bob/tree")),
        rest("delete a route that has others below", post("/a"), post("/a/b"), api(f"DELETE {_ALL}/a")),
        rest("delete the root by a slash", post("/"), post("/a"), api(f"DELETE {_ALL}/")),
        rest("delete without a path", post("/"), api(f"DELETE {_ALL}", patience_s=0.5)),
        rest("delete with a body", *some, api(f"DELETE {_ALL}/user/bob", {"a": 1})),
        rest("get with a body", *some, api(f"GET {_ALL}/user/bob", {"a": 1})),
        rest("nested", post("/a", "<other>"), post("/a/b/c"), post("/a/b"), api(f"GET {_ALL}/a/b")),
        rest("chunked body", api(f"POST {_ALL}/c", raw=_CHUNKS, fields=(*AUTHORIZED, "Transfer-Encoding: chunked"))),
        rest("form content type", api(f"POST {_ALL}/c", {"target": "http://x"}, fields=(*AUTHORIZED, "Content-Type: application/x-www-form-urlencoded"))),
        rest("expect continue", api(f"POST {_ALL}/c", {"target": "http://x"}, fields=(*AUTHORIZED, "Expect: 100-continue"))),
        rest("large", api(f"POST {_ALL}/c", {"target": "http://x", "more": "x" * 20_000}, part="status")),
        rest("two on one connection", api(f"GET {_ALL}", then=f"GET {_ALL}/a HTTP/1.1\r\nHost: h\r\nAuthorization: token {TOKEN}\r\n\r\n".encode())),
        rest("old HTTP", Ask(raw=f"GET {_ALL} HTTP/1.0\r\nAuthorization: token {TOKEN}\r\n\r\n".encode(), to="api")),
        rest("close after", api(f"GET {_ALL}", fields=(*AUTHORIZED, "Connection: close"))),
        rest("absolute form", Ask(raw=f"GET http://h{_ALL} HTTP/1.1\r\nHost: h\r\nAuthorization: token {TOKEN}\r\n\r\n".encode(), to="api")),
        rest("no host", Ask(raw=f"GET {_ALL} HTTP/1.1\r\nAuthorization: token {TOKEN}\r\n\r\n".encode(), to="api", part="status")),
        rest("not HTTP", Ask(raw=b"hello\r\n\r\n", to="api", part="status")),
        rest("both lengths", Ask(raw=_BOTH_LENGTHS, to="api", part="status")),
    ]  # fmt: skip
    told += [rest(f"path {path[:40]}", post(path), api(f"GET {_ALL}{path}"), api(f"GET {_ALL}")) for path in _PATHS]
    told += [rest(f"path {path[:40]}, deleted", post(path), api(f"DELETE {_ALL}{path}")) for path in _PATHS]
    told += [rest(f"bad path {path}", api(f"POST {_ALL}{path}", {"target": "http://x"}, part="status", patience_s=0.5)) for path in _BAD_PATHS]
    told += [rest(f"body {name}", api(f"POST {_ALL}/c", raw=body), api(f"GET {_ALL}/c")) for name, body in _BODIES.items()]
    told += [rest(f"token {name}, get", api(f"GET {_ALL}", fields=fields)) for name, fields in _TOKENS.items()]
    told += [rest(f"token {name}, post", api(f"POST {_ALL}/c", {"target": "http://x"}, fields=fields)) for name, fields in _TOKENS.items()]
    told += [
        rest("token none, delete", *some, api(f"DELETE {_ALL}/user/bob", fields=())),
        rest("token none, get one", *some, api(f"GET {_ALL}/user/bob", fields=())),
        rest("token none, bad JSON", api(f"POST {_ALL}/c", raw=b"{", fields=())),
        rest("token none, bad time", api(f"GET {_ALL}?inactive_since=x", fields=())),
        rest("token none, other method", api(f"PUT {_ALL}", fields=())),
        rest("token none, other path", api("GET /nothing", fields=())),
    ]
    for time in _TIMES:
        told.append(rest(f"inactive since {time}", *some, api(f"GET {_ALL}?inactive_since={time}")))
    for time in ("2100-01-01T00:00:00.000Z", "1970-01-01T00:00:00.000Z", "", "x"):
        told.append(rest(f"inactiveSince {time}", *some, api(f"GET {_ALL}?inactiveSince={time}")))
    told += [
        rest("both times", *some, api(f"GET {_ALL}?inactiveSince=1970-01-01&inactive_since=2100-01-01")),
        rest("both times, the first empty", *some, api(f"GET {_ALL}?inactiveSince=&inactive_since=2100-01-01")),
        rest("time twice", *some, api(f"GET {_ALL}?inactive_since=2100-01-01&inactive_since=1970-01-01")),
        rest("time in other letters", *some, api(f"GET {_ALL}?INACTIVE_SINCE=1970-01-01")),
        rest("time for one route", *some, api(f"GET {_ALL}/user/bob?inactive_since=1970-01-01")),
        rest("bad time for one route", *some, api(f"GET {_ALL}/user/bob?inactive_since=x")),
        rest("other parameter", *some, api(f"GET {_ALL}?limit=1")),
    ]
    told += [rest(f"{method} the table", api(f"{method} {_ALL}")) for method in _METHODS]
    told += [rest(f"{method} a route", *some, api(f"{method} {_ALL}/user/bob")) for method in _METHODS]
    told += [
        rest(f"GET {path}", api(f"GET {path}"))
        for path in ("/", "/api", "/api/", "/api/routesx", "/api/route", "/API/ROUTES", "/api//routes", "/_chp_healthz", "/metrics", "/apis/routes", "/x/api/routes")
    ]  # fmt: skip
    told += [rest(f"POST {path}", api(f"POST {path}", {"target": "http://x"})) for path in ("/", "/api", "/api/routesx")]
    return told


def _open_questions() -> list[Question]:
    """Without a token, with a default target and metrics."""

    def opened(name: str, *asks: Ask) -> Question:
        return Question("open", name, asks)

    return [
        opened("table has the default", api("GET /api/routes", fields=())),
        opened("the default alone", api("GET /api/routes/", fields=())),
        opened("any token will do", api("GET /api/routes", fields=("Authorization: token whatever",))),
        opened("add and delete", api("POST /api/routes/o", {"target": "<other>"}, fields=()), get("/o/p"), api("DELETE /api/routes/o", fields=())),
        opened("default target", get("/anything/at?all=1")),
        opened("default target for the root", get("/")),
        opened(
            "default target for an upgrade", Ask("GET /ws", ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: AAAA"), then=b"ping")
        ),
        opened("bad JSON", api("POST /api/routes/o", raw=b"{", fields=())),
        opened("metrics", Ask("GET /metrics", to="metrics", part="status")),
        opened("metrics elsewhere", Ask("GET /", to="metrics", part="status")),
        opened("metrics with a query", Ask("GET /metrics?x=1", to="metrics", part="status")),
        opened("metrics below", Ask("GET /metrics/x", to="metrics", part="status")),
        opened("metrics by POST", Ask("POST /metrics", to="metrics", part="status")),
        opened("metrics by HEAD", Ask("HEAD /metrics", to="metrics", part="status")),
    ]


QUESTIONS = [*_questions(), *_open_questions()]
