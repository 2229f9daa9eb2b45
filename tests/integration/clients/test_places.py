"""jupyterhub-singleuser and services where sites have them: behind TLS, below a path, and with names that addresses must quote."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.proxy.certificates import write_certificate
from tests.running.perijove import free_port, until

from .site import Site, local, site
from .test_services import PROGRAMS
from .visitor import Visitor

NAME = "zoë.o'neil+1@example.org"
QUOTED = "zo%C3%AB.o%27neil%2B1@example.org"
SERVICE = """
[[services]]
name = "notes"
url = "http://127.0.0.1:{port}"
command = {command}
oauth_no_confirm = true
[[roles]]
name = "user"
scopes = ["self", "access:services"]
"""


@pytest.fixture(scope="module")
def ours(clients_env: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    cert, key = write_certificate(tmp_path_factory.mktemp("tls"), "site", "127.0.0.1")
    command = [str(clients_env / "bin" / "python"), str(PROGRAMS / "notes.py")]
    service = SERVICE.format(port=free_port(), command=json.dumps(command))
    tls = f'tls_cert = "{cert}"\ntls_key = "{key}"'
    with site(local(f"{clients_env}/bin/jupyterhub-singleuser") + service, proxy=tls, hub='base_url = "/a/b/"') as found:
        assert found.url.startswith("https://")
        yield found


@pytest.fixture
def zoe(ours: Site) -> Iterator[Visitor]:
    with ours.visitor(NAME) as person:
        yield person


@pytest.mark.parametrize("server", ["", "my-lab"])
def test_a_server_is_reached_worked_in_and_signed_out_of(ours: Site, zoe: Visitor, server: str) -> None:
    ours.start(NAME, server)
    prefix = f"/a/b/user/{QUOTED}/" + ("my-lab/" if server else "")
    assert ours.server(NAME, server)["url"] == prefix
    page = zoe.open(f"{prefix}lab")
    assert (page.status_code, page.url.raw_path.decode()) == (200, f"{prefix}lab"), page.text
    cookies = [cookie for cookie in zoe.http.cookies.jar if cookie.path.startswith("/a/b/user/") and cookie.name != "_xsrf"]
    assert cookies
    assert all(cookie.secure for cookie in cookies)
    note = {"type": "file", "format": "text", "content": "Ça va"}
    assert zoe.fetch("PUT", f"{prefix}api/contents/n%C3%B6te%20%231.txt", note).status_code in {200, 201}
    assert zoe.open(f"{prefix}files/n%C3%B6te%20%231.txt").text == "Ça va"
    assert zoe.run(prefix, "print(6 * 7)") == "42\n"
    zoe.submit("/a/b/hub/home", "/a/b/hub/logout")
    assert zoe.fetch("GET", f"{prefix}api/contents").status_code == 403
    ours.stop(NAME, server)


def test_a_service_knows_its_visitor(ours: Site, zoe: Visitor) -> None:
    until(lambda: zoe.open("/a/b/services/notes/awaiting").status_code == 403, what="the service")
    page = zoe.open("/a/b/services/notes/")
    assert (page.status_code, page.url.path) == (200, "/a/b/services/notes/"), page.text
    assert zoe.fetch("GET", "/a/b/services/notes/awaiting").json() == {"name": NAME, "kind": "user"}
    assert next(cookie for cookie in zoe.http.cookies.jar if cookie.name == "service-notes").secure
