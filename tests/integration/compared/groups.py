"""Groups, their members and their properties; services as they are seen."""

from collections.abc import Iterator
from typing import Any

from tests.integration.compared.talk import NOBODY, Ask, Step, quietly

PAGED = {"accept": "application/jupyterhub-pagination+json"}


def lists_of_groups() -> Iterator[Step]:
    for query in (
        "limit=1",
        "offset=1",
        "limit=1&offset=1",
        "limit=0",
        "limit=-1",
        "limit=x",
        "offset=x",
        "offset=9",
        "limit=1000",
        f"limit={'9' * 30}",
        "x=1",
    ):
        for headers in ({}, PAGED):
            yield Ask(who="test", path=f"/groups?{query}", headers=headers)
            yield Ask(who="groupie", path=f"/groups?{query}", headers=headers)
    for query in ("limit=1", "offset=1", "x=1"):
        yield Ask(who="test", path=f"/services?{query}")
        yield Ask(who="test", path=f"/services?{query}", headers=PAGED)


NAMES = ("new", "New", "with%20space", "%C3%A9t%C3%A9", "%F0%9F%A6%86", "x" * 255, "a%40b", "0", "a%00b", "a%0Ab", "%2E%2E")
DISPUTED_NAMES = ("a%2Fb", "x" * 256, "%20")
ONE: tuple[Any, ...] = (
    {"users": ["bob"]}, {"users": []}, {"users": None}, {"users": "bob"}, {"users": ["nobody"]}, {"users": ["bob", "bob"]}, {"users": [5]}, {"name": "new"},
    {"name": "other"}, {"roles": []}, {"roles": ["user"]}, {"roles": ["admin"]}, {"properties": {"a": 1}}, {"more": 1}, {"users": ["ada", "ann"], "name": "new"},
    {"users": ["Bob"]}, {"name": 5}, {"name": None}, {"kind": "group"}, {"properties": 5},
)  # fmt: skip
MANY: tuple[Any, ...] = (
    {}, {"groups": []}, {"groups": "one"}, {"groups": None}, {"groups": [5]}, {"groups": ["one"]}, {"groups": ["one", "two"]},
    {"groups": ["two", "team"]}, {"groups": ["one", "one"]}, {"groups": ["one"], "users": ["bob"]}, {"groups": ["one"], "users": ["nobody"]},
    {"groups": ["one"], "users": "bob"}, {"groups": ["one"], "more": 1}, {"groups": ["team"]}, {"groups": ["x" * 300]},
)  # fmt: skip


def coming_and_going() -> Iterator[Step]:
    for name in NAMES:
        yield Ask(who="test", method="POST", path=f"/groups/{name}")
        yield Ask(who="test", path=f"/groups/{name}")
        yield Ask(who="test", method="POST", path=f"/groups/{name}")
        yield Ask(who="test", method="DELETE", path=f"/groups/{name}")
        yield Ask(who="test", method="DELETE", path=f"/groups/{name}")
    for name in DISPUTED_NAMES:
        yield Ask(who="test", method="POST", path=f"/groups/{name}")
        yield quietly("DELETE", f"/groups/{name}")
    for body in ONE:
        yield Ask(who="test", method="POST", path="/groups/new", json=body)
        for name in ("new", "other"):
            yield quietly("DELETE", f"/groups/{name}")
    for body in MANY:
        yield Ask(who="test", method="POST", path="/groups", json=body)
        for name in ("one", "two", *("one5" if body in ({"groups": "one"}, {"groups": [5]}) else ""), *(["x" * 300] if "xxx" in str(body) else [])):
            yield quietly("DELETE", f"/groups/{name}")
    yield Ask(who="test", path="/groups")
    for who in ("ada", "ann", "weak", "groups of team", "group admin", "groupie", "cookie of ada", NOBODY):
        yield Ask(who=who, method="POST", path="/groups/new")
        yield Ask(who=who, method="DELETE", path="/groups/new")
        yield Ask(who=who, method="POST", path="/groups", json={"groups": ["nine"]})
        yield Ask(who=who, method="DELETE", path="/groups/nine")


MEMBERS: tuple[Any, ...] = (
    {"users": []}, {"users": None}, {"users": "ann"}, {"users": ["nobody"]}, {"users": ["ann", "nobody"]}, {"users": [5]}, {"users": [None]},
    {"users": ["ann", "ann"]}, {"users": ["ann"]}, {"users": ["ann"]}, {"users": ["Ann"]}, {"users": ["ann"], "more": 1}, {"more": 1}, {"users": {"ann": 1}},
)  # fmt: skip


def members() -> Iterator[Step]:
    for method in ("POST", "DELETE"):
        for body in MEMBERS:
            yield Ask(who="test", method=method, path="/groups/empty/users", json=body)
        yield Ask(who="test", path="/groups/empty")
        for who in ("ann", "weak", "groups of team", "group admin", "groupie", "user admin", NOBODY):
            for group in ("team", "empty", "nobody"):
                yield Ask(who=who, method=method, path=f"/groups/{group}/users", json={"users": ["dan"]})
    yield Ask(who="test", path="/groups/team")
    yield Ask(who="test", path="/users/dan")


PROPERTIES: tuple[Any, ...] = (
    {"a": 1}, {"a": {"b": [1, None, "é"]}}, {"": ""}, {}, {"long": "x" * 3000}, {"a": 1.5, "b": True}, {"name": "other"}, {"cpu_limit": 1, "mem_limit": "1G"},
)  # fmt: skip


def properties() -> Iterator[Step]:
    for body in PROPERTIES:
        yield Ask(who="test", method="PUT", path="/groups/empty/properties", json=body)
        yield Ask(who="test", path="/groups/empty")
    yield Ask(who="test", method="PUT", path="/groups/empty/properties", raw=b'{"deep":' * 101 + b"1" + b"}" * 101)
    for who in ("ann", "weak", "groups of team", "group admin", "groupie", NOBODY):
        for group in ("team", "empty", "nobody"):
            yield Ask(who=who, method="PUT", path=f"/groups/{group}/properties", json={"by": who})
    yield Ask(who="test", method="PUT", path="/groups/empty/properties", json={})
    yield Ask(who="test", path="/groups")
    yield Ask(who="groups of team", path="/groups/team")


AREAS = (lists_of_groups, coming_and_going, members, properties)
