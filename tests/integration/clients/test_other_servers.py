"""What sites run instead of somebody's JupyterLab: one application as the server, a notebook for a group as a service, a server that ends itself."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.running.perijove import accounts, free_port, until

from .site import Site, local, site
from .test_server_proxy import MIRROR
from .visitor import Visitor

SHARED = """
[[groups]]
name = "lab"
users = ["ann", "ben"]
[[services]]
name = "shared"
url = "http://127.0.0.1:{port}"
command = {command}
oauth_no_confirm = true
cwd = "{folder}"
environment = {{ HOME = "{folder}" }}
[[roles]]
name = "lab"
groups = ["lab"]
scopes = ["access:services!service=shared"]
"""


@pytest.fixture(scope="module")
def ours(clients_env: Path) -> Iterator[Site]:
    """Everybody's server is the mirror, behind `jupyter standaloneproxy`, which listens on ports only; and a notebook is a service."""
    with TemporaryDirectory(prefix="pj-mirror-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        mirror = Path(shutil.copy(MIRROR, folder))
        mirror.chmod(0o644)
        alone = [f"{clients_env}/bin/jupyter-standaloneproxy", "--", f"{clients_env}/bin/python", str(mirror), "{port}"]
        spawner = f'[spawner]\nuse = "local"\nlisten = "tcp"\ncommand = {json.dumps(alone)}\n{accounts()}\n'
        notebook = [f"{clients_env}/bin/jupyterhub-singleuser", *(["--allow-root"] if os.geteuid() == 0 else [])]
        shared = SHARED.format(port=free_port(), command=json.dumps(notebook), folder="{folder}")
        with site(spawner + shared) as found:
            yield found


@pytest.fixture
def ann(ours: Site) -> Iterator[Visitor]:
    with ours.visitor("ann") as person:
        yield person


def test_an_application_may_be_the_whole_server(ours: Site, ann: Visitor) -> None:
    ours.start("ann")
    page = ann.open("/user/ann/some%20where?x=1")
    assert (page.status_code, page.json()["uri"]) == (200, "/some%20where?x=1")
    with ann.socket("/user/ann/echo") as socket:
        socket.send("here")
        assert socket.recv(timeout=30) == "here"
    with ours.visitor("ben") as ben:
        assert ben.open("/user/ann/").status_code in {403, 404}
    ann.submit("/hub/home", "/hub/logout")
    assert ann.open("/user/ann/").url.path == "/hub/login"
    ours.stop("ann")


def test_a_group_may_have_a_notebook_as_a_service(ours: Site, ann: Visitor) -> None:
    until(lambda: ann.fetch("GET", "/services/shared/api").status_code == 200, what="the shared notebook")
    page = ann.open("/services/shared/lab")
    assert (page.status_code, page.url.path) == (200, "/services/shared/lab"), page.text
    note = {"type": "file", "format": "text", "content": "for all"}
    assert ann.fetch("PUT", "/services/shared/api/contents/note.txt", note).status_code == 201
    assert ann.run("/services/shared/", "print(6 * 7)") == "42\n"
    with ours.visitor("ben") as ben:
        ben.open("/services/shared/lab")
        assert ben.fetch("GET", "/services/shared/api/contents/note.txt").json()["content"] == "for all"
    with ours.visitor("bob") as bob:
        assert bob.open("/services/shared/lab").status_code == 403


def test_a_server_that_ends_itself_is_stopped_and_not_broken(jupyterhub_6_env: Path) -> None:
    with site(local(f"{jupyterhub_6_env}/bin/jupyterhub-singleuser") + '[cull]\npoll_every = "1s"\n') as ours, ours.visitor("eve") as eve:
        ours.start("eve")
        eve.open("/user/eve/lab")
        assert eve.fetch("POST", "/user/eve/api/shutdown").status_code == 200
        until(lambda: not ours.server("eve"), what="the end of the server")
        page = eve.open("/user/eve/lab")
        assert page.status_code == 424
        assert 'role="alert"' not in page.text
        assert "It ended by itself" in page.text
        assert "ailed" not in eve.open("/hub/home").text
