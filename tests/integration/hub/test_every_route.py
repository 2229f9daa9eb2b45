"""The one choke point: every route of the table refuses who may not, before it reads a body, looks anything up or does anything."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx
import pytest

from perijove.web.api.routes import ROUTES as API
from perijove.web.oauth.routes import ROUTES as OAUTH
from perijove.web.pages.routes import ROUTES as PAGES
from perijove.web.proxies import ROUTES as PROXIES
from perijove.web.router import Access
from perijove.wire.scopes import BUILT_IN
from perijove.wire.scopes.table import METASCOPES
from tests.running.browser import Person
from tests.running.perijove import Running, perijove

TOKEN = "a-token-of-the-test-service"
SETTINGS = f"""
[proxy]
listen = "PROXY"
[hub]
listen = "HUB"
[authenticator]
use = "dummy"
[access]
allow_all = true
[spawner]
use = "perijove.testing.null_spawner:NullSpawner"
[limits]
named_servers = true
[[services]]
name = "test"
api_token = "{TOKEN}"
admin = true
[[services]]
name = "bare"
api_token = "a-token-of-a-service-without-roles"
"""
HERE = {
    "name": "una", "server": "lab", "group": "team", "service": "bare", "owner": "una", "token_id": "a1", "session_id": "1", "secret": "x",
    "path": "style.css", "rest": "una/",
}  # fmt: skip
NOWHERE = {**dict.fromkeys(HERE, "nowhere"), "token_id": "a999999"}
ANYBODYS = {
    ("GET", "/api"): "the version",
    ("GET", "/api/user"): "who one is",
    ("GET", "/api/perijove/explain-access"): "why oneself may not",
}
"""What whoever has a token may ask, whatever its scopes."""
OPEN = {
    ("GET", "/api"), ("GET", "/api/health"), ("GET", "/health"), ("GET", "/"), ("GET", "/static/{path}"),
    ("POST", "/api/authorizations/token"),  # 404 to everybody
    ("POST", "/api/oauth2/token"),  # clients say who they are in the body
    ("POST", "/api/users/{name}/tokens"),  # credentials may be in the body
    ("GET", "/perijove/ready"), ("GET", "/metrics"), ("GET", "/api/metrics"),  # there is a setting that opens them
    ("POST", "/api/security/csp-report"), ("GET", "/api/openapi.json"), ("GET", "/api-docs"),
}  # fmt: skip
NEED = [route for route in (*API, *PAGES) if route.path.startswith("/api") and (route.method, route.path) not in ANYBODYS]
NEED = [route for route in NEED if route.access is Access.API or route.scopes]


@dataclass
class Asker:
    """Asks one hub."""

    http: httpx.Client
    tokens: dict[str, str]

    def ask(self, method: str, path: str, values: dict[str, str], token: str = "", **more: Any) -> httpx.Response:
        for name, value in values.items():
            path = path.replace(f"{{{name}}}", value).replace(f"{{{name}:path}}", value)
        headers = {"authorization": f"token {token}"} if token else {}
        return self.http.request(method, "/hub" + path, headers=headers | more.pop("headers", {}), **more)

    def state(self) -> Any:
        """All that could have been changed."""
        found = [self.ask("GET", path, HERE, TOKEN) for path in ("/api/users?include_stopped_servers=1", "/api/groups", "/api/services")]
        found += [self.ask("GET", path, HERE, TOKEN) for path in ("/api/users/una/tokens", "/api/shares/una/lab", "/api/share-codes/una/lab")]
        assert all(answer.status_code == 200 for answer in found), [answer.text for answer in found]
        return [_without_times(answer.json()) for answer in found]


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_times(each) for name, each in value.items() if name != "last_activity"}
    return [_without_times(each) for each in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def hub() -> Iterator[Running]:
    with perijove(SETTINGS, command="hub") as found:
        yield found


@pytest.fixture(scope="module")
def asker(hub: Running) -> Iterator[Asker]:
    with httpx.Client(base_url=hub.hub_url, timeout=30) as http:
        found = Asker(http, {})
        for name in ("ada", "una"):
            assert found.ask("POST", f"/api/users/{name}", HERE, TOKEN, json={"admin": name == "ada"}).status_code == 201
        assert found.ask("PUT", "/api/users/una/servers/lab", HERE, TOKEN).status_code == 201
        assert found.ask("POST", "/api/groups/team", HERE, TOKEN, json={"users": ["una"]}).status_code == 201
        for who in ("una", "ada"):
            made = found.ask("POST", f"/api/users/{who}/tokens", HERE, TOKEN, json={"scopes": []})
            assert made.status_code == 201, made.text
            found.tokens[who] = made.json()["token"]
        yield found


def empty_handed(asker: Asker, route: Any) -> list[str]:
    """Tokens that allow nothing of this; una's tells una's name."""
    own = [asker.tokens["una"]] if (route.method, route.path) != ("GET", "/api/users/{name}") else []
    return [*own, asker.tokens["ada"], "a-token-of-a-service-without-roles"]


@pytest.mark.parametrize("route", NEED, ids=lambda route: f"{route.method} {route.path}")
def test_a_route_of_the_api_refuses_before_it_does_anything(asker: Asker, route: Any) -> None:
    before = asker.state()
    for body in ({}, {"content": b"{no json"}):
        for values in (HERE, NOWHERE):
            for token in ("", "a-token-nobody-has"):
                if body and route.access is Access.OPEN:
                    continue  # its body is read, for credentials may be there
                answer = asker.ask(route.method, route.path, values, token, **body)
                assert (answer.status_code, "credentials" in answer.text) == (403, True), f"{answer.status_code} {answer.text}"
            for token in empty_handed(asker, route):
                answer = asker.ask(route.method, route.path, values, token, **body)
                assert answer.status_code in {403, 404}, f"{answer.status_code} {answer.text}"
    assert asker.state() == before


@pytest.mark.parametrize("route", NEED, ids=lambda route: f"{route.method} {route.path}")
def test_a_refusal_does_not_tell_whether_there_is_such_a_thing(asker: Asker, route: Any) -> None:
    for token in empty_handed(asker, route):
        there, nowhere = (asker.ask(route.method, route.path, values, token) for values in (HERE, NOWHERE))
        assert there.status_code == nowhere.status_code
        assert there.json()["message"] == nowhere.json()["message"].replace("nowhere", "una")


@pytest.mark.parametrize("needed", sorted({route.scopes for route in NEED if route.scopes}), ids=" ".join)
def test_every_other_scope_together_is_not_enough(asker: Asker, needed: tuple[str, ...]) -> None:
    others = [name for name in BUILT_IN.definitions if name not in {*METASCOPES, "(no_scope)"} and BUILT_IN.subscopes(name).isdisjoint(needed)]
    made = asker.ask("POST", "/api/users/ada/tokens", HERE, TOKEN, json={"scopes": others})
    assert made.status_code == 201, made.text
    for route in NEED:
        if route.scopes == needed:
            answer = asker.ask(route.method, route.path, HERE, made.json()["token"], content=b"{no json")
            assert answer.status_code in {403, 404}, f"{route.method} {route.path}: {answer.status_code} {answer.text}"


def test_open_routes_are_these_and_no_others() -> None:
    assert {(route.method, route.path) for route in (*API, *OAUTH, *PAGES, *PROXIES) if route.access is Access.OPEN} <= OPEN


@pytest.mark.parametrize(
    "route", [route for route in PAGES if route.access in {Access.PAGE, Access.READ}], ids=lambda route: f"{route.method} {route.path}"
)
def test_a_page_sends_who_is_not_signed_in_to_do_so(asker: Asker, route: Any) -> None:
    answer = asker.ask(route.method, route.path, HERE, headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers.get("location", "").partition("?")[0]) == (302, "/hub/login")


@pytest.mark.parametrize(
    "route",
    [route for route in (*PAGES, *OAUTH) if route.access in {Access.PAGE, Access.VISIT} and route.method == "POST"],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_a_form_that_is_not_ours_is_refused(hub: Running, asker: Asker, route: Any) -> None:
    person = Person(hub.hub_url)
    person.sign_in("una")
    before = asker.state()
    path = route.path
    for name, value in HERE.items():
        path = path.replace(f"{{{name}}}", value)
    for given in ({}, {"_xsrf": "wrong"}):
        answer = person.http.post(f"{hub.hub_url}/hub{path}", data=given, follow_redirects=False)
        assert answer.status_code == 403, f"{answer.status_code} {answer.text[:500]}"
    assert asker.state() == before
    person.close()


@pytest.mark.parametrize("route", [route for route in PROXIES if route.access is Access.PROXY], ids=lambda route: f"{route.method} {route.path}")
def test_only_proxies_speak_to_proxies(asker: Asker, route: Any) -> None:
    for token in ("", "wrong", TOKEN):
        assert asker.ask(route.method, route.path, HERE, token).status_code in {401, 403}
