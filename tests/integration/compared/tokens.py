"""Tokens: what they may be asked for with, by whom, and what becomes of them."""

from collections.abc import Iterator
from typing import Any

from tests.integration.compared.talk import NOBODY, Ask, Step

BODIES: tuple[Any, ...] = (
    ..., {}, None, [], "text", 5, {"note": "a note"}, {"note": ""}, {"note": None}, {"note": 5}, {"note": {"a": 1}}, {"note": "x" * 2000}, {"note": "é🦆"},
    {"expires_in": 60}, {"expires_in": None}, {"expires_in": 0}, {"expires_in": -1}, {"expires_in": 60.5}, {"expires_in": "60"}, {"expires_in": True},
    {"expires_in": 10**9}, {"expires_in": 10**12}, {"expires_in": 10**30}, {"expires_in": []},
    {"scopes": []}, {"scopes": None}, {"scopes": "self"}, {"scopes": ["self"]}, {"scopes": ["inherit"]}, {"scopes": ["read:users"]},
    {"scopes": ["read:users!user"]}, {"scopes": ["read:users!user=dan"]}, {"scopes": ["read:users!user=bob"]}, {"scopes": ["admin:users"]},
    {"scopes": ["nosuch"]}, {"scopes": ["read:users!nosuch=x"]}, {"scopes": ["read:users!user="]}, {"scopes": ["read:users!"]}, {"scopes": ["READ:USERS"]},
    {"scopes": [5]}, {"scopes": [None]}, {"scopes": [""]}, {"scopes": {"self": 1}}, {"scopes": ["access:servers!server=dan/"]},
    {"scopes": ["access:servers!user=dan"]}, {"scopes": ["access:servers!server"]}, {"scopes": ["read:users:name", "nosuch"]}, {"scopes": ["users:activity"]},
    {"scopes": ["access:services"]}, {"scopes": ["all"]}, {"scopes": ["read:users!user=dan", "read:users!user=dan"]}, {"scopes": ["tokens!user=dan"]},
    {"scopes": ["read:users!group=team"]}, {"scopes": ["custom:nosuch"]}, {"scopes": ["list:users"]},
    {"roles": []}, {"roles": None}, {"roles": ["user"]}, {"roles": ["admin"]}, {"roles": ["token"]}, {"roles": ["server"]}, {"roles": ["nosuch"]}, {"roles": "user"},
    {"roles": [5]}, {"roles": ["user"], "scopes": ["self"]}, {"roles": ["test"]}, {"more": 1}, {"username": "dan"},
)  # fmt: skip


def all_bodies() -> Iterator[Step]:
    for body in BODIES:
        for who in ("dan", "test"):
            yield Ask(who=who, method="POST", path="/users/dan/tokens", json=body)
    yield Ask(who="dan", method="POST", path="/users/ada/tokens", json={})
    for body in BODIES[30:48]:
        yield Ask(who="ada", method="POST", path="/users/ada/tokens", json=body)
        yield Ask(who="tokens of ann", method="POST", path="/users/ann/tokens", json=body)
        yield Ask(who="server of ann", method="POST", path="/users/ann/tokens", json=body)


SIGN_INS: tuple[Any, ...] = (
    {"username": "dan", "password": "any"}, {"username": "dan"}, {"username": "", "password": ""}, {"username": "nobody-yet", "password": "any"},
    {"username": 5, "password": 5}, {}, None, "dan", ["dan"], {"username": "ada", "password": "any"},
)  # fmt: skip


def with_credentials_in_the_body() -> Iterator[Step]:
    for auth in SIGN_INS:
        yield Ask(who=NOBODY, method="POST", path="/users/dan/tokens", json={"auth": auth})
        yield Ask(who="wrong", method="POST", path="/users/dan/tokens", json={"auth": auth})
    for body in (
        {"scopes": ["read:users!user"]},
        {"scopes": ["admin:users"]},
        {"roles": ["admin"]},
        {"note": "mine", "expires_in": 60},
        {"scopes": "text"},
    ):
        yield Ask(who=NOBODY, method="POST", path="/users/dan/tokens", json={"auth": {"username": "dan", "password": "any"}, **body})
    for path in ("/users/ann/tokens", "/users/nobody/tokens"):
        yield Ask(who=NOBODY, method="POST", path=path, json={"auth": {"username": "dan", "password": "any"}})
        yield Ask(who="ann", method="POST", path=path, json={"auth": {"username": "dan", "password": "any"}})


def others_and_the_end() -> Iterator[Step]:
    for who in ("ann", "bob", "test", "weak", "tokens of ann", "ann's lab", "nothing", "server of ann", "ada", "user admin", NOBODY, "expired"):
        for name in ("ann", "bob", "ada"):
            yield Ask(who=who, method="POST", path=f"/users/{name}/tokens", json={"note": "for somebody"})
    yield Ask(who="dan", method="POST", path="/users/dan/tokens", json={"note": "one", "scopes": ["read:users!user"]}, keep="one")
    yield Ask(who="dan", method="POST", path="/users/dan/tokens", json={"note": "two", "expires_in": 3600}, keep="two")
    for who in ("dan", "test", "ann", "ada", "tokens of ann", "weak", NOBODY):
        for name in ("dan", "ann", "nobody"):
            for which in ("{one}", "{two}"):
                yield Ask(who=who, path=f"/users/{name}/tokens/{which}")
    for which in ("a0", "a", "0", "b1", "A1", "a1x", "a-1", "1", "a99999999999999999999999", "a%31", "", "a1.0", "a 1", "aé"):
        yield Ask(who="dan", path=f"/users/dan/tokens/{which}")
        yield Ask(who="dan", method="DELETE", path=f"/users/dan/tokens/{which}")
    for who in ("ann", "weak", NOBODY, "tokens of ann"):
        yield Ask(who=who, method="DELETE", path="/users/dan/tokens/{one}")
    yield Ask(who="test", method="DELETE", path="/users/ann/tokens/{one}")
    yield Ask(who="dan", method="DELETE", path="/users/dan/tokens/{one}")
    yield Ask(who="dan", path="/users/dan/tokens/{one}")
    yield Ask(who="dan", method="DELETE", path="/users/dan/tokens/{one}")
    yield Ask(who="test", method="DELETE", path="/users/dan/tokens/{two}")


AREAS = (all_bodies, with_credentials_in_the_body, others_and_the_end)
