"""A real server that is shared: another person comes in through the proxy, and is out when the owner says so."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.running.browser import Person
from tests.running.perijove import Running, accounts, perijove, until

TOKEN = "a-token-of-the-test-service"
_FORM = re.compile(r'action="([^"]*oauth2/authorize[^"]*)"')


@pytest.fixture(scope="module", params=["perijove", "jupyterhub"])
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    ours = request.param == "perijove"
    env: Path = request.getfixturevalue("user_env" if ours else "jupyterhub_6_env")
    settings = f"""
[proxy]
listen = "PROXY"
[hub]
listen = "HUB"
[authenticator]
use = "dummy"
[access]
allow_all = true
extra_user_scopes = ["shares!user", "read:users:name"]
[spawner]
use = "local"
command = "{env}/bin/{request.param}-singleuser"
{accounts()}
[[services]]
name = "test"
api_token = "{TOKEN}"
[[roles]]
name = "test"
services = ["test"]
scopes = ["admin:users", "servers", "shares"]
"""
    with perijove(settings) as found:
        yield found


@pytest.fixture
def api(running: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{running.url}/hub/api", headers={"authorization": f"token {TOKEN}"}, timeout=60) as client:
        yield client


@pytest.fixture
def ann(running: Running, api: httpx.Client) -> Iterator[str]:
    """Her server runs."""
    api.post("/users/ann")
    assert api.post("/users/ann/server").status_code in {201, 202}
    until(lambda: (api.get("/users/ann").json().get("servers") or {}).get("", {}).get("ready"), what=f"ann's server:\n{running.output}", within_s=120)
    yield "ann"
    api.delete("/users/ann/server")
    until(lambda: "" not in api.get("/users/ann").json()["servers"], what="the end of ann's server")


@pytest.fixture
def bob(running: Running) -> Iterator[Person]:
    person = Person(running.url)
    person.sign_in("bob")
    yield person
    person.close()


def agree(person: Person, page: httpx.Response) -> httpx.Response:
    """Answer the hub's question whether the server may know who it is."""
    form, token = _FORM.search(page.text), re.search(r'name="_xsrf" value="([^"]+)"', page.text[page.text.find("oauth2/authorize") :])
    assert form, page.text
    assert token
    return person.http.post(unescape(form[1]), data={"_xsrf": token[1]})


def test_a_visitor_comes_in_by_a_link_and_is_out_when_the_share_ends(
    running: Running, api: httpx.Client, ann: str, bob: Person, request: pytest.FixtureRequest
) -> None:
    assert bob.get(f"/user/{ann}/api/contents").status_code == 403
    assert bob.get(f"/user/{ann}/tree").status_code in {403, 404}

    made = api.post(f"/share-codes/{ann}/", json={}).json()
    page = bob.submit(made["accept_url"], made["accept_url"])
    assert "ann&#39;s server know who you are" in page.text or "ann's server know who you are" in page.text
    arrived = agree(bob, page)
    assert (arrived.status_code, arrived.url.path) == (200, f"/user/{ann}/lab")
    assert bob.get(f"/user/{ann}/api/contents").status_code == 200

    assert api.request("PATCH", f"/shares/{ann}/", json={"user": "bob"}).json() == {}
    anew = Person(running.url)  # who is not remembered by the server is refused at once
    anew.sign_in("bob")
    assert anew.get(f"/user/{ann}/lab").status_code in {403, 404}
    anew.close()
    if request.node.callspec.params["running"] == "perijove":  # JupyterHub's server remembers its visitors for five minutes
        until(lambda: bob.get(f"/user/{ann}/api/contents").status_code == 403, what="bob to be out", within_s=30)
