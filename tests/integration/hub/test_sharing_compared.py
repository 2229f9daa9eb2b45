"""The API of shares beside JupyterHub's: the same requests, the same answers, but for the differences listed here."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.integration.hub.jupyterhub import jupyterhub
from tests.running.perijove import perijove

TOKEN = "tester-" + "0" * 32
SCOPES = [
    "admin:users", "admin:servers", "admin:groups", "tokens", "shares", "access:servers", "groups:shares", "users:shares", "read:users:name",
    "read:groups:name",
]  # fmt: skip
EVERYBODY = ["shares!user", "read:users:name", "read:groups:name"]
THEIRS = f"""
c.JupyterHub.services = [{{"name": "test", "api_token": "{TOKEN}"}}]
c.JupyterHub.load_roles = [
    {{"name": "test", "scopes": {SCOPES}, "services": ["test"]}},
    {{"name": "user", "scopes": {["self", *EVERYBODY]}}},
]
"""
OURS = f"""
[proxy]
listen = "PROXY"
[hub]
listen = "HUB"
[authenticator]
use = "dummy"
[access]
allow_all = true
extra_user_scopes = {EVERYBODY}
[spawner]
use = "perijove.testing.null_spawner:NullSpawner"
[limits]
named_servers = true
[[services]]
name = "test"
api_token = "{TOKEN}"
[[roles]]
name = "test"
services = ["test"]
scopes = {SCOPES}
"""
LAB, SERVER = "/shares/ann/lab", "server=ann/lab"
CODES = "/share-codes/ann/lab"
DIFFERENCES = {
    "scopes that do not exist: 400 and not 500": {("POST", LAB, "nosuch"), ("PATCH", LAB, "nosuch")},
    "a metascope is a bad request, whoever asks": {("POST", LAB, "self"), ("POST", LAB, "inherit")},
    "what cannot be shared cannot be taken back: 400, and not nothing": {("PATCH", LAB, "access:servers!user=ann")},
    "a scope to take back needs no limit": {("PATCH", LAB, "read:servers")},
    "expires_in is a number, as the API's document says: 60.5 is one, text is none": {("POST", CODES, "60.5"), ("POST", CODES, "'60'")},
}


@dataclass
class Talk:
    """One hub, and the people who ask it."""

    url: str
    tokens: dict[str, str] = field(default_factory=lambda: {"test": TOKEN})

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=f"{self.url}/hub/api", timeout=30)
        for name in ("ann", "bob", "cat"):
            assert self.ask("test", "POST", f"/users/{name}").status_code == 201
            self.tokens[name] = self.ask("test", "POST", f"/users/{name}/tokens", {}).json()["token"]
        limited = {"scopes": ["shares!server=ann/lab", "read:users:name"]}
        self.tokens["ann, lab only"] = self.ask("test", "POST", "/users/ann/tokens", {"scopes": ["shares!user=ann"]}).json()["token"]
        for group, users in (("team", ["bob", "cat"]), ("empty", [])):
            assert self.ask("test", "POST", f"/groups/{group}").status_code == 201
            self.ask("test", "POST", f"/groups/{group}/users", {"users": users})
        assert self.ask("ann", "PUT", "/users/ann/servers/lab").status_code == 201
        self.tokens["ann, lab only, by name"] = self.ask("test", "POST", "/users/ann/tokens", limited).json()["token"]

    def ask(self, who: str, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"authorization": f"token {self.tokens[who]}"} if who else {}
        return self.http.request(method, path, headers=headers, json=body)


@pytest.fixture(scope="module")
def hubs(jupyterhub_6_env: Path) -> Iterator[tuple[Talk, Talk]]:
    """JupyterHub's, and ours."""
    with jupyterhub(jupyterhub_6_env, THEIRS) as url, perijove(OURS, command="hub") as running:
        talks = Talk(url), Talk(running.hub_url)
        yield talks
        for talk in talks:
            talk.http.close()


def share(*scopes: str, **to: Any) -> dict[str, Any]:
    return to | ({"scopes": list(scopes)} if scopes else {})


Ask = tuple[str, str, str, Any]
"""Who, method, path, body."""
GRANTS: list[Any] = [
    {"user": "bob", "scopes": []}, {"user": "bob", "scopes": None}, {"user": "bob", "scopes": "access:servers"}, {"user": "ann"}, {"user": "nobody"},
    {"group": "nobody"}, {"group": "team"}, {"group": "empty"}, {"group": "team", "user": "bob"}, {}, None, [], {"user": "bob", "more": 1}, {"user": 5},
    {"user": None, "group": "team"},
]  # fmt: skip
LINKS: list[Any] = [
    {}, None, {"expires_in": 60}, {"expires_in": 31536000}, {"scopes": ["read:servers"], "expires_in": 3600}, {"scopes": ["admin:users"]}, {"user": "bob"},
    {"scopes": "access:servers"}, *({"expires_in": seconds} for seconds in (59, 31536001, None, 0, 60.5, "60")),
]  # fmt: skip


def nothing_is_shared_yet() -> Iterator[Ask]:
    for path in ("/shares/ann/", "/shares/ann/nothing", "/shares/nobody/nothing", LAB, CODES):
        for who in ("ann", "bob", "test", ""):
            yield who, "GET", path, None


def granting() -> Iterator[Ask]:
    for texts in ([], ["read:servers"], ["servers!" + SERVER], ["tokens"], ["users:activity"], ["read:users:name"], ["groups:shares"]):
        yield "ann", "POST", LAB, share(*texts, user="bob")
    for text in ("access:servers!user=ann", "access:servers!server=ann/", "access:servers!server", "admin:users", "admin:servers", "proxy"):
        yield "ann", "POST", LAB, share(text, user="bob")
    for text in ("self", "inherit", "nosuch"):
        yield "ann", "POST", LAB, share(text, user="bob")
    for body in GRANTS:
        yield "ann", "POST", LAB, body
    for who in ("bob", "cat", "", "test", "ann, lab only", "ann, lab only, by name"):
        for path in (LAB, "/shares/ann/", "/shares/ann/nothing", "/shares/nobody/nothing", "/shares/nobody/"):
            for to in ({"user": "cat"}, {"group": "team"}):
                yield who, "POST", path, to


def listing() -> Iterator[Ask]:
    for who in ("ann", "bob", "test", "ann, lab only", "ann, lab only, by name", ""):
        for path in (
            "/shares/ann",
            LAB,
            "/shares/ann/",
            "/users/bob/shared",
            "/users/bob/shared/ann/lab",
            "/users/bob/shared/ann/",
            "/groups/team/shared",
        ):
            yield who, "GET", path, None
        for path in (
            "/shares/nobody",
            "/users/nobody/shared",
            "/groups/nobody/shared",
            "/users/bob/shared/ann/nothing",
            "/groups/team/shared/ann/lab",
        ):
            yield who, "GET", path, None
    for query in ("limit=1", "limit=1&offset=1", "limit=0", "limit=-1", "limit=x", "offset=x", "offset=99", "limit=1000"):
        for path in ("/shares/ann", "/users/bob/shared", "/groups/team/shared"):
            yield "test", "GET", f"{path}?{query}", None
    for path in ("/shares/ann", "/share-codes/ann"):
        for method in ("POST", "PATCH", "DELETE"):
            yield "ann", method, path, {} if method != "DELETE" else None


def ending() -> Iterator[Ask]:
    for text in ("read:servers", "read:servers!" + SERVER, "start:servers!" + SERVER, "nosuch"):
        yield "ann", "PATCH", LAB, share(text, user="bob")
    for to in ({"user": "bob"}, {"user": "bob"}, {"user": "nobody"}, {"group": "nobody"}, {}, {"user": "bob", "group": "team"}):
        yield "ann", "PATCH", LAB, to
    yield "ann", "PATCH", LAB, share("access:servers!user=ann", user="bob")
    yield "bob", "PATCH", LAB, {"group": "team"}
    yield "bob", "DELETE", LAB, None
    yield "ann", "POST", LAB, {"user": "bob"}
    for who, path in (
        *((who, "/users/bob/shared/ann/lab") for who in ("cat", "bob", "bob", "")),
        *((who, "/groups/team/shared/ann/lab") for who in ("bob", "test", "test")),
        *(("ann", path) for path in (LAB, LAB, "/shares/ann/nothing")),
    ):
        yield who, "DELETE", path, None


def links() -> Iterator[Ask]:
    for body in LINKS:
        yield "ann", "POST", CODES, body
    yield "bob", "POST", CODES, {}
    for who in ("ann", "bob", "test"):
        for path in ("/share-codes/ann", CODES, "/share-codes/ann/nothing", "/share-codes/ann/", "/share-codes/nobody"):
            yield who, "GET", path, None
    for query in ("code=xyz", "id=sc_999", "id=999", "id=sc_x"):
        yield "ann", "DELETE", f"{CODES}?{query}", None
    yield "ann", "DELETE", CODES, None
    yield "ann", "GET", CODES, None


def plain(answer: httpx.Response) -> Any:
    """What must be alike: of errors the status alone, for the words are ours; without moments, secrets, addresses and ids."""
    if answer.status_code >= 400:
        assert isinstance(answer.json()["status"], int)
        return answer.status_code
    text = re.sub(r'"\d{4}-\d\d-\d\dT[\d:.]+Z"', '"(moment)"', answer.text)
    text = re.sub(r'"sc_\d+"', '"(id)"', re.sub(r"http://127.0.0.1:\d+", "(hub)", re.sub(r"[\w-]{43}", "(code)", text)))
    return answer.status_code, _ordered(httpx.Response(200, text=text).json()) if text else ""


def _ordered(value: Any) -> Any:
    """With the parameters of addresses in order."""
    if isinstance(value, dict):
        return {key: _ordered(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_ordered(one) for one in value]
    if isinstance(value, str) and "?" in value:
        path, _, query = value.partition("?")
        return f"{path}?{'&'.join(sorted(query.split('&')))}"
    return value


def _known(method: str, path: str, body: Any) -> set[str]:
    """The listed differences that this request shows."""
    said = {str(text) for text in (body.get("scopes") or []) if isinstance(text, str)} if isinstance(body, dict) else set()
    if isinstance(body, dict) and "expires_in" in body:
        said.add(repr(body["expires_in"]))
    return {reason for reason, cases in DIFFERENCES.items() if any((method, path, text) in cases for text in said)}


def test_the_api_of_shares_answers_as_jupyterhubs(hubs: tuple[Talk, Talk]) -> None:
    theirs, ours = hubs
    unlisted, shown, count = [], set(), 0
    for who, method, path, body in chain(nothing_is_shared_yet(), granting(), listing(), ending(), links()):
        count += 1
        expected, found = plain(theirs.ask(who, method, path, body)), plain(ours.ask(who, method, path, body))
        if expected == found:
            continue
        if known := _known(method, path, body):
            shown |= known
        else:
            unlisted.append(f"{who or 'nobody'}: {method} {path} {body}\n  JupyterHub: {expected}\n  ours:       {found}")
    assert not unlisted, "\n".join(unlisted)
    assert shown == set(DIFFERENCES), "a difference is gone: take it from the list, and from the documentation"
    assert count > 200
