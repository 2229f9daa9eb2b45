"""Every route, asked in ways that no library would let one ask: whatever comes, the hub answers, and none of its answers is a fault of its own."""

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx2 as httpx
import pytest

from perijove.web.api.routes import ROUTES as API
from perijove.web.cookies import SESSION, VISIT
from perijove.web.oauth.routes import ROUTES as OAUTH
from perijove.web.pages.routes import ROUTES as PAGES
from perijove.web.proxies import ROUTES as PROXIES
from perijove.web.router import Access
from tests.contract.store.postgres import PostgresServer
from tests.integration.hub.conftest import SETTINGS, TOKEN
from tests.running.browser import Person
from tests.running.perijove import Running, perijove

PROXY_TOKEN = "the-secret-of-proxies-in-this-test"
_PARAMETER = re.compile(r"\{[a-z_]+(?::path)?\}")
_XSRF = re.compile(r'name="_xsrf" value="([^"]+)"')
_ENDING = {"/api/shutdown", "/logout"}
"""They end the hub, or the session that the rest is asked with; tests of their own ask them."""
_OURS = {200, 201, 202, 204, 302, 303, 400, 401, 403, 404, 405, 409, 413, 414, 421, 424, 429, 431}


@dataclass(frozen=True)
class Odd:
    """A way to ask. `segment` stands for each of the path's parameters, `headers` are lines; `sent` is all that follows them."""

    segment: bytes = b"eve"
    query: bytes = b""
    headers: tuple[bytes, ...] = ()
    sent: bytes = b""
    methods: tuple[str, ...] = field(default=())
    """Instead of the route's own."""


def _body(kind: bytes, body: bytes) -> Odd:
    return Odd(headers=(b"Content-Type: " + kind, b"Content-Length: %d" % len(body)), sent=body)


JSON, FORM = b"application/json", b"application/x-www-form-urlencoded"
ODD = {
    "nothing odd": Odd(),
    "half a percent sign": Odd(segment=b"%"),
    "no hexadecimal": Odd(segment=b"%zz%4"),
    "invalid UTF-8, quoted": Odd(segment=b"%ff%fe%c0%80", query=b"q=%ff&%c0=%ed%a0%80&offset=%ff&client_id=%ff&next=%ff"),
    "invalid UTF-8, as it is": Odd(segment=b"\xff\xfe", query=b"q=\xff&next=\xff"),
    "a surrogate": Odd(segment=b"%ed%a0%80", query=b"next=%ed%a0%80&name_filter=%ed%a0%80"),
    "NUL in path and query": Odd(segment=b"%00", query=b"q=%00&sort=%00&state=%00&id=sc_%00&code=%00&action=%00&who=%00&next=%00&name_filter=%00"),
    "line ends": Odd(segment=b"a%0d%0aset-cookie:x=y", query=b"next=/hub/%0d%0aset-cookie:x=y"),
    "dots": Odd(segment=b"%2e%2e", query=b"next=%2f..%2f..%2f"),
    "a slash": Odd(segment=b"a%2fb%2f"),
    "markup": Odd(segment=b"%3Cscript%3E%22'%3E", query=b"q=%3Cscript%3E%22'%3E"),
    "brackets of IPv6": Odd(query=b"next=http://[&redirect_uri=http://[::1&origin=//[", headers=(b"Origin: http://[", b"Referer: http://[")),
    "twice the same": Odd(query=b"offset=1&offset=x&limit=2&limit=-1&sort=name&sort=id&client_id=a&client_id=b&action=a&action=b"),
    "huge numbers": Odd(segment=b"a99999999999999999999", query=b"offset=99999999999999999999&limit=99999999999999999999&id=sc_99999999999999999&page=9" + b"9" * 40),
    "digits that are not ASCII": Odd(segment=b"a%d9%a3", query="offset=٣&limit=²&page=²&id=sc_٣".encode()),
    "a long segment": Odd(segment=b"a" * 5000),
    "many segments": Odd(segment=b"/".join([b"a"] * 500)),
    "a long query": Odd(query=b"&".join(b"k%d=v" % number for number in range(3000))),
    "no content type": Odd(headers=(b"Content-Length: 2",), sent=b"{}"),
    "a body of another kind": _body(b"multipart/form-data; boundary=x", b"--x\r\n\r\nno part\r\n--x--"),
    "an odd content type": _body(b";;; charset=\xff", b"{}"),
    "an unknown charset": _body(b"application/json; charset=klingon", b"{}"),
    "no JSON": _body(JSON, b"{"),
    "a list": _body(JSON, b"[]"),
    "null": _body(JSON, b"null"),
    "a number beyond all": _body(JSON, b'{"expires_in": 1e999, "limit": 123456789012345678901234567890}'),
    "a lone surrogate in JSON": _body(JSON, rb'{"name": "\ud800", "note": "\ud800", "users": ["\ud800"], "usernames": ["\ud800"]}'),
    "NUL in JSON": _body(JSON, rb'{"user_options": {"\u0000": "\u0000"}, "display_name": "\u0000"}'),
    "NUL among users": _body(JSON, rb'{"users": ["\u0000"]}'),
    "NUL among usernames": _body(JSON, rb'{"usernames": ["\u0000"]}'),
    "NUL in what a share is for": _body(JSON, rb'{"user": "\u0000", "scopes": ["\u0000"]}'),
    "NUL in a note": _body(JSON, rb'{"note": "\u0000"}'),
    "NUL in a moment": _body(JSON, rb'{"last_activity": "\u0000"}'),
    "a moment before all": _body(JSON, b'{"last_activity": "0001-01-01T00:00:00+23:59"}'),
    "a moment after all": _body(JSON, b'{"last_activity": "9999-12-31T23:59:59-23:59"}'),
    "a proxy's clock before all": _body(JSON, b'{"epoch": "", "revision": 0, "now": "0001-01-01T00:00:00", "activity": {"/": "9999-12-31T23:59:59"}}'),
    "an age beyond all": _body(JSON, b'{"expires_in": 9223372036854775807}'),
    "an age before all": _body(JSON, b'{"expires_in": -9223372036854775807}'),
    "JSON of depth": _body(JSON, b"[" * 100_000),
    "an object of depth": _body(JSON, b'{"user_options":' * 3000 + b"1" + b"}" * 3000),
    "an invalid form": _body(FORM, b"%ff=%ff&name=%00&username=%00&password=%00&names=%00&client_id=%ff&scopes=%ff&group=%00&note=%00"),
    "a form with empty fields": _body(FORM, b"&&==&name=&username=&password=&names=&group=&note=&code=&grant_type=authorization_code&redirect_uri="),
    "chunks": Odd(headers=(b"Transfer-Encoding: chunked", b"Content-Type: application/json"), sent=b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"),
    "chunks of no size": Odd(headers=(b"Transfer-Encoding: chunked",), sent=b"zz\r\n{}\r\n0\r\n\r\n"),
    "a body where none belongs": Odd(headers=(b"Content-Length: 2",), sent=b"{}", methods=("GET", "HEAD", "DELETE")),
    "other methods": Odd(methods=("HEAD", "OPTIONS", "TRACE", "QUERY", "PROPFIND")),
    "an odd cookie": Odd(headers=(b'Cookie: %s="\\377; =; ;; x' % SESSION.encode(), b"Cookie: %s=\xff" % VISIT.encode())),
    "odd credentials": Odd(headers=(b"Authorization: Basic \xff", b"Authorization: Bearer \xff")),
    "credentials without a colon": Odd(headers=(b"Authorization: Basic YWJj",)),
    "an odd host": Odd(headers=(b"Host: [",)),
    "another odd host": Odd(headers=(b"Host: a b:99999999",)),
    "odd preferences": Odd(headers=(b"Accept: \xff;q=x,,,", b"Accept-Language: \xff;q=-1,,;", b"Accept-Encoding: \xff", b"X-Request-ID: \xff" + b"x" * 500)),
    "pages": Odd(headers=(b"Accept: application/jupyterhub-pagination+json",), query=b"limit=1&offset=\xff"),
    "odd forwarding": Odd(headers=(b"X-Forwarded-For: ,,\xff", b"X-Forwarded-Proto: \xff", b"X-Forwarded-Host: [", b"Forwarded: for=[;")),
}  # fmt: skip

_FIELDS = (
    "again", "admin", "client_id", "client_secret", "code", "code_verifier", "display_name", "expires_in", "grant_type", "id", "kind", "level", "names",
    "new", "next", "note", "offset", "old", "password", "q", "redirect_uri", "scopes", "server_name", "state", "username", "users", "uses", "v", "who",
)  # fmt: skip
_VALUES = (
    b"", b"%00", b"%ff", b"%ed%a0%80", b"%0d%0a", "²".encode(), b"-1", b"1e999", b"nan", b"9" * 40, b"9223372036854775807", b"a" * 9000, b"http://[",
    b"//x", b"user%3Aeve", b"self!server%3Deve/eve", b"%F0%9F%98%80", b"__class__", b"%7B%7D",
)  # fmt: skip
for _value in _VALUES:
    _all = b"&".join(name.encode() + b"=" + _value for name in _FIELDS)
    ODD[f"a query full of {_value[:20]!r}"] = Odd(query=_all[:60_000])
    ODD[f"a form full of {_value[:20]!r}"] = _body(FORM, _all)


@dataclass(frozen=True)
class Asker:
    """Credentials, as lines of a request's head."""

    by: dict[Access, tuple[bytes, ...]]


@pytest.fixture(params=["sqlite", "postgresql"])
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    """On either database: PostgreSQL takes no NUL in texts, and no number of more than 64 bits."""
    settings = SETTINGS.replace("[proxy]\n", f'[proxy]\ntoken = {{ value = "{PROXY_TOKEN}" }}\n')
    if request.param == "sqlite":
        with perijove(settings, command="hub") as found:
            yield found
        return
    server = PostgresServer(request.getfixturevalue("postgresql_bin"))
    try:
        server.start()
        with perijove(f'{settings}[store]\nurl = "{server.url(server.new_database())}"\n', command="hub") as found:
            yield found
    finally:
        server.close()


def _seed(running: Running) -> None:
    """Whatever a path is about, there is one called eve: a person, a server, a group, a service; routes that delete come by too."""
    with httpx.Client(base_url=f"{running.hub_url}/hub/api", headers={"authorization": f"token {TOKEN}"}, timeout=30) as http:
        http.post("/users/eve")
        http.post("/users/eve/servers/eve")
        http.post("/groups/eve")
        http.post("/services/eve")


def _asker(running: Running) -> Asker:
    person = Person(running.hub_url)
    try:
        person.sign_in("ada")
        found = _XSRF.search(person.get("/hub/home").text)
        assert found
        cookies = "; ".join(f"{name}={value}" for name, value in person.http.cookies.items())
    finally:
        person.close()
    browser = (f"Cookie: {cookies}".encode(), f"X-XSRFToken: {found[1]}".encode(), b"Accept: text/html")
    token = (f"Authorization: token {TOKEN}".encode(),)
    return Asker(
        {
            Access.API: token,
            Access.OPEN: token,
            Access.PAGE: browser,
            Access.READ: browser,
            Access.VISIT: browser,
            Access.PROXY: (f"Authorization: token {PROXY_TOKEN}".encode(),),
        }
    )


def _ask(running: Running, method: str, path: bytes, headers: tuple[bytes, ...], body: bytes) -> int:
    """The status; 0 if the hub closed without one."""
    address = httpx.URL(running.hub_url)
    lines = [method.encode() + b" " + path + b" HTTP/1.1", *headers, b"Connection: close"]
    if not any(line.lower().startswith(b"host:") for line in headers):
        lines.append(b"Host: hub.example")
    with socket.create_connection((address.host, address.port or 80), timeout=30) as link:
        try:
            link.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + body)
            answer = link.recv(65536)
        except ConnectionError:
            return 0
    status = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    return int(status[1]) if status else 0


def test_no_odd_request_is_a_fault_of_the_hub(running: Running) -> None:
    """0 is uvicorn, which closes without an answer when it can read nothing at all."""
    asker = _asker(running)
    asked = [(route, name, odd) for route in (*API, *OAUTH, *PROXIES, *PAGES) if route.path not in _ENDING for name, odd in ODD.items()]
    wrong = []
    for number, (route, name, odd) in enumerate(asked):
        if number % len(ODD) == 0:
            _seed(running)
        path = b"/hub" + odd.segment.join(part.encode() for part in _PARAMETER.split(route.path))
        line = path + (b"?" + odd.query if odd.query else b"")
        given = () if any(head.lower().startswith((b"authorization:", b"cookie:")) for head in odd.headers) else asker.by[route.access]
        for method in odd.methods or (route.method,):
            status = _ask(running, method, line, (*given, *odd.headers), odd.sent)
            if status not in _OURS | {0}:
                wrong.append(f"{status} for {name}: {method} {line[:200]!r}")
    assert running.healthy()
    assert _ask(running, "GET", b"/hub/home", asker.by[Access.PAGE], b"") == 200  # so the pages were asked by somebody, to the end
    running.end()
    running.close()
    assert not wrong, "\n".join(wrong)
    assert "Traceback" not in running.output, running.output[-20_000:]
