"""The route table: literal before parameter, encoded slashes stay inside their segment."""

import pytest

from perijove.web.router import Access, Route, Router


async def _nothing(_call: object) -> None: ...


def route(method: str, path: str) -> Route[object, None]:
    return Route(method=method, path=path, handler=_nothing, access=Access.OPEN)


ROUTER = Router(
    [
        route("GET", "/api/users"),
        route("POST", "/api/users"),
        route("GET", "/api/users/{name}"),
        route("GET", "/api/users/{name}/server"),
        route("GET", "/api/users/{name}/servers/{server}"),
        route("GET", "/api/users/me/special"),
        route("GET", "/user/{rest:path}"),
        route("GET", "/api/shares/{name}"),
        route("GET", "/api/shares/{name}/"),
        route("POST", "/api/shares/{name}/"),
        route("GET", "/api/shares/{name}/{server}"),
    ]
)


@pytest.mark.parametrize(
    ("path", "found", "params"),
    [
        ("/api/users", "/api/users", {}),
        ("/api/users/", "/api/users", {}),
        ("/api/users/alice", "/api/users/{name}", {"name": "alice"}),
        ("/api/users/a%2Fb%20c", "/api/users/{name}", {"name": "a/b c"}),
        ("/api/users/alice/servers/lab", "/api/users/{name}/servers/{server}", {"name": "alice", "server": "lab"}),
        ("/api/users/me/special", "/api/users/me/special", {}),
        ("/api/users/me/server", "/api/users/{name}/server", {"name": "me"}),
        ("/user/alice/lab/tree/a%2Fb", "/user/{rest:path}", {"rest": "alice/lab/tree/a%2Fb"}),
        ("/user", "/user/{rest:path}", {"rest": ""}),
        ("/api/shares/alice", "/api/shares/{name}", {"name": "alice"}),
        ("/api/shares/alice/", "/api/shares/{name}/", {"name": "alice"}),
        ("/api/shares/alice/lab", "/api/shares/{name}/{server}", {"name": "alice", "server": "lab"}),
        ("/api/shares/alice/lab/", "/api/shares/{name}/{server}", {"name": "alice", "server": "lab"}),
    ],
)
def test_a_path_finds_its_route(path: str, found: str, params: dict[str, str]) -> None:
    match = ROUTER.match("GET", path)
    assert match.route is not None
    assert (match.route.path, dict(match.params)) == (found, params)


def test_head_is_answered_where_get_is() -> None:
    assert ROUTER.match("HEAD", "/api/users").route is not None


def test_a_method_that_is_not_there_is_told_from_a_path_that_is_not_there() -> None:
    assert set(ROUTER.match("DELETE", "/api/users").allowed) == {"GET", "POST"}
    assert ROUTER.match("POST", "/api/shares/alice").allowed == ("GET",)
    assert ROUTER.match("POST", "/api/shares/alice/").route is not None
    nothing = ROUTER.match("GET", "/api/nothing")
    assert nothing.route is None
    assert not nothing.allowed


def test_an_empty_segment_is_no_parameter() -> None:
    assert ROUTER.match("GET", "/api/users//server").route is None


def test_two_routes_of_one_address_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="two routes"):
        Router([route("GET", "/a"), route("GET", "/a")])
