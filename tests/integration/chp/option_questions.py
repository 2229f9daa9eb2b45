"""What single options change: hosts, redirects, error pages, TLS, sockets, time limits."""

from collections.abc import Iterator

from .asking import PATIENCE_S, Ask, Part
from .question import Question, acting, api, get
from .traffic_questions import upgrade

_LOCATIONS = [
    "302 http://HERE/x", "302 https://HERE/x", "302 http://elsewhere.example.org/x", "302 /x", "302 x", "302 //HERE/x", "301 http://HERE/x?y=z", "307 http://HERE/",
    "308 http://HERE/x", "303 http://HERE/x", "201 http://HERE/x", "302 http://HERE:99/x", "302 http://127.0.0.1/x", "300 http://HERE/x", "200 http://HERE/x",
    "304 http://HERE/x", "302 http://HERE", "302 ftp://HERE/x", "302 http://HERE/x#y",
]  # fmt: skip


_WS = ("Connection: Upgrade", "Upgrade: websocket")


def _locations() -> Iterator[Question]:
    for options in ("plain", "auto-rewrite", "rewriting"):
        for location in _LOCATIONS:
            silent = options == "rewriting" and ":99" in location
            yield Question(
                options, f"location {location}", (get("/user/alice/l", act="location", arg=location, patience_s=1 if silent else PATIENCE_S),)
            )
        yield Question(options, "location of the server itself", (get("/user/alice/l", act="location", arg="302 <backend>/x"),))
        yield Question(options, "location of another server", (get("/user/alice/l", act="location", arg="302 <other>/x"),))
        yield Question(
            options,
            "location over a socket",
            (get("/socket/l", act="location", arg="302 http://HERE/x", patience_s=1 if options == "rewriting" else PATIENCE_S),),
        )


def _hosts() -> Iterator[Question]:
    for host in (
        "hub.example.org", "hub.example.org:8000", "alice.example.org", "alice.example.org:443", "nobody.example.org", "127.0.0.1", "127.0.0.1:<public>", "", "org"
    ):  # fmt: skip
        for path in ("/", "/x?y=z", "/user/alice/x"):
            yield Question("hosts", f"{host or 'no name'} {path}", (get(path, host=host),))
    yield Question("hosts", "upgrade", (Ask("GET /user/alice/ws", _WS, host="alice.example.org", then=b"ping"),))
    yield Question("hosts", "the table", (api("GET /api/routes"),))
    yield Question("hosts", "one route", (api("GET /api/routes/alice.example.org/user/alice"),))
    visit = get("/", host="c.example.org")
    there_and_gone = (api("POST /api/routes/c.example.org", {"target": "<backend>"}), visit, api("DELETE /api/routes/c.example.org"), visit)
    yield Question("hosts", "added and deleted", there_and_gone)


def _errors() -> Iterator[Question]:
    for options in ("error-target", "error-target-gone", "error-path", "error-path-empty"):
        part: Part = "status" if options in {"error-path-empty", "error-target-gone"} else "all"
        for line in (
            "GET /", "GET /nothing?a=b&c=%20d", "GET /n%C3%A9", "POST /nothing", "HEAD /nothing", "GET /closed", "GET /closed/x?y=z",
            "POST /closed/x", "HEAD /closed", "GET /%", "GET /gzip", "GET /closed/gzip",
        ):  # fmt: skip
            yield Question(options, line, (Ask(line, part=part),))
        yield Question(options, "upgrade without a route", (upgrade("/nothing", then=b"", part="status"),))
        yield Question(options, "upgrade to nobody", (upgrade("/closed", then=b"", part="status"),))
        yield Question(options, "POST with a body", (Ask("POST /nothing", (), b"some text", part=part),))
        if options in {"error-target", "error-path"}:
            for status in (404, 500, 503):
                yield Question(options, f"the server's own {status}", (get("/user/x", act="status", arg=str(status)),))
            for act in ("reset", "end"):
                yield Question(options, f"server: {act}", (get("/user/x", act=act),))


def _tls() -> Iterator[Question]:
    def tls(name: str, *asks: Ask) -> Question:
        return Question("tls", name, asks)

    yield tls("plain target", get("/x"))
    yield tls("forwarded", get("/x", "X-Forwarded-Proto: http"))
    yield tls("websocket", upgrade("/ws"))
    for host in ("localhost", "hub.example.org"):  # the certificates are for localhost
        yield tls(f"{host}: secure target", get("/secure/x?y=z", host=host))
        yield tls(f"{host}: secure target, body", Ask("POST /secure/x", (), b"some text", host=host))
        yield tls(f"{host}: secure target, websocket", Ask("GET /secure/ws", _WS, host=host, then=b"ping"))
        yield tls(f"{host}: secure target that asks for a certificate", get("/mutual/x", host=host))
        yield tls(f"{host}: secure target that asks for a certificate, websocket", Ask("GET /mutual/ws", _WS, host=host, then=b"ping"))
    yield tls("secure target of another authority", Ask("GET /stranger/x", part="status"))
    yield tls("secure target of another authority, websocket", Ask("GET /stranger/ws", _WS, part="status"))
    yield tls("health", Ask("GET /_chp_healthz"))
    yield tls("plain HTTP to the secure port", Ask("GET /x", to="unsafe", part="status"))
    yield tls("the table", api("GET /api/routes"))
    yield tls("the table without a certificate", Ask("GET /api/routes", to="api-nobody", part="status"))
    yield tls("the table with a strange certificate", Ask("GET /api/routes", to="api-stranger", part="status"))
    yield tls("the table without a token", api("GET /api/routes", fields=()))
    for options in ("tls", "redirect-to"):
        for host in ("hub.example.org", "hub.example.org:8080", "127.0.0.1:<redirect>"):
            for path in ("/", "/user/alice?x=%20y"):
                yield Question(options, f"redirect {host} {path}", (Ask(f"GET {path}", to="redirect", host=host, part="where"),))
        yield Question(options, "redirect POST", (Ask("POST /x", (), b"some text", to="redirect", part="where"),))
        yield Question(options, "redirect HEAD", (Ask("HEAD /x", to="redirect", part="where"),))
        yield Question(options, "redirect without a host", (Ask(raw=b"GET /x HTTP/1.0\r\n\r\n", to="redirect", part="status"),))


def _sockets() -> Iterator[Question]:
    def sockets(name: str, *asks: Ask) -> Question:
        return Question("sockets", name, asks)

    yield sockets("get", get("/user/alice/x?y=z"))
    yield sockets("forwarded", get("/user/alice/x", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Port: 443", "X-Forwarded-Proto: https"))
    yield sockets("host with a port", get("/user/alice/x", host="example.org:8443"))
    yield sockets("post", Ask("POST /user/alice/x", (), b"some text"))
    yield sockets("to a socket", get("/socket/x"))
    yield sockets("websocket", upgrade("/user/alice/ws"))
    yield sockets("websocket to a socket", upgrade("/socket/ws"))
    yield sockets("health", Ask("GET /_chp_healthz"))
    yield sockets("the table without a token", api("GET /api/routes", fields=()))
    yield sockets("add and delete", api("POST /api/routes/s", {"target": "<other>"}), get("/s/x"), api("DELETE /api/routes/s"))
    yield sockets("metrics", Ask("GET /metrics", to="metrics", part="status"))
    yield sockets("metrics elsewhere", Ask("GET /x", to="metrics", part="status"))


def _limits() -> Iterator[Question]:
    yield Question("impatient", "in time", (get("/x"),))
    yield Question("impatient", "the server is silent", (Ask("GET /x", acting("hang"), part="status", patience_s=3),))
    yield Question("impatient", "the server is silent, with a body", (Ask("POST /x", acting("hang"), b"some text", part="status", patience_s=3),))


QUESTIONS = [*_locations(), *_hosts(), *_errors(), *_tls(), *_sockets(), *_limits()]
