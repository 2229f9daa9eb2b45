"""Real servers at people's hosts: ours and JupyterHub's own, opened, used and left from a browser."""

from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.integration.clients.visitor import execute
from tests.running.hosts import Roamer
from tests.running.perijove import Running, accounts, until

from .place import BEARER, URL, person, place

ADA = "http://ada.perijove.test"
FETCH = {"sec-fetch-mode": "cors", "sec-fetch-dest": "empty", "sec-fetch-site": "same-origin", "accept": "application/json"}


def local(command: Path) -> str:
    return f'[spawner]\nuse = "local"\ncommand = "{command}"\n{accounts()}'


@pytest.fixture(scope="module", params=["user_env", "jupyterhub_4_env", "jupyterhub_5_env", "jupyterhub_6_env"])
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    """A place where ada's server runs."""
    environment: Path = request.getfixturevalue(request.param)
    program = "perijove-singleuser" if request.param == "user_env" else "jupyterhub-singleuser"
    with place(local(environment / "bin" / program)) as found:
        start(found, "ada")
        yield found


def start(running: Running, user: str, server: str = "") -> None:
    """By the API, and wait until it is there."""
    api = f"{running.hub_url}/hub/api/users/{user}"
    httpx.post(api, headers=BEARER, timeout=60)
    asked = httpx.post(f"{api}/servers/{server}" if server else f"{api}/server", headers=BEARER, timeout=60)
    assert asked.status_code in {201, 202}, asked.text

    def ready() -> bool:
        return bool(httpx.get(api, headers=BEARER, timeout=60).json().get("servers", {}).get(server, {}).get("ready"))

    until(ready, what=f"{user}'s server in:\n{running.output}", within_s=120)


@pytest.fixture
def ada(running: Running) -> Iterator[Roamer]:
    with person(running, "ada") as found:
        yield found


def xsrf(visitor: Roamer) -> dict[str, str]:
    """What JupyterLab sends with its requests."""
    return {**FETCH, "x-xsrftoken": visitor.cookies_for("ada.perijove.test", "/user/ada/").get("_xsrf", "")}


def test_its_owner_comes_in_without_a_question_and_works(ada: Roamer) -> None:
    page = ada.get(f"{ADA}/user/ada/lab?reset")
    assert (page.status_code, str(page.url)) == (200, f"{ADA}/user/ada/lab?reset")
    assert f'"hubHost": "{URL}"' in page.text
    kernel = ada.http.post(f"{ADA}/user/ada/api/kernels", json={"name": "python3"}, headers=xsrf(ada))
    assert kernel.status_code == 201, kernel.text
    with ada.socket(f"{ADA}/user/ada/api/kernels/{kernel.json()['id']}/channels", ADA) as channel:
        assert execute(channel, "print(6 * 7)") == "42\n"


def test_its_sign_in_goes_by_the_hubs_host_and_back_to_its_own(ada: Roamer) -> None:
    for cookie in [cookie for cookie in ada.http.cookies.jar if cookie.domain == "ada.perijove.test"]:
        ada.http.cookies.jar.clear(cookie.domain, cookie.path, cookie.name)
    page = ada.get(f"{ADA}/user/ada/lab")
    way = [answer.url.host + answer.url.path for answer in (*page.history, page) if not answer.url.path.endswith("/login")]
    assert way == [
        "ada.perijove.test/user/ada/lab",
        "perijove.test/hub/api/oauth2/authorize",
        "ada.perijove.test/user/ada/oauth_callback",
        "ada.perijove.test/user/ada/lab",
    ]
    asked = next(answer.url for answer in page.history if answer.url.path.endswith("/authorize"))
    assert asked.params["redirect_uri"] == f"{ADA}/user/ada/oauth_callback"


def test_the_server_never_sees_the_hubs_sign_in(ada: Roamer) -> None:
    ada.get(f"{ADA}/user/ada/lab")
    sent = ada.cookies_for("ada.perijove.test", "/user/ada/lab")
    assert "jupyterhub-session-id" in sent
    assert not [name for name in sent if "perijove" in name]


def test_a_second_person_is_refused_everywhere(running: Running) -> None:
    with person(running, "bob") as bob:
        for url in (f"{ADA}/user/ada/lab", f"{URL}/user/ada/lab", f"{URL}/hub/user/ada/lab"):
            assert bob.get(url).status_code in {403, 404}
        assert bob.http.get(f"{ADA}/user/ada/api/contents", headers=xsrf(bob)).status_code == 403


def test_signing_out_at_the_server_ends_it_there_too(running: Running) -> None:
    with person(running, "ada") as visitor:
        assert visitor.get(f"{ADA}/user/ada/lab").status_code == 200
        assert visitor.http.get(f"{ADA}/user/ada/api/contents", headers=xsrf(visitor)).status_code == 200
        gone = visitor.get(f"{ADA}/user/ada/logout")
        assert "You are signed out" in gone.text
        assert gone.url.host == "perijove.test"
        assert visitor.http.get(f"{ADA}/user/ada/api/contents", headers=xsrf(visitor)).status_code == 403
        assert visitor.get(f"{ADA}/user/ada/lab").url.path == "/hub/login"


def test_signing_out_at_the_hub_ends_it_at_the_server(running: Running) -> None:
    with person(running, "ada") as visitor:
        visitor.get(f"{ADA}/user/ada/lab")
        kept = {
            cookie.name: cookie.value for cookie in visitor.http.cookies.jar if cookie.domain == "ada.perijove.test" and cookie.path == "/user/ada/"
        }
        session = visitor.cookies_for("ada.perijove.test")
        sent = {**xsrf(visitor), "host": "ada.perijove.test", "cookie": "; ".join(f"{name}={value}" for name, value in {**kept, **session}.items())}
        assert httpx.get(f"{running.url}/user/ada/api/contents", headers=sent).status_code == 200
        visitor.submit("/hub/home", "/hub/logout")
        gone = sent | {"cookie": "; ".join(f"{name}={value}" for name, value in kept.items())}
        assert httpx.get(f"{running.url}/user/ada/api/contents", headers=gone).status_code == 403, "the browser has no session id any more"


def test_a_named_server_is_at_its_persons_host(running: Running, ada: Roamer) -> None:
    start(running, "ada", "lab-2")
    page = ada.get(f"{ADA}/user/ada/lab-2/lab")
    assert (page.status_code, page.url.host, page.url.path) == (200, "ada.perijove.test", "/user/ada/lab-2/lab")
