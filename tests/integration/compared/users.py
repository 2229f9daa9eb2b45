"""Users: lists of them, one of them, and their coming and going."""

from collections.abc import Iterator
from typing import Any

from tests.integration.compared.talk import NOBODY, Ask, Step, quietly

PAGED = {"accept": "application/jupyterhub-pagination+json"}
QUERIES = (
    "state=active", "state=ready", "state=inactive", "state=", "state=other", "state=ACTIVE", "state=active&state=inactive",
    "sort=id", "sort=-id", "sort=name", "sort=-name", "sort=", "sort=-", "sort=other", "sort=--id", "sort=created", "sort=+id",
    "name_filter=a", "name_filter=A", "name_filter=an", "name_filter=", "name_filter=%25", "name_filter=_", "name_filter=%C3%A9", "name_filter=nobody",
    "name_filter=a&sort=-name", "name_filter=a&limit=1", "name_filter=a&limit=1&offset=1",
    "include_stopped_servers=1", "include_stopped_servers=0", "include_stopped_servers", "include_stopped_servers=false", "include_stopped_servers=true",
    "offset=0", "offset=1", "offset=4", "offset=5", "offset=99", "offset=-1", "offset=x", "offset=1.5", "offset=", "offset=%201", "offset=1e3", "offset=1_0",
    "limit=1", "limit=2", "limit=5", "limit=200", "limit=201", "limit=100000", "limit=0", "limit=-1", "limit=x", "limit=", "limit=2.0",
    "limit=2&offset=2", "limit=2&offset=4", "limit=1&limit=3", f"limit={'9' * 30}", f"offset={'9' * 30}", f"offset={2**63}", f"limit={2**63}",
    "state=inactive&limit=2", "state=active&limit=1", "state=ready&limit=1", "state=inactive&sort=-name&limit=2&offset=1", "unknown=1",
)  # fmt: skip


def lists_of_people() -> Iterator[Step]:
    for query in QUERIES:
        yield Ask(who="test", path=f"/users?{query}")
        yield Ask(who="test", path=f"/users?{query}", headers=PAGED)
    for query in ("limit=1", "offset=1", "sort=-name", "name_filter=c", "state=inactive", "state=active", "limit=1&offset=1"):
        for who in ("groupie", "team lister", "team servers", "lister", "reader", "ann", NOBODY):
            yield Ask(who=who, path=f"/users?{query}")
            yield Ask(who=who, path=f"/users?{query}", headers=PAGED)
    for accept in (
        "application/jupyterhub-pagination+json, application/json", "APPLICATION/JUPYTERHUB-PAGINATION+JSON", "application/jupyterhub-pagination+json;q=1",
        "text/html, application/jupyterhub-pagination+json",
    ):  # fmt: skip
        yield Ask(who="test", path="/users?limit=2", headers={"accept": accept})
        yield Ask(who="test", path="/groups?limit=1", headers={"accept": accept})


NAMES = (
    "eve", "a.b", "a_b", "a-b", "two%20words", "a%40b", "%C3%A9t%C3%A9", "x%2Fy", "x" * 255, "%F0%9F%A6%86", "0", "%2E%2E", "a%3Ab",
)  # fmt: skip
DISPUTED_NAMES = ("Eve2", "x" * 300, "a%00b", "%20ann", "ann%20")
"""Refused by one and taken by the other, or taken as another name: what there is afterwards is not asked."""
CHANGES: tuple[Any, ...] = (
    {"admin": True}, {"admin": False}, {"admin": "yes"}, {"admin": 1}, {"admin": None}, {"name": "ann"}, {"name": "Ann"}, {"name": ""}, {"name": 5}, {"name": None},
    {"name": "eva"}, {"name": "Eva"}, {"name": "with space"}, {"name": "x/y"}, {"name": "eva", "admin": True}, {"groups": "team"}, {"nothing": 1},
    {"servers": {}}, {"kind": "user"}, {}, {"name": "eve", "nothing": 1},
)  # fmt: skip

STATES: tuple[Any, ...] = (
    {"auth_state": None},
    {"auth_state": {}},
    {"auth_state": {"a": 1}},
    {"auth_state": "text"},
    {"auth_state": [1]},
    {"auth_state": 5},
)


def one_person() -> Iterator[Step]:
    for name in NAMES:
        yield Ask(who="test", method="POST", path=f"/users/{name}")
        yield Ask(who="test", path=f"/users/{name}")
        yield Ask(who="test", method="POST", path=f"/users/{name}")
        yield Ask(who="test", method="DELETE", path=f"/users/{name}")
        yield quietly("DELETE", f"/users/{name.lower()}")
        yield Ask(who="test", method="DELETE", path=f"/users/{name}")
    for name in DISPUTED_NAMES:
        yield Ask(who="test", method="POST", path=f"/users/{name}")
        yield quietly("DELETE", f"/users/{name}")
        yield quietly("DELETE", f"/users/{name.lower()}")
    for who in ("test", "ada", "user admin", "cookie of ada", "ann"):
        yield Ask(who=who, method="POST", path="/users/eve", json={"more": 1})
        yield quietly("DELETE", "/users/eve")
        for body in ({"admin": True}, {"admin": False}, {"admin": "yes"}, {"name": "other"}):
            yield Ask(who=who, method="POST", path="/users/eve", json=body)
            yield Ask(who="test", path="/users/eve")
            yield quietly("DELETE", "/users/eve")
    for name in ("", "/"):
        yield Ask(who="test", method="POST", path=f"/users{name}/", json={"usernames": ["eve"]})
    yield quietly("DELETE", "/users/eve")


def changes_of_a_person() -> Iterator[Step]:
    for who in ("ada", "test", "user admin", "ann", "weak", NOBODY):
        for body in CHANGES if who in {"ada", "test"} else CHANGES[:10]:
            yield quietly("POST", "/users/eve")
            yield Ask(who=who, method="PATCH", path="/users/eve", json=body)
            yield Ask(who="test", path="/users?name_filter=ev")
            for name in ("eve", "with space" if body == {"name": "with space"} else "eva"):
                yield quietly("DELETE", f"/users/{name}")
        for body in ({"groups": ["team"]}, {"groups": ["nobody"]}, {"roles": ["admin"]}, {"roles": ["nobody"]}, {"roles": []}, *STATES):
            yield quietly("POST", "/users/eve")
            yield Ask(who=who, method="PATCH", path="/users/eve", json=body)
            if body in STATES:
                yield Ask(who="test", path="/users/eve")
                yield Ask(who="user admin", path="/users?name_filter=eve")
                yield Ask(who="reader", path="/users/eve")
            yield quietly("DELETE", "/users/eve")
    yield quietly("POST", "/users/eve")
    yield Ask(who="ada", method="PATCH", path="/users/eve", json={"name": "eva"})
    yield Ask(who="test", path="/users/eve")
    yield Ask(who="test", path="/users/eva")
    yield quietly("DELETE", "/users/eva")


def leaving() -> Iterator[Step]:
    yield quietly("POST", "/users/eve")
    for who in ("ann", "weak", "ann, reading", "lister", "groupie", "cookie of ann", "names", NOBODY, "wrong"):
        yield Ask(who=who, method="DELETE", path="/users/eve")
    yield Ask(who="ada", method="DELETE", path="/users/ada")
    yield Ask(who="user admin", method="DELETE", path="/users/ada")
    yield Ask(who="ada", method="DELETE", path="/users/eve")
    yield Ask(who="test", path="/users/eve")
    yield quietly("POST", "/users/eve")
    yield quietly("POST", "/users/eve/server")
    yield Ask(who="test", method="DELETE", path="/users/eve")
    yield Ask(who="test", path="/users/eve")


BODIES: tuple[Any, ...] = (
    {}, {"usernames": []}, {"usernames": "gil"}, {"usernames": None}, {"usernames": [5]}, {"usernames": [None]}, {"usernames": [""]}, {"usernames": {"gil": 1}},
    {"usernames": ["gil"], "admin": "yes"}, {"usernames": ["gil"], "more": 1}, {"admin": True}, {"usernames": ["a/b", "gil"]}, {"usernames": ["x" * 300]},
    {"usernames": ["gil", "gil"]}, {"usernames": ["gil", "Gil"]}, {"usernames": ["Gil"]}, {"usernames": [" gil "]}, {"usernames": ["gil", "Hal", "ann"]},
    {"usernames": ["ann", "bob"]}, {"usernames": ["hal"], "admin": True}, {"usernames": ["hal"], "admin": None}, {"usernames": ["gil"], "name": "hal"},
)  # fmt: skip


def many_people() -> Iterator[Step]:
    for body in BODIES:
        yield Ask(who="test", method="POST", path="/users", json=body)
        for name in ("gil", "hal", *("gil" if body == {"usernames": "gil"} else ""), *(["x" * 300] if "xxx" in str(body) else [])):
            yield quietly("DELETE", f"/users/{name}")
    for who in ("ada", "cookie of ada", "user admin", "ann", "weak", "lister", "team lister", NOBODY):
        for admin in (True, False):
            yield Ask(who=who, method="POST", path="/users", json={"usernames": ["ida", "jon"], "admin": admin})
            for name in ("ida", "jon"):
                yield quietly("DELETE", f"/users/{name}")
    yield Ask(who="test", path="/users")


def by_activity() -> Iterator[Step]:
    for number, name in enumerate(("zoe1", "zoe2", "zoe3", "zoe4")):
        yield quietly("POST", f"/users/{name}")
        if number < 3:
            yield quietly("POST", f"/users/{name}/activity", {"last_activity": f"2020-01-0{5 - number}T00:00:00Z"})
    for sort in ("last_activity", "-last_activity", "name", "-name", "id", "-id"):
        for more in ("", "&limit=2", "&limit=2&offset=2", "&state=inactive"):
            yield Ask(who="test", path=f"/users?name_filter=zoe&sort={sort}{more}")
            yield Ask(who="test", path=f"/users?name_filter=zoe&sort={sort}{more}", headers=PAGED)
    for number in range(1, 5):
        yield quietly("DELETE", f"/users/zoe{number}")


def a_name_that_stays() -> Iterator[Step]:
    """Comes last of all: JupyterHub forgets the name."""
    yield quietly("POST", "/users/eve")
    yield Ask(who="test", method="PATCH", path="/users/eve", json={"name": "eve"})


AREAS = (lists_of_people, one_person, changes_of_a_person, leaving, many_people, by_activity)
