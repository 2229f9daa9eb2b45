"""A launcher in BinderHub's way: servers for visitors without accounts, by the API alone."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pytest
from websockets.sync.client import connect

from tests.running.perijove import until

from .launcher import Launcher, LaunchError, visitor_name
from .site import Site, local, site
from .visitor import execute

TOKEN = "a-token-of-the-launcher"
BINDER = f"""
[[services]]
name = "binder"
api_token = "{TOKEN}"
[[roles]]
name = "binder"
services = ["binder"]
scopes = ["servers", "admin:users", "tokens", "access:servers"]
"""
LIMITS = """
[limits]
concurrent_starts = 1
api_wait = "100ms"
"""
OPTIONS = {"image": "example.org/r2d-abc:1", "repo_url": "https://example.org/course", "binder_ref_url": "https://example.org/course/tree/1"}


@pytest.fixture(scope="module")
def ours(clients_env: Path) -> Iterator[Site]:
    with site(local(f"{clients_env}/bin/jupyterhub-singleuser") + BINDER + LIMITS) as found:
        yield found


@pytest.fixture
def launcher(ours: Site) -> Launcher:
    return Launcher(ours.url, TOKEN)


def test_a_visitor_gets_a_server_works_in_it_and_leaves_nothing(ours: Site, launcher: Launcher) -> None:
    name = visitor_name("course")
    launched = launcher.launch(name, "one", OPTIONS)
    assert launched["url"] == f"{ours.url}/user/{name}/one/"
    assert ours.server(name, "one")["user_options"].items() >= OPTIONS.items()
    assert launcher.retried == 0
    with httpx.Client(base_url=launched["url"], headers={"authorization": f"token {launched['token']}"}, timeout=60) as server:
        assert server.get("api/contents").status_code == 200
        kernel = server.post("api/kernels", json={"name": "python3"})
        assert kernel.status_code == 201, kernel.text
    # A page of another site cannot set a header on its WebSocket: the token is in the address.
    address = launched["url"].replace("http", "ws", 1) + f"api/kernels/{kernel.json()['id']}/channels?token={launched['token']}"
    with connect(address, additional_headers={"Sec-Fetch-Mode": "websocket"}, proxy=None) as channel:
        assert execute(channel, "print(6 * 7)") == "42\n"
    launcher.remove(name, "one")
    assert ours.api.get(f"/users/{name}").status_code == 404  # an answer of success is kept
    gone = httpx.get(f"{launched['url']}api/contents", headers={"authorization": f"token {launched['token']}"}, follow_redirects=True)
    assert gone.status_code in {403, 404}
    assert launched["token"] not in ours.running.output


def test_who_comes_at_once_waits_in_a_queue_and_nobody_is_sent_away(ours: Site, launcher: Launcher) -> None:
    names = [visitor_name("class") for _ in range(2)]
    with ThreadPoolExecutor() as threads:
        launched = list(threads.map(lambda name: launcher.launch(name, "one", OPTIONS), names))
    assert len({server["url"] for server in launched}) == 2
    assert launcher.retried == 0
    assert any("queue" in message for message in launcher.said), launcher.said
    for name in names:
        launcher.remove(name, "one")


def test_a_launch_goes_on_when_the_hub_is_killed_in_the_middle(ours: Site, launcher: Launcher) -> None:
    name = visitor_name("unlucky")
    with ThreadPoolExecutor() as threads:
        launching = threads.submit(launcher.launch, name, "one", OPTIONS)
        until(lambda: launcher.said, what="the beginning of the start")
        os.kill(ours.running.child("hub"), signal.SIGKILL)
        launched = launching.result(120)
    assert launcher.retried >= 1
    assert httpx.get(f"{launched['url']}api/contents", headers={"authorization": f"token {launched['token']}"}).status_code == 200
    launcher.remove(name, "one")


def test_options_that_are_no_object_are_refused_with_the_reason(launcher: Launcher) -> None:
    name = visitor_name("odd")
    with pytest.raises(LaunchError, match="must be a JSON object"):
        launcher.launch(name, "one", ["image"])  # type: ignore[arg-type]
    launcher.ask("DELETE", f"users/{name}")
