"""Servers: their names, options, states and ends, and what is told of a start."""

from collections.abc import Callable, Iterator
from typing import Any

from tests.integration.compared.talk import NOBODY, Ask, Step, Talk, quietly

STARTED = "/users/bob/server"
NAMES = (
    "one", "Two", "with%20space", "a%2Fb", "a.b", "%2E%2E", "a_b", "-", "%C3%A9t%C3%A9", "%F0%9F%A6%86", "x" * 100, "x" * 255, "x" * 256, "x" * 1000,
    "a%40b", "a:b", "0", "a%00b", "a%3Fb", "a%25b", "~a",
)  # fmt: skip
BODIES: tuple[Any, ...] = (
    ..., {}, None, {"a": 1}, {"user_options": {"a": 1}}, {"user_options": None}, {"user_options": {}}, {"user_options": "text"}, {"user_options": [1]},
    {"display_name": "A name"}, {"display_name": ""}, {"display_name": 5}, {"display_name": "x" * 300}, {"display_name": "é🦆"},
    {"display_name": "A name", "user_options": {"b": 2}},
    {"name": "other"}, {"profile": "none"}, {"display_name": "with\nlines"}, {"user_options": {"nested": {"a": [1, 2, {"b": None}]}}},
)  # fmt: skip
DISPUTED: tuple[Any, ...] = ({"display_name": None}, {"display_name": "A name", "more": 1}, {"user_options": {"a": 1}, "more": 1})
"""Refused by one and taken by the other: what there is afterwards is not asked."""
LARGE = {"user_options": {"large": "x" * 70_000}}
CHANGES: tuple[Any, ...] = (
    {"name": "play"}, {"name": "work"}, {"name": ""}, {"name": 5}, {"name": "x" * 256}, {"display_name": "Play", "name": "play"}, {"url": "/"}, {"name": "Play"},
    {"user_options": {"z": 1}, "display_name": "Z"}, {"state": {}}, {"last_activity": "2020-01-01T00:00:00Z"}, {"name": "a b"},
)  # fmt: skip


def _appear(name: str) -> Callable[[Talk], None]:
    """Let those go on who wait for this file."""

    def appear(talk: Talk) -> None:
        (talk.folder / name).touch()

    return appear


def _settle(name: str) -> Callable[[Talk], None]:
    return lambda talk: talk.settle(f"/users/{name}")


def default_server() -> Iterator[Step]:
    yield Ask(who="bob", path=STARTED)
    yield Ask(who="bob", method="DELETE", path=STARTED)
    yield Ask(who="bob", method="POST", path=STARTED)
    yield Ask(who="bob", method="POST", path=STARTED)
    for who in ("bob", "test", "team servers", "ann", "names", NOBODY):
        yield Ask(who=who, path=STARTED)
        yield Ask(who=who, path="/users/bob")
        yield Ask(who=who, path="/users?state=ready")
    yield Ask(who="bob", path="/users/bob/server/progress")
    yield Ask(who="bob", method="PUT", path=STARTED)
    yield Ask(who="bob", method="PATCH", path=STARTED, json={"display_name": "Mine"})
    yield Ask(who="bob", method="DELETE", path=STARTED, json={"remove": True})
    yield Ask(who="bob", method="DELETE", path=STARTED, settle=True)
    yield Ask(who="bob", path=STARTED)
    yield Ask(who="bob", path="/users/bob?include_stopped_servers=1")
    yield Ask(who="bob", path="/users/bob")
    yield Ask(who="bob", path="/users/bob/server/progress")
    yield Ask(who="bob", method="DELETE", path=STARTED)
    yield Ask(who="bob", method="PUT", path=STARTED)
    yield Ask(who="bob", method="PATCH", path=STARTED, json={"display_name": "Mine"})
    yield Ask(who="bob", method="PATCH", path=STARTED, json={"user_options": {"a": 1}})
    yield Ask(who="bob", path=STARTED)
    yield Ask(who="bob", method="DELETE", path=STARTED, json={"remove": True})


def names_of_servers() -> Iterator[Step]:
    for name in NAMES:
        path = f"/users/cat/servers/{name}"
        for method in ("PUT", "POST"):
            yield Ask(who="cat", method=method, path=path, settle=True)
            yield Ask(who="cat", path=path)
            yield quietly("DELETE", path, {"remove": True})
        yield Ask(who="cat", method="DELETE", path=path)


def bodies() -> Iterator[Step]:
    path = "/users/cat/servers/work"
    for body in BODIES:
        for method in ("PUT", "POST"):
            yield Ask(who="cat", method=method, path=path, json=body, settle=True)
            yield Ask(who="cat", path=path)
            yield quietly("DELETE", path, {"remove": True})
    for body in DISPUTED:
        for method in ("PUT", "POST"):
            yield Ask(who="cat", method=method, path=path, json=body, settle=True)
            yield quietly("DELETE", path, {"remove": True})


def changes() -> Iterator[Step]:
    path = "/users/cat/servers/work"
    for body in (*BODIES, *CHANGES, *DISPUTED):
        yield quietly("PUT", path, {"display_name": "Work", "user_options": {"old": 1}})
        yield Ask(who="cat", method="PATCH", path=path, json=body)
        if body not in DISPUTED and not (isinstance(body, dict) and str(body.get("display_name", "Work"))[:5] in ("", "xxxxx", "with\n")):
            yield Ask(who="cat", path="/users/cat?include_stopped_servers=1")
        for name in ("work", "play", "other"):
            yield quietly("DELETE", f"/users/cat/servers/{name}", {"remove": True})
    yield quietly("PUT", path, {})
    yield Ask(who="cat", method="PATCH", path=path, json=LARGE)
    yield quietly("DELETE", path, {"remove": True})
    for body in list[Any](({"display_name": "Mine"}, {"user_options": {"a": 1}}, {}, {"name": "other"})):
        yield Ask(who="dan", method="PATCH", path="/users/dan/server", json=body)
        yield Ask(who="dan", method="PATCH", path="/users/dan/servers/nothing", json=body)
    yield Ask(who="dan", path="/users/dan?include_stopped_servers=1")
    yield quietly("DELETE", "/users/dan/servers/other", {"remove": True})


def removing() -> Iterator[Step]:
    path = "/users/cat/servers/work"
    for remove in list[Any](("yes", 1, 0, None, [], False, True)):
        for more in ({}, {"more": 1}):
            yield quietly("PUT", path)
            yield Ask(who="cat", method="DELETE", path=path, json={"remove": remove, **more}, settle=True)
            yield quietly("DELETE", path, {"remove": True})
    yield Ask(who="cat", method="DELETE", path=path, json={"remove": True})


def options_of_the_last_start() -> Iterator[Step]:
    path = "/users/cat/servers/work"
    for body in list[Any](
        ({"user_options": {"a": 1}}, ..., {}, {"b": 2}, None, {"user_options": {}}, {"user_options": None}, {"display_name": "Work"})
    ):
        yield Ask(who="cat", method="POST", path=path, json=body)
        yield Ask(who="cat", path=path)
        yield Ask(who="cat", method="DELETE", path=path, settle=True)
        yield Ask(who="cat", path=path)
    yield quietly("DELETE", path, {"remove": True})


def under_way() -> Iterator[Step]:
    path = "/users/cat/servers/slow"
    yield Ask(who="cat", method="POST", path=path, json={"user_options": {"until": "{folder}/start", "stop_until": "{folder}/stop"}})
    for who in ("cat", "test", "ann"):
        yield Ask(who=who, path=path)
        yield Ask(who=who, path="/users/cat")
    yield Ask(who="test", path="/users?state=active")
    yield Ask(who="test", path="/users?state=ready")
    yield Ask(who="test", path="/users?state=inactive")
    yield Ask(who="cat", method="POST", path=path)
    yield Ask(who="cat", method="PUT", path=path)
    yield Ask(who="cat", method="PATCH", path=path, json={"display_name": "Slow"})
    yield Ask(who="cat", method="PATCH", path=path, json={"name": "fast"})
    yield _appear("start")
    yield _settle("cat")
    yield Ask(who="cat", path=path)
    yield Ask(who="cat", path=f"{path}/progress")
    yield Ask(who="cat", method="DELETE", path=path)
    yield Ask(who="cat", path=path)
    yield Ask(who="cat", path="/users/cat")
    yield Ask(who="cat", path=f"{path}/progress")
    yield Ask(who="test", path="/users?state=active")
    yield Ask(who="test", path="/users?state=ready")
    yield Ask(who="cat", method="PUT", path=path)
    yield Ask(who="cat", method="PATCH", path=path, json={"display_name": "Slow"})
    yield Ask(who="cat", method="DELETE", path=path)
    yield Ask(who="cat", method="POST", path=path)
    yield _appear("stop")
    yield _settle("cat")
    yield Ask(who="cat", method="DELETE", path=path, json={"remove": True}, settle=True)
    yield Ask(who="cat", path=path)


def followed() -> Iterator[Step]:
    """The events of a start, from its beginning to its end."""
    for name, more in (("good", {}), ("worse", {"fail": True})):
        path = f"/users/cat/servers/{name}"
        yield Ask(who="cat", method="POST", path=path, json={"user_options": {"until": f"{{folder}}/{name}", **more}})
        yield Ask(who="ann", path=f"{path}/progress")
        yield Ask(who="test" if more else "cat", path=f"{path}/progress", release=name)
        yield Ask(who="cat", path=f"{path}/progress", settle=True)
        yield quietly("DELETE", path, {"remove": True})


def failing() -> Iterator[Step]:
    path = "/users/cat/servers/bad"
    yield Ask(who="cat", method="POST", path=path, json={"user_options": {"fail": True}}, settle=True)
    yield Ask(who="cat", path=path)
    yield Ask(who="cat", path="/users/cat")
    yield Ask(who="cat", path=f"{path}/progress")
    yield Ask(who="cat", method="DELETE", path=path)
    yield Ask(who="cat", method="POST", path=path, json={"user_options": {}}, settle=True)
    yield Ask(who="cat", path=path)
    yield Ask(who="cat", method="DELETE", path=path, json={"remove": True}, settle=True)


def others() -> Iterator[Step]:
    for who in (
        "ann",
        "ann's lab",
        "server of ann",
        "ann, reading",
        "server admin",
        "weak",
        "team servers",
        "names",
        "ada",
        NOBODY,
        "wrong",
        "cookie of ann",
    ):
        for name in ("bob", "nobody"):
            for server in ("server", "servers/new"):
                for method, body in (("PUT", {}), ("POST", {}), ("PATCH", {"display_name": "x"}), ("DELETE", {})):
                    yield Ask(who=who, method=method, path=f"/users/{name}/{server}", json=body, settle=name == "bob")
        yield Ask(who=who, method="DELETE", path="/users/bob/servers/new", json={"remove": True}, settle=True)
    for who in ("ann's lab", "server of ann"):
        yield Ask(who=who, path="/users/ann/servers/lab")
        yield Ask(who=who, path="/users/ann/servers/lab/progress")
        yield Ask(who=who, method="PUT", path="/users/ann/servers/other")
        yield Ask(who=who, method="POST", path="/users/ann/server")


AREAS = (default_server, names_of_servers, bodies, changes, removing, options_of_the_last_start, under_way, followed, failing, others)
