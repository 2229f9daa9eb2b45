"""Who asks for what at which host: people's hosts are their servers', the hub is at its own and nowhere else."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import pytest

from tests.running.hosts import Roamer
from tests.running.perijove import Running, until

from .place import BEARER, DOMAIN, NULL, URL, person, place

SERVICE = """
[[services]]
name = "grader"
url = "http://127.0.0.1:9"
[[roles]]
name = "graded"
users = ["ada"]
scopes = ["self", "access:services!service=grader"]
"""


def model(running: Running, user: str) -> dict[str, Any]:
    """The user, once the default server is ready."""

    def ready() -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{running.hub_url}/hub/api/users/{user}", headers=BEARER, timeout=60).json()
        return found if found.get("servers", {}).get("", {}).get("ready") else {}

    return until(ready, what=f"{user}'s server")


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with place(NULL + SERVICE) as found:
        for user in ("ada", "bob", "çelik"):
            httpx.post(f"{found.hub_url}/hub/api/users/{user}", headers=BEARER, timeout=60)
            assert httpx.post(f"{found.hub_url}/hub/api/users/{user}/server", headers=BEARER, timeout=60).status_code in {201, 202}
            model(found, user)
        yield found


@pytest.fixture
def ada(running: Running) -> Iterator[Roamer]:
    with person(running, "ada") as found:
        yield found


def goes_to(answer: httpx.Response) -> str:
    return answer.headers.get("location", "") if answer.is_redirect else str(answer.status_code)


def test_models_say_where_people_really_go(running: Running) -> None:
    found = model(running, "çelik")
    host = "http://xn--elik-zoa.perijove.test"
    server = found["servers"][""]
    assert found["server"] == server["url"] == server["full_url"] == f"{host}/user/%C3%A7elik/"
    assert server["progress_url"] == "/hub/api/users/%C3%A7elik/server/progress"
    assert server["full_progress_url"] == f"{URL}/hub/api/users/%C3%A7elik/server/progress"
    events = httpx.get(f"{running.hub_url}{server['progress_url']}", headers=BEARER, timeout=60).text
    assert f'"url":"{host}/user/%C3%A7elik/"' in events
    service = httpx.get(f"{running.hub_url}/hub/api/services/grader", headers=BEARER, timeout=60).json()
    assert service["prefix"] == "/services/grader/"
    table = httpx.get(f"{running.hub_url}/hub/api/proxy", headers=BEARER, timeout=60).json()
    assert set(table) == {
        "ada.perijove.test/user/ada/",
        "bob.perijove.test/user/bob/",
        "xn--elik-zoa.perijove.test/user/%C3%A7elik/",
        "grader--service.perijove.test/services/grader/",
    }


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("http://ada.perijove.test/user/ada/lab", "200"),
        ("http://ADA.Perijove.TEST:81/user/ada/lab", "200"),
        ("http://perijove.test/user/ada/tree/a%20b?x=1", "/hub/user/ada/tree/a%20b?x=1"),
        ("http://perijove.test/hub/user/ada/tree/a%20b?x=1", "http://ada.perijove.test/user/ada/tree/a%20b?x=1"),
        ("http://Perijove.test:8000/hub/home", "200"),
        ("http://perijove.test.:8000/hub/home?a=1", f"{URL}/hub/home?a=1"),
        ("http://ada.perijove.test./user/ada/lab", f"{URL}/hub/user/ada/lab?redirects=1"),
        ("http://ada.perijove.test/user/bob/lab?a=1", f"{URL}/hub/user/bob/lab?a=1&redirects=1"),
        ("http://nobody.perijove.test/user/ada/", f"{URL}/hub/user/ada/?redirects=1"),
        ("http://ada.perijove.test/", f"{URL}/hub/"),
        ("http://ada.perijove.test/hub/home", f"{URL}/hub/home"),
        ("http://ada.perijove.test/hub/api/user", f"{URL}/hub/api/user"),
        ("http://grader--service.perijove.test/user/ada/", f"{URL}/hub/user/ada/?redirects=1"),
        ("http://elsewhere.test/", f"{URL}/hub/"),
        ("http://elsewhere.test/hub/home", "421"),
        ("http://evilperijove.test/hub/home", "421"),
        ("http://127.0.0.1/hub/login", "421"),
        ("http://127.0.0.1/hub/health", "200"),
    ],
)
def test_where_each_host_and_path_lead(ada: Roamer, url: str, where: str) -> None:
    assert goes_to(ada.http.get(url, follow_redirects=False)) == where


@pytest.mark.parametrize("fetch", [{"sec-fetch-mode": "cors"}, {"sec-fetch-mode": "websocket"}])
def test_scripts_at_a_persons_host_get_nothing_of_the_hubs(ada: Roamer, fetch: dict[str, str]) -> None:
    sent = {**fetch, "accept": "*/*"}
    for path in ("/hub/home", "/hub/api/user", "/hub/login", "/hub/static/style.css", "/"):
        answer = ada.http.get(f"http://ada.perijove.test{path}", headers=sent, follow_redirects=False)
        assert (answer.status_code, answer.json()["status"]) == (421, 421)
    assert ada.http.post("http://ada.perijove.test/hub/logout", follow_redirects=False).status_code == 421
    assert ada.http.get(URL + "/hub/home").status_code == 200, "still signed in"


def test_a_token_opens_the_api_at_the_hubs_host_and_at_its_own_address_only(running: Running, ada: Roamer) -> None:
    assert ada.http.get(f"{URL}/hub/api/users/ada", headers=BEARER, timeout=60).json()["name"] == "ada"
    assert httpx.get(f"{running.hub_url}/hub/api/users/ada", headers=BEARER, timeout=60).json()["name"] == "ada"
    assert ada.http.get("http://ada.perijove.test/hub/api/users/ada", headers=BEARER, follow_redirects=False).status_code == 302


def test_servers_may_know_the_hub_by_a_name_that_is_like_a_persons(running: Running, ada: Roamer) -> None:
    internal = {**BEARER, "host": "hub.perijove.test:8081"}
    assert httpx.get(f"{running.hub_url}/hub/api/users/ada", headers=internal, timeout=60).json()["name"] == "ada"
    assert httpx.get(f"{running.hub_url}/hub/login", headers={**internal, "accept": "text/html"}, timeout=60).status_code == 421
    assert ada.http.get("http://hub.perijove.test/hub/api/users/ada", headers=BEARER, follow_redirects=False).status_code == 302


def test_jupyterlab_whose_server_has_gone_is_told_so_where_it_is(ada: Roamer) -> None:
    for method in ("GET", "POST"):
        sent = {"accept": "application/json", "sec-fetch-mode": "cors"}
        answer = ada.http.request(method, "http://cyd.perijove.test/user/cyd/api/kernels", headers=sent, follow_redirects=False)
        assert (answer.status_code, answer.json()["status"]) == (424, 424)


def test_signing_in_leads_across_hosts_and_never_away(running: Running) -> None:
    for wanted, where in (
        ("http://ada.perijove.test/user/ada/lab?a=1", "http://ada.perijove.test/user/ada/lab?a=1"),
        ("http://grader--service.perijove.test/services/grader/x", "http://grader--service.perijove.test/services/grader/x"),
        ("/hub/token", "/hub/token"),
        ("http://ada.perijove.test.evil.test/", "http://ada.perijove.test/user/ada/"),
        ("https://ada.perijove.test/", "http://ada.perijove.test/user/ada/"),
        ("", "http://ada.perijove.test/user/ada/"),
    ):
        with person(running) as visitor:
            page = visitor.http.get("/hub/login", params={"next": wanted})
            assert "form-action 'self' http://*.perijove.test;" in page.headers["content-security-policy"]
            visitor.http.follow_redirects = False
            answer = visitor.submit(f"/hub/login?{page.url.query.decode()}", f"/hub/login?{page.url.query.decode()}", username="ada", password="x")
            assert goes_to(answer) == where


def test_the_sign_in_stays_at_the_hub_and_the_session_id_is_for_all(ada: Roamer) -> None:
    at_hub, at_server = ada.cookies_for(DOMAIN, "/hub/home"), ada.cookies_for(f"ada.{DOMAIN}", "/hub/home")
    assert {"perijove-session", "jupyterhub-session-id"} <= set(at_hub)
    assert set(at_server) == {"jupyterhub-session-id"}
    ada.submit("/hub/home", "/hub/logout")
    assert not {"perijove-session", "jupyterhub-session-id"} & set(ada.cookies_for(DOMAIN, "/hub/home"))


def test_pages_link_to_hosts(ada: Roamer) -> None:
    home = ada.get("/hub/home").text
    assert 'href="http://ada.perijove.test/user/ada/"' in home
    assert 'href="http://grader--service.perijove.test/services/grader/"' in home
    assert (
        goes_to(ada.http.get("/hub/user-redirect/lab/tree/a%20b?x=1", follow_redirects=False))
        == "http://ada.perijove.test/user/ada/lab/tree/a%20b?x=1"
    )
    assert goes_to(ada.http.get("/hub/spawn", follow_redirects=False)) == "http://ada.perijove.test/user/ada/"


@pytest.mark.parametrize(
    ("site", "user", "page"), [("same-site", "?1", "You are signed out"), ("same-site", "", "Stay"), ("cross-site", "?1", "Stay")]
)
def test_log_out_at_a_server_signs_out_and_a_server_without_a_click_does_not(running: Running, site: str, user: str, page: str) -> None:
    with person(running, "bob") as bob:
        sent = {"sec-fetch-site": site, "sec-fetch-mode": "navigate", **({"sec-fetch-user": user} if user else {})}
        assert page in bob.http.get("/hub/logout", headers=sent).text


def test_no_other_origin_is_allowed_to_read_the_hubs_answers(ada: Roamer) -> None:
    for path in ("/hub/api/user", "/hub/api/users/ada", "/hub/home"):
        for method in ("GET", "OPTIONS"):
            sent = {"origin": "http://ada.perijove.test", "sec-fetch-site": "same-site", "sec-fetch-mode": "cors", "accept": "application/json"}
            answer = ada.http.request(method, path, headers=sent, follow_redirects=False)
            assert "access-control-allow-origin" not in answer.headers
    forged = {"origin": "http://ada.perijove.test", "sec-fetch-site": "same-site", "sec-fetch-mode": "cors", "accept": "application/json"}
    assert ada.http.post("/hub/api/users/ada/tokens", json={}, headers=forged).status_code == 403


def test_a_service_is_sent_its_visitors_at_its_own_host(ada: Roamer) -> None:
    asked = {
        "client_id": "service-grader",
        "response_type": "code",
        "redirect_uri": "http://grader--service.perijove.test/services/grader/oauth_callback",
    }
    answer = ada.http.get("/hub/api/oauth2/authorize", params=asked, follow_redirects=False)
    assert answer.status_code == 400, "it has no token, and so no secret"
    elsewhere = ada.http.get(f"http://ada.perijove.test/hub/api/oauth2/authorize?{httpx.QueryParams(asked)}", follow_redirects=False)
    assert urlsplit(goes_to(elsewhere))[:3] == ("http", DOMAIN, "/hub/api/oauth2/authorize")
    assert parse_qs(urlsplit(goes_to(elsewhere)).query)["client_id"] == ["service-grader"]
