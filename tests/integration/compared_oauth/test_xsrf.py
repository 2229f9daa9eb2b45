"""Is a request with a browser's cookie meant? What pages, scripts and programs send, at JupyterHub's and at ours."""

from collections.abc import Iterator
from itertools import product

import httpx2 as httpx
import pytest

from tests.integration.compared_oauth.walking import Walker

MODES = ["", "navigate", "cors", "no-cors", "same-origin"]
SITES = ["", "same-origin", "same-site", "cross-site", "none"]
PLACES = ["", "X-XSRFToken", "X-CSRFToken", "query", "wrong"]
ORIGINS = ["", "own", "foreign", "null"]
ASKED = [("GET", "/hub/api/user"), ("DELETE", "/hub/api/users/ann/tokens/a999999"), ("GET", "/hub/token")]
Case = tuple[str, str, str, str, str]
"""Method, Sec-Fetch-Mode, Sec-Fetch-Site, where the token is, Origin."""


def cases() -> Iterator[tuple[str, str, Case]]:
    for (method, path), mode, site, place, origin in product(ASKED, MODES, SITES, PLACES, ORIGINS):
        if not (site and origin):
            yield method, path, (method, mode, site, place, origin)


def ask(at: Walker, http: httpx.Client, token: str, path: str, case: Case) -> str:
    method, mode, site, place, origin = case
    fetch = {"sec-fetch-mode": mode, "sec-fetch-site": site}
    headers = {"accept": "*/*", **{name: value for name, value in fetch.items() if value}}
    if origin:
        headers["origin"] = {"own": at.url, "foreign": "https://evil.example", "null": "null"}[origin]
    if place.startswith("X-"):
        headers[place] = token
    query = {"query": f"?_xsrf={token}", "wrong": "?_xsrf=wrong"}.get(place, "")
    answer = http.request(method, at.url + path + query, headers=headers)
    return "refused" if answer.status_code == 403 else "let through"


def why_stricter(path: str, case: Case) -> str:
    """Why ours refuses what theirs lets through; empty: it does not."""
    method, mode, site, place, origin = case
    changes = method != "GET"
    if changes and (site in {"same-site", "cross-site"} or origin in {"foreign", "null"}):
        return "what another site caused changes nothing, whatever it knows"
    if path == "/hub/token" and mode in {"cors", "no-cors", "same-origin"} and place in {"", "wrong"}:
        return "pages hold the token; a script of somebody's server that has the hub's origin could read it there"
    if not changes and mode == "no-cors" and site == "same-origin" and place in {"", "wrong"}:
        return "people's servers may have the hub's origin, and could time or embed what they cannot read"
    return ""


def test_a_request_is_let_through_where_it_is_at_jupyterhub(walkers: tuple[Walker, Walker]) -> None:
    found: list[dict[tuple[str, Case], str]] = []
    for at in walkers:
        ann = at.browser("ann")
        ann.get("/hub/token")
        token = ann.http.cookies.get("_xsrf", path="/hub/")
        assert token
        found.append({(path, case): ask(at, ann.http, token, path, case) for _, path, case in cases()})
    theirs, ours = found
    for asked, answer in ours.items():
        expected = "refused" if why_stricter(*asked) else theirs[asked]
        assert answer == expected, f"{asked}: {answer}, JupyterHub: {theirs[asked]}"
    assert any(theirs[asked] == "let through" for asked in ours if why_stricter(*asked)), "the differences are gone: take them from the documentation"


def test_a_program_signs_in_as_a_browser_by_the_cookie_alone(walkers: tuple[Walker, Walker]) -> None:
    for at in walkers:
        with httpx.Client(base_url=at.url, timeout=30) as http:
            http.get("/hub/login")
            form = {"username": "bob", "password": "any", "_xsrf": http.cookies.get("_xsrf", path="/hub/")}
            answer = http.post("/hub/login?next=%2Fhub%2Ftoken", data=form)
            assert (answer.status_code // 100, answer.headers["location"]) == (3, "/hub/token")
            http.get("/hub/token")
            token = http.cookies.get("_xsrf", path="/hub/")
            assert token != form["_xsrf"]
            made = http.post("/hub/api/users/bob/tokens", headers={"x-xsrftoken": str(token)}, json={"note": "by a program"})
            assert made.status_code == 201, f"{at.url}: {made.text}"
            assert http.post("/hub/api/users/bob/tokens", headers={"x-xsrftoken": str(form["_xsrf"])}, json={}).status_code == 403


@pytest.mark.parametrize("name", ["_xsrf", "jupyterhub-session-id"])
def test_cookies_that_clients_know_are_where_they_look(walkers: tuple[Walker, Walker], name: str) -> None:
    found = []
    for at in walkers:
        ann = at.browser("ann")
        ann.get("/hub/token")
        found.append(sorted(cookie.path for cookie in ann.http.cookies.jar if cookie.name == name))
    assert found[0] == found[1] != []


def _flags(cookie: str) -> tuple[str, ...]:
    """Its name, and how it is kept but for the time."""
    name, *parts = (part.strip() for part in cookie.split(";"))
    kept = sorted(part.lower() for part in parts if not part.lower().startswith(("expires", "max-age")))
    return (name.partition("=")[0], *kept)


def test_no_cookie_of_ours_is_for_scripts_or_for_servers(walkers: tuple[Walker, Walker]) -> None:
    at = walkers[1]
    with httpx.Client(base_url=at.url, timeout=30) as http:
        page = http.get("/hub/login")
        form = {"username": "bob", "password": "any", "_xsrf": http.cookies.get("_xsrf", path="/hub/")}
        answers = [page, http.post("/hub/login", data=form), http.get("/hub/home"), http.get("/hub/logout")]
    cookies = [cookie for answer in answers for cookie in answer.headers.get_list("set-cookie")]
    flags = {_flags(cookie) for cookie in cookies}
    hub = ("httponly", "path=/hub/", "samesite=lax")
    assert flags == {
        ("perijove-visit", *hub),
        ("_xsrf", *hub),
        ("perijove-session", *hub),
        ("jupyterhub-session-id", "httponly", "path=/", "samesite=lax"),
    }
    assert {cookie.partition("=")[0] for cookie in answers[3].headers.get_list("set-cookie")} >= {
        "perijove-session",
        "jupyterhub-session-id",
        "_xsrf",
    }
