"""Administrators see how hubs, proxies and the queue stand: by the API, on a page, and at the command line."""

import json
import subprocess
import sys
from collections.abc import Iterator

import httpx2 as httpx
import pytest

from tests.integration.hub.conftest import SETTINGS, TOKEN
from tests.running.browser import Person
from tests.running.perijove import Running, perijove, until


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with perijove(SETTINGS) as found:
        yield found


def ask(running: Running, token: str = TOKEN) -> httpx.Response:
    return httpx.get(f"{running.hub_url}/hub/api/perijove/status", headers={"authorization": f"token {token}"})


def command(running: Running, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "perijove", "status", "-c", str(running.config), *more], capture_output=True, text=True, check=False)


def test_the_api_tells_of_the_hub_and_the_proxy_that_live(running: Running) -> None:
    until(lambda: len(ask(running).json()["proxies"]) == 1 and not ask(running).json()["worries"], what="the proxy's report")
    found = ask(running).json()
    (replica,) = found["replicas"]
    assert replica["address"] == running.hub_url
    assert found["proxies"][0]["behind"] == 0
    assert set(found["servers"]) >= {"ready", "queued", "failed"}


def test_it_is_for_those_who_may_read_about_the_hub(running: Running) -> None:
    assert ask(running, "another-weak-token").status_code == 403


def test_the_page_is_for_administrators(running: Running) -> None:
    ada, bob = Person(running.url), Person(running.url)
    ada.sign_in("ada")
    bob.sign_in("bob")
    page = ada.get("/hub/admin/status")
    assert page.status_code == 200
    assert running.hub_url in page.text
    assert bob.get("/hub/admin/status").status_code == 403
    ada.close()
    bob.close()


def test_the_command_says_the_same_and_its_exit_code_tells_whether_all_is_well(running: Running) -> None:
    until(lambda: not ask(running).json()["worries"], what="all being well")
    said = command(running)
    assert said.returncode == 0, said.stderr
    assert running.hub_url in said.stdout
    assert json.loads(command(running, "--json").stdout)["replicas"][0]["address"] == running.hub_url


def test_when_nobody_lives_that_is_said(running: Running) -> None:
    with perijove(SETTINGS, command="hub") as other:
        until(lambda: ask(other).status_code == 200, what="the hub")
        said = command(other)
        assert said.returncode == 2
        assert "No proxy follows a hub" in said.stdout
        other.end()
        said = command(other)
        assert said.returncode == 2
        assert "No hub has said" in said.stdout
