"""jupyterhub-singleuser of three major versions, as people use it: started by the hub, reached through the proxy, by a browser."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2 as httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.running.perijove import until

from .site import Site, local, site
from .visitor import Visitor


@pytest.fixture(scope="module", params=["4", "5", "6"])
def ours(request: pytest.FixtureRequest) -> Iterator[Site]:
    """A site whose people have JupyterHub's server of this version; ada's runs."""
    environment: Path = request.getfixturevalue(f"jupyterhub_{request.param}_env")
    quick = 'environment = { JUPYTERHUB_ACTIVITY_INTERVAL = "1" }'
    with site(local(f"{environment}/bin/jupyterhub-singleuser", quick)) as found:
        found.start("ada")
        yield found


@pytest.fixture
def ada(ours: Site) -> Iterator[Visitor]:
    with ours.visitor("ada") as person:
        yield person


@pytest.fixture
def bob(ours: Site) -> Iterator[Visitor]:
    with ours.visitor("bob") as person:
        yield person


def test_its_owner_comes_in_by_the_hubs_sign_in_and_is_asked_nothing(ours: Site, ada: Visitor) -> None:
    anonymous = Visitor(ours.url)
    assert anonymous.open("/user/ada/lab").url.path == "/hub/login"
    assert anonymous.fetch("GET", "/user/ada/api/contents").status_code == 403
    anonymous.close()
    ada.forget("/user/ada/")  # signing in leads to one's running server: this is about coming again
    page = ada.open("/user/ada/lab?reset")
    assert (page.status_code, page.url.path, page.url.query) == (200, "/user/ada/lab", b"reset")
    assert '"hubUser": "ada"' in page.text
    assert [answer.status_code for answer in page.history] == [302, 302, 302]  # to the hub, back with a code, to the page
    assert page.headers["x-jupyterhub-version"]
    assert ada.fetch("GET", "/user/ada/api/status").status_code == 200


def test_files_are_written_by_the_page_only(ours: Site, ada: Visitor) -> None:
    ada.open("/user/ada/lab")
    note = {"type": "file", "format": "text", "content": "Ça va"}
    assert ada.fetch("PUT", "/user/ada/api/contents/note.txt", note, xsrf=False).status_code == 403
    written = ada.fetch("PUT", "/user/ada/api/contents/note.txt", note)
    assert written.status_code == 201, written.text
    assert ada.fetch("GET", "/user/ada/api/contents/note.txt").json()["content"] == "Ça va"
    assert ada.open("/user/ada/files/note.txt").text == "Ça va"
    assert ada.fetch("DELETE", "/user/ada/api/contents/note.txt").status_code == 204


def test_a_kernel_runs_what_its_owner_sends(ours: Site, ada: Visitor) -> None:
    ada.open("/user/ada/lab")
    assert ada.run("/user/ada/", "print(6 * 7)") == "42\n"
    kernel = ada.fetch("GET", "/user/ada/api/kernels").json()[0]["id"]
    stranger = Visitor(ours.url)
    with pytest.raises(InvalidStatus) as refused, stranger.socket(f"/user/ada/api/kernels/{kernel}/channels"):
        pass
    assert refused.value.response.status_code == 403
    stranger.close()


def test_a_kernel_knows_the_hub_by_its_servers_token(ours: Site, ada: Visitor) -> None:
    ada.open("/user/ada/lab")
    code = (
        "import json, os, urllib.request as r\n"
        "ask = r.Request(os.environ['JUPYTERHUB_API_URL'] + '/user', headers={'Authorization': 'token ' + os.environ['JUPYTERHUB_API_TOKEN']})\n"
        "print(json.load(r.urlopen(ask))['name'])"
    )
    assert ada.run("/user/ada/", code) == "ada\n"


def test_work_that_nobody_watches_is_activity(ours: Site, ada: Visitor) -> None:
    """The kernel prints with no page open: nothing passes the proxy, and only the server can tell the hub."""
    ada.open("/user/ada/lab")
    code = "import threading, time\ndef go():\n    for i in range(600):\n        print(i, flush=True)\n        time.sleep(0.2)\nthreading.Thread(target=go).start()"
    ada.run("/user/ada/", code)
    left = datetime.now(UTC)
    until(lambda: activity(ours) > left + timedelta(seconds=1), what="the server to tell the hub that it works")
    for kernel in ada.fetch("GET", "/user/ada/api/kernels").json():
        assert ada.fetch("DELETE", f"/user/ada/api/kernels/{kernel['id']}").status_code == 204


def activity(ours: Site) -> datetime:
    return datetime.fromisoformat(ours.server("ada")["last_activity"])


def test_another_person_is_refused(ours: Site, bob: Visitor) -> None:
    assert bob.open("/user/ada/lab").status_code in {403, 404}
    assert bob.fetch("GET", "/user/ada/api/contents").status_code in {403, 404}


def test_a_token_opens_the_servers_api_as_far_as_it_reaches(ours: Site) -> None:
    hers = ours.api.post("/users/ada/tokens", json={"scopes": ["access:servers!user=ada"]}).json()["token"]
    other = ours.api.post("/users/ada/tokens", json={"scopes": ["read:users!user=ada"]}).json()["token"]
    for token, status in ((hers, 200), (other, 403), ("0" * 32, 403)):
        answer = httpx.get(f"{ours.url}/user/ada/api/contents", headers={"authorization": f"token {token}"})
        assert answer.status_code == status, answer.text


def test_sign_out_at_the_hub_ends_what_the_server_allowed(ours: Site, ada: Visitor) -> None:
    ada.open("/user/ada/lab")
    assert ada.fetch("GET", "/user/ada/api/contents").status_code == 200
    ada.submit("/hub/home", "/hub/logout")
    assert ada.fetch("GET", "/user/ada/api/contents").status_code == 403
    assert ada.open("/user/ada/lab").url.path == "/hub/login"


def test_sign_out_at_the_server_leads_to_the_hubs(ours: Site, ada: Visitor) -> None:
    ada.open("/user/ada/lab")
    assert ada.open("/user/ada/logout").url.path in {"/hub/logout", "/hub/login"}
    assert ada.fetch("GET", "/user/ada/api/contents").status_code == 403


def test_whom_a_server_is_shared_with_is_asked_once_and_works_in_it(ours: Site, bob: Visitor) -> None:
    assert ours.api.post("/shares/ada/", json={"user": "bob"}).status_code == 200
    page = bob.agrees(bob.open("/user/ada/lab"))
    assert (page.status_code, page.url.path) == (200, "/user/ada/lab")
    assert '"hubUser": "bob"' in page.text
    assert bob.run("/user/ada/", "print(6 * 7)") == "42\n"
    assert ours.api.delete("/shares/ada/").status_code == 204
    with ours.visitor("bob") as again:
        assert again.open("/user/ada/lab").status_code in {403, 404}
