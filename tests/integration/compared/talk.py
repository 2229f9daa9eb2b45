"""Asking a hub as different people, so that the same questions can be put to two hubs."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx

from tests.integration.compared.hubs import SERVICES
from tests.running.browser import Person
from tests.running.perijove import until

NOBODY = ""
API = "/hub/api"
_TOKEN_OF = re.compile(r"\{token of ([^}]+)\}")
EMPTY: Mapping[str, str] = {}
TEAM = {"list:users!group=team", "read:users:name!group=team"}
TOKENS: dict[str, tuple[str, list[str]]] = {
    "team lister": ("ada", ["list:users!group=team", "read:users:name!group=team"]),
    "team servers": ("ada", ["read:servers!group=team", "list:users!group=team"]),
    "names": ("ada", ["read:users:name"]),
    "activity of ann": ("ada", ["read:users:activity!user=ann"]),
    "groups of team": ("ada", ["groups!group=team"]),
    "tokens of ann": ("ada", ["tokens!user=ann"]),
    "ann's lab": ("ann", ["servers!server=ann/lab", "access:servers!server=ann/lab"]),
    "ann, reading": ("ann", ["read:users!user=ann"]),
    "lister": ("ada", ["list:users"]),
    "user admin": ("ada", ["admin:users"]),
    "server admin": ("ada", ["admin:servers"]),
    "group admin": ("ada", ["admin:groups"]),
    "roles": ("ada", ["read:roles"]),
    "nothing": ("ann", []),
}
"""People besides: whose token, and its scopes."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request. `raw` is a body as it is, `json` one to encode (... for none); `keep` names what later paths call "{name}": the answer's "id"."""

    who: str
    method: str = "GET"
    path: str
    json: Any = ...
    raw: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    keep: str = ""
    become: str = ""
    """Whose token the answer's is from here on, if there is one."""
    release: str = ""
    """The answer is a stream: once it has begun, make this file appear, for which somebody waits."""
    settle: bool = False
    """Wait until the person's servers are neither starting nor stopping before the next question."""

    @property
    def name(self) -> str:
        """What the table of differences calls it."""
        body = (
            f" {json.dumps(self.json, ensure_ascii=False)}"
            if self.json is not ...
            else f" {self.raw.decode('latin-1')}"
            if self.raw is not None
            else ""
        )
        if len(body) > 200:
            body = f"{body[:200]}..."
        more = "".join(f" ({key}: {value})" for key, value in self.headers.items())
        path = self.path if len(self.path) < 200 else f"{self.path[:200]}..."
        return f"{self.who or 'nobody'}: {self.method} {path}{body}{more}"


Step = Ask | Callable[["Talk"], None]
"""A question, or something else to do at both hubs (at the first one, then at the second)."""


def quietly(method: str, path: str, body: Any = ...) -> Callable[["Talk"], None]:
    """A request whose answer is not compared: it brings both hubs into the same state again."""
    return lambda talk: talk.clean(method, path, body)


class Talk:
    """One hub, and the people who ask it. Its servers look for files in `folder`."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        folder.mkdir()
        self.http = httpx.Client(base_url=url, timeout=30)
        self.tokens = {**SERVICES, "wrong": "not-a-token-" + "9" * 30}
        self.kept: dict[str, str] = {}
        self.browsers: dict[str, Person] = {}

    def prepare(self) -> None:
        """Make the people, their groups, tokens and servers."""
        self.must(201, "POST", "/users", {"usernames": ["ann", "bob", "cat", "dan"]})
        for name in ("ada", "ann", "bob", "cat", "dan"):
            self.browsers[name] = person = Person(self.url)
            page = "/hub/login?next=%2Fhub%2Ftoken"  # not home, which would start a server
            found = person.submit(page, page, username=name, password="any")
            assert found.url.path == "/hub/token", f"{self.url}: {found.status_code} {found.url}"
        for group, users in (("team", ["bob", "cat"]), ("empty", [])):
            self.must(201, "POST", f"/groups/{group}", {"users": users})
        for name in ("ada", "ann", "bob", "cat", "dan"):
            self.tokens[name] = self.must(201, "POST", f"/users/{name}/tokens", {"note": "everything"})["token"]
        self.must(201, "PUT", "/users/ann/servers/lab", who="ann")
        for who, (owner, scopes) in TOKENS.items():
            self.tokens[who] = self.must(201, "POST", f"/users/{owner}/tokens", {"scopes": scopes, "note": who}, who=owner)["token"]
        gone = self.must(201, "POST", "/users/ann/tokens", {"note": "revoked"})
        self.tokens["revoked"] = gone["token"]
        self.must(204, "DELETE", f"/users/ann/tokens/{gone['id']}")
        self.tokens["expired"] = self.must(201, "POST", "/users/ann/tokens", {"expires_in": 1, "note": "expires"})["token"]
        until(lambda: self.request("expired", "GET", "/user").status_code == 403, what="an expired token")
        self.must(201, "POST", "/users/ann/servers/lab", who="ann")
        self.tokens["server of ann"] = self.must(200, "GET", "/users/ann")["servers"]["lab"]["state"]["token"]

    def must(self, status: int, method: str, path: str, body: Any = ..., *, who: str = "test") -> Any:
        """The decoded answer of a request that prepares others."""
        answer = self.request(who, method, path, json=body)
        assert answer.status_code == status, f"{self.url}: {who} {method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.text else None

    def request(
        self, who: str, method: str, path: str, *, json: Any = ..., raw: bytes | None = None, headers: Mapping[str, str] = EMPTY
    ) -> httpx.Response:
        """`path` below the API, or, with a "!" before it, as it is."""
        sent = dict(headers)
        client = self.http
        if who.startswith("cookie of "):
            client = self.browsers[who.removeprefix("cookie of ")].http
        elif who and "authorization" not in sent:
            sent["authorization"] = f"token {self.tokens.get(who, 'nobody')}"
        body: dict[str, Any] = {} if json is ... else {"json": json}
        if raw is not None:
            body = {"content": raw}
        url = path[1:] if path.startswith("!") else API + path
        if who.startswith("cookie of ") and "accept" not in sent:
            sent["accept"] = "*/*"
        return client.request(method, self.url + url, headers=sent, follow_redirects=False, **body)

    def ask(self, ask: Ask) -> httpx.Response:
        path = ask.path
        for name, value in self.kept.items():
            path = path.replace(f"{{{name}}}", value)
        path = _TOKEN_OF.sub(lambda found: self.tokens[found[1]], path)
        headers = {key: value.replace("{xsrf}", self._xsrf(ask.who)).replace("{url}", self.url) for key, value in ask.headers.items()}
        body = self._placed(ask.json)
        if ask.release:
            return self._follow(ask, path)
        answer = self.request(ask.who, ask.method, path, json=body, raw=ask.raw, headers=headers)
        if ask.keep:
            assert answer.status_code < 300, f"{self.url}: {ask.name}: {answer.text}"
            self.kept[ask.keep] = answer.json()["id"]
        if ask.become and answer.status_code == 201:
            self.tokens[ask.become] = answer.json()["token"]
        if ask.settle:
            self.settle(path)
        return answer

    def _follow(self, ask: Ask, path: str) -> httpx.Response:
        """Read a stream to its end, letting go on what it waits for once it has begun."""
        received = b""
        with self.http.stream(ask.method, API + path, headers={"authorization": f"token {self.tokens[ask.who]}"}) as answer:
            for chunk in answer.iter_bytes():
                received += chunk
                if b"data:" in received:
                    (self.folder / ask.release).touch()
        return httpx.Response(answer.status_code, headers=answer.headers, content=received, request=answer.request)

    def _placed(self, body: Any) -> Any:
        """With the folder of files that let servers go on."""
        return body if body is ... else json.loads(json.dumps(body).replace("{folder}", str(self.folder)))

    def clean(self, method: str, path: str, body: Any = ...) -> None:
        """As the administering service, whatever comes of it."""
        self.request("test", method, path, json=self._placed(body))
        if "/server" in path and method != "PUT":
            self.settle(path)

    def check_people(self) -> None:
        """Fails if somebody cannot ask any more: from there on both hubs would only agree in refusing."""
        for name in self.browsers:
            for who in (name, f"cookie of {name}"):
                found = self.request(who, "GET", "/user").status_code
                assert found == 200, f"{self.url}: {who} is answered {found}"

    def settle(self, path: str) -> None:
        name = path.split("/")[2]

        def settled() -> bool:
            found = self.request("test", "GET", f"/users/{name}?include_stopped_servers=1")
            return found.status_code == 404 or not any(server["pending"] for server in found.json()["servers"].values())

        until(settled, what=f"the servers of {name} to settle at {self.url}")

    def _xsrf(self, who: str) -> str:
        """The token that this browser's pages contain."""
        if not who.startswith("cookie of "):
            return "none"
        browser = self.browsers[who.removeprefix("cookie of ")]
        mark = 'name="_xsrf" value="'
        text = browser.get("/hub/token").text
        return text.partition(mark)[2].partition('"')[0] if mark in text else str(browser.http.cookies.get("_xsrf", path="/hub/"))

    def close(self) -> None:
        self.http.close()
        for browser in self.browsers.values():
            browser.close()
