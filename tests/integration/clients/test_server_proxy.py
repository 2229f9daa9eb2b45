"""jupyter-server-proxy in a person's server: applications that people run there, reached through two proxies."""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2 as httpx
import pytest

from tests.running.perijove import free_port, until

from .program import program
from .site import Site, local, site
from .visitor import Visitor

MIRROR = Path(__file__).parent / "services" / "mirror.py"
CONFIG = """
c.ServerProxy.servers = {{
    "by-port": {{"command": ["{python}", "{mirror}", "{{port}}"]}},
    "by-socket": {{"command": ["{python}", "{mirror}", "{{unix_socket}}"], "unix_socket": True}},
    "with-prefix": {{"command": ["{python}", "{mirror}", "{{port}}"], "absolute_url": True}},
}}
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where every account can read: pytest's own folders are for one account only."""
    with TemporaryDirectory(prefix="pj-proxied-") as name:
        found = Path(name)
        found.chmod(0o755)
        yield found


@pytest.fixture(scope="module")
def ours(folder: Path, clients_env: Path) -> Iterator[Site]:
    """ada's server has three applications."""
    mirror = folder / "mirror.py"
    shutil.copy(MIRROR, mirror)
    mirror.chmod(0o644)
    config = folder / "jupyter_server_config.py"
    config.write_text(CONFIG.format(python=clients_env / "bin" / "python", mirror=mirror))
    config.chmod(0o644)
    with site(local(f"{clients_env}/bin/jupyterhub-singleuser", f'environment = {{ JUPYTER_CONFIG_PATH = "{folder}" }}')) as found:
        found.start("ada")
        yield found


@pytest.fixture(scope="module")
def port(ours: Site, folder: Path, clients_env: Path) -> Iterator[int]:
    """An application on a port, as somebody starts it in a terminal."""
    number = free_port()
    with program(folder, [str(clients_env / "bin" / "python"), str(MIRROR), str(number)], {}) as running:
        until(partial(running.listens, number), what="the mirror")
        yield number


@pytest.fixture
def ada(ours: Site) -> Iterator[Visitor]:
    with ours.visitor("ada") as person:
        person.open("/user/ada/lab")
        yield person


@pytest.mark.parametrize("name", ["by-port", "by-socket", "with-prefix"])
def test_an_application_gets_what_its_visitor_sends(ada: Visitor, name: str) -> None:
    prefix = f"/user/ada/{name}" if name == "with-prefix" else ""
    got = ada.fetch("GET", f"/user/ada/{name}/a%20b/%C3%A9?q=1&q=%C3%A9")
    assert got.json()["uri"] == f"{prefix}/a%20b/%C3%A9?q=1&q=%C3%A9"
    sent = ada.http.post(f"/user/ada/{name}/form", content="Ça va".encode(), headers={"x-mine": "1"}).json()
    assert (sent["method"], sent["uri"], sent["body"]) == ("POST", f"{prefix}/form", "Ça va")
    assert sent["headers"]["X-Mine"] == "1"


@pytest.mark.parametrize("name", ["by-port", "by-socket", "with-prefix"])
def test_an_application_talks_over_a_websocket(ada: Visitor, name: str) -> None:
    with ada.socket(f"/user/ada/{name}/echo") as socket:
        for message in ("Ça va", b"\x00\xff" * 40_000, ""):
            socket.send(message)
            assert socket.recv(timeout=30) == message


def test_a_port_is_reached_by_its_number(ada: Visitor, port: int) -> None:
    assert ada.fetch("GET", f"/user/ada/proxy/{port}/x?y=1").json()["uri"] == "/x?y=1"
    assert ada.fetch("GET", f"/user/ada/proxy/absolute/{port}/x?y=1").json()["uri"] == f"/user/ada/proxy/absolute/{port}/x?y=1"
    with ada.socket(f"/user/ada/proxy/{port}/echo") as socket:
        socket.send("here")
        assert socket.recv(timeout=30) == "here"


def test_an_applications_redirect_stays_below_its_address(ada: Visitor, port: int) -> None:
    arrived = ada.open(f"/user/ada/proxy/{port}/away")
    assert (arrived.url.path, arrived.json()["uri"]) == (f"/user/ada/proxy/{port}/arrived", "/arrived")


def test_an_applications_events_arrive_while_it_makes_more(ada: Visitor) -> None:
    with ada.http.stream("GET", "/user/ada/by-port/ticks", headers={"accept": "text/event-stream"}) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "data: one"
        ada.http.post("/user/ada/by-port/ticks")
        assert [line for line in lines if line] == ["data: two"]


def test_nobody_else_reaches_an_application(ours: Site, port: int) -> None:
    stranger = Visitor(ours.url)
    for path in ("/user/ada/by-port/", f"/user/ada/proxy/{port}/"):
        assert stranger.open(path).url.path == "/hub/login"
        assert stranger.fetch("GET", path).status_code in {302, 403}  # to the sign-in
    stranger.close()
    with ours.visitor("bob") as bob:
        assert bob.open("/user/ada/by-port/").status_code in {403, 404}
    token = ours.api.post("/users/ada/tokens", json={"scopes": ["access:servers!user=ada"]}).json()["token"]
    answer = httpx.get(f"{ours.url}/user/ada/by-port/x", headers={"authorization": f"token {token}"})
    assert answer.json()["uri"] == "/x"
