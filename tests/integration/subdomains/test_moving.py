"""A site that gets subdomains, and gives them up again, at a restart: what runs goes on and is reached."""

from pathlib import Path

import httpx2 as httpx
import pytest

from tests.running.hosts import Roamer
from tests.running.perijove import Running, restart, until

from .place import BEARER, SUBDOMAINS, URL, person, place
from .test_servers import FETCH, local, start

PUBLIC = f'public_url = "{URL}"'


def started(running: Running) -> str:
    """When ada's server was started: it is the same one as before if that stays."""
    found: str = httpx.get(f"{running.hub_url}/hub/api/users/ada", headers=BEARER, timeout=60).json()["servers"][""]["started"]
    return found


def routes(running: Running) -> set[str]:
    return set(httpx.get(f"{running.hub_url}/hub/api/proxy", headers=BEARER, timeout=60).json())


def opens(visitor: Roamer, url: str) -> str:
    """Where somebody lands who wants the page there, once the server is reached; with a script's request after it."""

    def look() -> httpx.Response | None:
        page = visitor.get(url)
        return page if page.status_code == 200 and page.url.path == "/user/ada/lab" else None

    page = until(look, what=f"JupyterLab by {url}")
    assert page is not None
    token = visitor.cookies_for(page.url.host, "/user/ada/").get("_xsrf", "")
    there = page.url.copy_with(path="/user/ada/api/contents", query=None)
    assert visitor.http.get(there, headers={**FETCH, "x-xsrftoken": token}).status_code == 200
    return str(page.url).partition("?")[0]


@pytest.mark.parametrize("kind", ["perijove", "jupyterhub"])
def test_running_servers_are_reached_before_and_after(request: pytest.FixtureRequest, kind: str) -> None:
    environment: Path = request.getfixturevalue("user_env" if kind == "perijove" else "jupyterhub_6_env")
    with place(local(environment / "bin" / f"{kind}-singleuser"), PUBLIC) as running:
        start(running, "ada")
        since = started(running)
        with person(running, "ada") as ada:
            assert opens(ada, f"{URL}/user/ada/lab") == f"{URL}/user/ada/lab"
        assert routes(running) == {"/user/ada/"}

        restart(running, PUBLIC, SUBDOMAINS)
        assert (routes(running), started(running)) == ({"ada.perijove.test/user/ada/"}, since)
        with person(running, "ada") as ada:
            assert opens(ada, f"{URL}/user/ada/lab") == "http://ada.perijove.test/user/ada/lab"
        start(running, "bob")

        restart(running, SUBDOMAINS, PUBLIC)
        assert (routes(running), started(running)) == ({"/user/ada/", "/user/bob/"}, since)
        with person(running, "ada") as ada:
            assert opens(ada, f"{URL}/user/ada/lab") == f"{URL}/user/ada/lab"
        with person(running, "bob") as bob:  # whose server was started when it had a host of its own
            assert until(lambda: bob.get(f"{URL}/user/bob/lab").status_code == 200, what="bob's server")
