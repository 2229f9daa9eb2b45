"""People, groups and servers with names that are hard to write, wherever their names are shown; and people whose servers run while they change."""

from collections.abc import Iterator

from tests.integration.compared.talk import Ask, Step, quietly

NAMES = (
    "two%20words",
    "a%40b.example",
    "%C3%A9t%C3%A9",
    "%F0%9F%A6%86",
    "a+b",
    "a'b",
    "a%22b",
    "a%3Fb",
    "a%25b",
    "a%23b",
    "a;b",
    "a&b=c",
    "a:b",
    "a~b",
    "(a)",
    "%3Ca%3E",
)


def people_with_hard_names() -> Iterator[Step]:
    for name in NAMES:
        yield Ask(who="test", method="POST", path=f"/users/{name}")
        yield Ask(who="test", method="PUT", path=f"/users/{name}/servers/lab")
        yield Ask(who="test", method="POST", path=f"/users/{name}/server")
        yield Ask(who="test", path=f"/users/{name}?include_stopped_servers=1")
        yield Ask(who="test", path=f"/users/{name}/server/progress")
        yield Ask(who="ada", method="POST", path=f"/users/{name}/tokens", json={"note": "hard"}, become=name)
        yield Ask(who=name, path="/user")
        yield Ask(who=name, path="/users/ann")
        yield Ask(who=name, path=f"/users/{name}/tokens")
        yield Ask(who="ada", method="POST", path=f"/users/{name}/tokens", json={"scopes": [f"read:users!user={name}"]})
        yield Ask(who="test", method="POST", path=f"/groups/{name}")
        yield Ask(who="test", path=f"/groups/{name}")
        yield Ask(who="test", path=f"/users?name_filter={name}")
        yield Ask(who="test", path="/proxy")
        yield Ask(who="test", method="DELETE", path=f"/users/{name}/server", settle=True)
        yield Ask(who="test", method="DELETE", path=f"/users/{name}")
        yield Ask(who="test", method="DELETE", path=f"/groups/{name}")


def very_long() -> Iterator[Step]:
    long = "x" * 5000
    for path in (
        f"/users/{long}",
        f"/groups/{long}",
        f"/users/ann/servers/{long}",
        f"/users/ann/tokens/{long}",
        f"/services/{long}",
        f"/users?name_filter={long}",
        f"/{long}",
    ):
        yield Ask(who="test", path=path)
    yield Ask(who="test", method="DELETE", path=f"/users/{long}")
    yield Ask(who="test", method="PATCH", path=f"/users/{long}", json={"name": "eve"})
    yield Ask(who="test", method="DELETE", path=f"/users/ann/servers/{long}")
    yield Ask(who="test", path="/users/ann", headers={"x-long": long})


def people_with_servers() -> Iterator[Step]:
    yield quietly("POST", "/users/eve")
    yield quietly("PUT", "/users/eve/servers/lab")
    yield Ask(who="test", method="PATCH", path="/users/eve", json={"name": "eva"})
    yield Ask(who="test", path="/users?name_filter=ev&include_stopped_servers=1")
    yield Ask(who="test", method="DELETE", path="/users/eva")
    yield quietly("POST", "/users/fay")
    yield quietly("POST", "/users/fay/server", {"user_options": {"stop_until": "{folder}/leave"}})
    yield Ask(who="test", method="DELETE", path="/users/fay")
    yield Ask(who="test", path="/users/fay")
    yield Ask(who="test", method="DELETE", path="/users/fay")
    yield lambda talk: (talk.folder / "leave").touch()
    yield lambda talk: talk.settle("/users/fay")
    yield quietly("DELETE", "/users/fay")
    yield Ask(who="test", path="/users/fay")


def names_that_change_under_servers() -> Iterator[Step]:
    """Comes last of all: JupyterHub does it, and goes on under the old name."""
    yield quietly("POST", "/users/gil")
    yield quietly("POST", "/users/gil/server")
    yield Ask(who="test", method="PATCH", path="/users/gil", json={"name": "hal"})


AREAS = (people_with_hard_names, very_long, people_with_servers)
