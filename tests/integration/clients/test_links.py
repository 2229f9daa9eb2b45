"""Links as teachers hand them out: /hub/user-redirect/… ends in each person's own server, and nbgitpuller fetches what they name."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import httpx2 as httpx
import pytest

from tests.running.perijove import free_port, until

from .program import program
from .site import Site, local, site
from .visitor import Visitor

ACTION = re.compile(r'<form[^>]*action="([^"]*/hub/spawn/[^"]*)"')
XSRF = re.compile(r'name="_xsrf" value="([^"]+)"')


@pytest.fixture(scope="module")
def ours(clients_env: Path) -> Iterator[Site]:
    with site(local(f"{clients_env}/bin/jupyterhub-singleuser")) as found:
        yield found


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a repository with a notebook."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed: ask the administrator of this machine for `apt-get install git`")
    folder = tmp_path_factory.mktemp("git")
    work = folder / "course"
    git = ["git", "-C", str(work), "-c", "user.name=Teacher", "-c", "user.email=teacher@example.org"]
    subprocess.run(["git", "init", "-q", "-b", "main", str(work)], check=True)
    (work / "week 1.md").write_text("# Hello")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "Week 1"], check=True)
    port = free_port()
    served = [f"--base-path={folder}", "--export-all", "--listen=127.0.0.1", f"--port={port}", "--reuseaddr"]
    address = f"git://127.0.0.1:{port}/course"
    with program(folder, ["git", "daemon", *served], {}) as daemon:
        until(lambda: subprocess.run(["git", "ls-remote", address], capture_output=True, check=False).returncode == 0, what=daemon.output)
        yield address


@pytest.fixture
def ada(ours: Site) -> Iterator[Visitor]:
    person = Visitor(ours.url)
    yield person
    person.close()
    ours.stop("ada")


def signs_in(person: Visitor, page: httpx.Response, name: str) -> httpx.Response:
    """Fill in the sign-in page where it stands, as a browser does: the address keeps what comes next."""
    token = XSRF.search(page.text)
    assert page.url.path == "/hub/login"
    assert token
    return person.http.post(page.url, data={"_xsrf": token[1], "username": name, "password": "any"})


def starts(person: Visitor, page: httpx.Response) -> httpx.Response:
    """Press the button that starts the server, and go where the page goes once it is ready."""
    action, token = ACTION.search(page.text), XSRF.search(page.text)
    assert action, page.text
    assert token
    waiting = person.http.post(unescape(action[1]), data={"_xsrf": token[1]})
    assert waiting.status_code == 200, waiting.text

    def arrived() -> httpx.Response | None:
        answer = person.open(str(waiting.url))
        return answer if answer.url.path.startswith("/user/") else None

    answer = until(arrived, what="the server")
    assert answer
    return answer


def test_a_link_to_material_leads_a_newcomer_through_sign_in_and_start_to_the_files(ours: Site, ada: Visitor, material: str) -> None:
    query = urlencode({"repo": material, "branch": "main", "urlpath": "lab/tree/course/week 1.md?autodecode"})
    page = signs_in(ada, ada.open(f"/hub/user-redirect/git-pull?{query}"), "ada")
    arrived = starts(ada, page)
    assert (arrived.status_code, arrived.url.path, arrived.url.query.decode()) == (200, "/user/ada/git-pull", query)
    # What the page's script does.
    events = ada.fetch("GET", f"/user/ada/git-pull/api?{query}&targetpath=course")
    phases = [json.loads(line.removeprefix("data: "))["phase"] for line in events.text.splitlines() if line]
    assert phases[-1] == "finished", events.text
    assert ada.fetch("GET", "/user/ada/api/contents/course/week%201.md").json()["content"] == "# Hello"


@pytest.mark.parametrize("prefix", ["/hub/user-redirect", "/user-redirect"])
def test_a_link_leads_to_ones_own_running_server_as_it_is_written(ours: Site, ada: Visitor, prefix: str) -> None:
    ours.start("ada")
    ada.sign_in("ada")
    tail = "/lab/tree/a%20b/%C3%A9%25c%2Bd.md?x=%2F&x=1+2&empty"
    first = ada.http.get(prefix + tail, follow_redirects=False)
    while first.headers["location"].removeprefix(ours.url).startswith("/hub/"):
        first = ada.http.get(first.headers["location"], follow_redirects=False)
    assert first.headers["location"].removeprefix(ours.url) == "/user/ada" + tail


def test_a_hub_that_is_asked_in_a_servers_place_sends_back_with_the_query(ours: Site, ada: Visitor) -> None:
    """A proxy may learn of a route a moment late: what was asked for comes to the hub, though the server runs."""
    ours.start("ada")
    ada.sign_in("ada")
    at_hub = Visitor(ours.running.hub_url)
    at_hub.http.cookies = ada.http.cookies
    back = at_hub.http.get("/hub/user/ada/git-pull?repo=a%2Fb&branch=main", follow_redirects=False)
    assert back.headers["location"] == "/user/ada/git-pull?repo=a%2Fb&branch=main&redirects=1"
    again = at_hub.http.get("/hub/user/ada/git-pull?repo=a%2Fb&redirects=1&branch=main", follow_redirects=False)
    assert again.headers["location"] == "/user/ada/git-pull?repo=a%2Fb&branch=main&redirects=2"
    at_hub.close()
