"""An existing JupyterHub needs only its proxy command changed. The tests are one hub's day, in this order."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from .jupyterhub import Jupyterhub, running_jupyterhub


@pytest.fixture(scope="module")
def jupyterhub(jupyterhub_6_env: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyterhub]:
    with running_jupyterhub(jupyterhub_6_env, tmp_path_factory.mktemp("jupyterhub")) as started:
        browser = started.sign_in()
        page = browser.get("/hub/spawn")
        started.wait_until(started.works, "alice's server")
        assert page.status_code == 200
        lab = browser.get("/user/alice/lab")
        assert lab.status_code == 200
        assert "jupyter-config-data" in lab.text
        browser.close()
        yield started


def test_the_hub_knows_its_routes(jupyterhub: Jupyterhub) -> None:
    routes = jupyterhub.routes()
    assert routes["/"]["hub"] is True
    assert (routes["/user/alice"]["user"], routes["/user/alice"]["server_name"]) == ("alice", "")
    assert all(route["jupyterhub"] is True for route in routes.values())


def test_a_kernel_executes_code_over_its_websocket(jupyterhub: Jupyterhub) -> None:
    assert jupyterhub.execute("6 * 7") == "42"


def test_the_hub_says_what_is_missing_in_its_own_page(jupyterhub: Jupyterhub) -> None:
    browser = jupyterhub.sign_in()
    answer = browser.get("/user/nobody/api")
    assert answer.status_code in {404, 424}
    assert "JupyterHub" in browser.get("/hub/nothing").text
    browser.close()


def test_a_worker_that_is_killed_is_replaced(jupyterhub: Jupyterhub) -> None:
    first, *others = jupyterhub.proxy_processes()
    for pid in others:
        os.kill(pid, signal.SIGKILL)
        jupyterhub.wait_until(jupyterhub.works, f"alice's server without process {pid}", 20)
    assert first in jupyterhub.proxy_processes()
    assert not set(others) & set(jupyterhub.proxy_processes())
    assert jupyterhub.execute("2 + 3") == "5"


@pytest.mark.parametrize("what", ["its first process", "all of it"])
def test_a_proxy_that_is_killed_is_started_again_by_the_hub(jupyterhub: Jupyterhub, what: str) -> None:
    before = jupyterhub.proxy_processes()
    for pid in before if what == "all of it" else before[:1]:
        os.kill(pid, signal.SIGKILL)
    jupyterhub.wait_until(lambda: before[0] not in jupyterhub.proxy_processes() and jupyterhub.proxy_processes(), "another proxy")
    jupyterhub.wait_until(lambda: not set(before) & set(jupyterhub.proxy_processes()), "the end of what the proxy left", 20)
    jupyterhub.wait_until(jupyterhub.works, f"alice's server after {what} was killed", 45)
    assert jupyterhub.execute("1 + 1") == "2"


def test_servers_stay_reachable_while_the_hub_is_away(jupyterhub: Jupyterhub) -> None:
    before = jupyterhub.proxy_processes()
    assert jupyterhub.works()
    jupyterhub.stop()
    assert jupyterhub.works(), "alice's server without a hub"
    assert jupyterhub.status("/hub/home") == 503
    jupyterhub.start(alone=True)
    assert set(before) <= set(jupyterhub.proxy_processes()), "the same proxy; a hub's children may carry its token, too"
    assert jupyterhub.works()
    assert jupyterhub.execute("7 * 8") == "56"
    browser = jupyterhub.sign_in()
    assert browser.get("/user/alice/lab").status_code == 200
    browser.close()
