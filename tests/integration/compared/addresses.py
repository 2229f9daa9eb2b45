"""Addresses that do not exist, methods that do not fit, names that are hard to write, bodies that are no JSON."""

from collections.abc import Iterator
from typing import Any

from tests.integration.compared.talk import NOBODY, Ask, Step

METHODS = ("POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
EVERY = (
    "/", "/info", "/user", "/users", "/users/ann", "/users/ann/activity", "/users/ann/tokens", "/users/ann/tokens/a999999", "/users/ann/server/progress",
    "/groups", "/groups/team/users", "/groups/team/properties", "/services", "/proxy", "/health",
)  # fmt: skip
CHANGING = {
    ("POST", "/users"), ("POST", "/groups"), ("POST", "/proxy"), ("PATCH", "/proxy"), ("POST", "/services"), ("POST", "/users/ann/tokens"),
    ("DELETE", "/users/ann"), ("PUT", "/groups/team/properties"),
}  # fmt: skip
NAMES = (
    "Ann", "ANN", "a%6En", "ann%2Flab", "ann%2F", "ann%40example.org", "two%20words", "two+words", "%C3%A9t%C3%A9", "%F0%9F%A6%86", "a%2E%2Eb", "%2E%2E",
    "a.b", "a_b", "-a", "a%00b", "a%0Ab", "a%25b", "a%3Fb", "a%23b", "a;b", "a:b", "a,b", "a'b", "%22", "%3Cb%3E", "x" * 255, "x" * 256, "x" * 300, "0", "None",
)  # fmt: skip


def methods_and_addresses() -> Iterator[Step]:
    for who in ("test", NOBODY):
        for path in EVERY:
            for method in METHODS:
                if (method, path) not in CHANGING:
                    yield Ask(who=who, method=method, path=path)
    for who in ("test", "ann", NOBODY, "wrong"):
        for path in (
            "/nothing", "/users/ann/nothing", "/users/ann/servers", "/users/ann/servers/", "/users/ann/server/nothing", "/groups/team/nothing", "/user/nothing",
            "/users/", "/users/ann/", "/groups/", "/groups/team/", "/services/", "/services/weak/", "/info/", "/user/", "//users", "/users//", "/users//tokens",
            "/users/ann/servers/lab/", "/users/ann/servers/lab/nothing", "/users/ann/tokens/", "/proxy/", "/USERS", "/Users/ann", "/authorizations",
            "/shutdown", "/v1/users",
        ):  # fmt: skip
            yield Ask(who=who, path=path)
        for method in ("POST", "OPTIONS", "DELETE"):
            yield Ask(who=who, method=method, path="/nothing")


def hard_names() -> Iterator[Step]:
    for name in NAMES:
        for who in ("test", "ann"):
            yield Ask(who=who, path=f"/users/{name}")
        yield Ask(who="test", path=f"/users/ann/servers/{name}")
        yield Ask(who="test", path=f"/groups/{name}")
        yield Ask(who="test", path=f"/services/{name}")
        yield Ask(who="test", path=f"/users/ann/tokens/{name}")


def bodies_that_are_no_json() -> Iterator[Step]:
    for method, path in (
        ("POST", "/users"), ("PATCH", "/users/ann"), ("POST", "/users/ann"), ("POST", "/users/ann/activity"), ("POST", "/users/ann/tokens"),
        ("POST", "/groups"), ("POST", "/groups/team/users"), ("DELETE", "/groups/team/users"), ("PUT", "/groups/team/properties"),
        ("POST", "/users/dan/server"), ("PUT", "/users/ann/servers/new"), ("PATCH", "/users/ann/servers/lab"), ("DELETE", "/users/dan/server"),
        ("PATCH", "/proxy"), ("POST", "/shutdown"),
    ):  # fmt: skip
        for raw in (b"{", b"[", b"nothing", b"{'a': 1}", b"\xff\xfe", b'{"a": 1}{', b'{"a": NaN}x'):
            yield Ask(who="test", method=method, path=path, raw=raw, headers={"content-type": "application/json"})


def bodies_of_other_types() -> Iterator[Step]:
    for value in list[Any]((5, "text", True, [], [1], None, {})):
        for method, path in (
            ("POST", "/users"), ("PATCH", "/users/ann"), ("POST", "/users/ann/activity"), ("POST", "/groups"), ("POST", "/groups/team/users"),
            ("DELETE", "/groups/team/users"), ("POST", "/users/ann"), ("POST", "/groups/team"), ("PATCH", "/users/ann/servers/lab"),
        ):  # fmt: skip
            yield Ask(who="test", method=method, path=path, json=value)
    for value in list[Any]((5, "text", True, [1])):
        for method, path in (
            ("PUT", "/groups/team/properties"), ("POST", "/users/dan/server"), ("PUT", "/users/dan/servers/new"), ("DELETE", "/users/ann/servers/lab"),
            ("POST", "/users/ann/tokens"), ("PATCH", "/proxy"),
        ):  # fmt: skip
            yield Ask(who="test", method=method, path=path, json=value)


def credentials() -> Iterator[Step]:
    token = "tester-" + "0" * 32
    for value in (
        f"token {token}", f"Token {token}", f"TOKEN {token}", f"bearer {token}", f"Bearer {token}", f"BEARER {token}", f"Basic {token}", token, "token",
        f"token  {token}",  f"token {token} x", f"token {token[:-1]}", f"token {token}x", f"tokens {token}", "Bearer", f"token\t{token}",
    ):  # fmt: skip
        for path in ("/user", "/users/ann", "/"):
            yield Ask(who="with a header", path=path, headers={"authorization": value})
    for path in (f"/user?token={token}", f"/users/ann?token={token}"):
        yield Ask(who=NOBODY, path=path)
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/json; charset=latin-1",
        "application/xml",
        "nonsense",
    ):
        yield Ask(who="test", method="POST", path="/groups/team/users", raw=b'{"users": ["bob"]}', headers={"content-type": kind})
    for accept in ("text/html", "application/json", "*/*", "application/xml"):
        for path in ("/users/ann", "/users/nobody", "/nothing"):
            yield Ask(who="test", path=path, headers={"accept": accept})
    for origin in ("https://elsewhere.example.org", "null"):
        for who in ("test", NOBODY):
            for path in ("/", "/user", "/users"):
                yield Ask(who=who, path=path, headers={"origin": origin})
                yield Ask(who=who, method="OPTIONS", path=path, headers={"origin": origin, "access-control-request-method": "GET"})


AREAS = (methods_and_addresses, hard_names, bodies_that_are_no_json, bodies_of_other_types, credentials)
