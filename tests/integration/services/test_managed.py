"""Managed services: run by the hub, reached by the proxy, started again when they end, and never there twice."""

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2 as httpx
import pytest

from tests.running.perijove import Running, free_port, perijove, until

PROGRAM = Path(__file__).with_name("little.py")
TOKEN = "a-token-of-the-test-service"
SETTINGS = f"""
[proxy]
listen = "PROXY"
[hub]
listen = "HUB"
[authenticator]
use = "dummy"
[access]
allow_all = true
admin_users = ["ada"]
[spawner]
use = "perijove.testing.null_spawner:NullSpawner"
[[services]]
name = "test"
api_token = "{TOKEN}"
[[roles]]
name = "test"
services = ["test"]
scopes = ["admin:services", "access:services", "read:metrics", "shutdown"]
"""


class Site:
    """A running Perijove with a service `little`."""

    def __init__(self, running: Running, folder: Path) -> None:
        self.running = running
        self.folder = folder

    def api(self, method: str, path: str, **more: Any) -> httpx.Response:
        return httpx.request(method, f"{self.running.hub_url}/hub/api{path}", headers={"authorization": f"token {TOKEN}"}, timeout=30, **more)

    def state(self, name: str = "little") -> dict[str, Any]:
        answer = self.api("GET", f"/perijove/services/{name}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def until_up(self, name: str = "little") -> dict[str, Any]:
        return until(lambda: state if (state := self.state(name))["up"] else None, what=f"{name} up in:\n{self.running.output}") or {}

    def page(self) -> str:
        """What the service says, by the proxy."""
        return httpx.get(f"{self.running.url}/services/little/", timeout=10).text

    def started(self) -> dict[int, dict[str, Any]]:
        return started(self.folder)

    def alive(self) -> set[int]:
        """All living processes that run the program with this folder."""
        words = f"{PROGRAM}\0{self.folder}".encode()
        return {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and words in _command(entry) and _lives(entry)}


def started(folder: Path) -> dict[int, dict[str, Any]]:
    """What each start of the service wrote down, by pid."""
    return {int(file.name): json.loads(file.read_text()) for file in folder.iterdir() if file.stat().st_size}


def _command(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


def _lives(entry: Path) -> bool:
    try:
        return (entry / "stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


@contextmanager
def site(more: str = "", *words: str, name: str = "little", url: bool = True, command: str = "up") -> Iterator[Site]:
    with TemporaryDirectory(prefix="pj-little-") as folder:
        Path(folder).chmod(0o777)
        address = f'url = "http://127.0.0.1:{free_port()}"\n' if url else ""
        entry = f'[[services]]\nname = "{name}"\n{address}command = {json.dumps([sys.executable, str(PROGRAM), folder, *words])}\n{more}'
        with perijove(SETTINGS + entry, command=command, environ={"HUBS_OWN_SECRET": "not for services"}) as running:
            yield Site(running, Path(folder))


def test_it_is_started_with_the_contract_of_jupyterhub_and_nothing_of_the_hubs_own() -> None:
    with site('cwd = "/usr"\nenvironment = { PLAIN = "a b", SECRET = { env = "HUBS_OWN_SECRET" } }\ntimeout = 5') as here:
        state = here.until_up()
        (pid, found), *more = here.started().items()
        assert not more
        assert (state["kind"], state["pid"], state["state"], state["restarts"]) == ("managed", pid, "running", 0)
        assert here.page() == f"little {pid}"
        assert found["cwd"] == "/usr"
        env = found["env"]
        assert "HUBS_OWN_SECRET" not in env
        assert (env["PLAIN"], env["SECRET"]) == ("a b", "not for services")
        assert env["JUPYTERHUB_SERVICE_NAME"] == "little"
        assert env["JUPYTERHUB_SERVICE_PREFIX"] == "/services/little/"
        assert env["JUPYTERHUB_API_URL"] == f"{here.running.hub_url}/hub/api"
        assert env["JUPYTERHUB_CLIENT_ID"] == "service-little"
        me = httpx.get(f"{env['JUPYTERHUB_API_URL']}/user", headers={"authorization": f"token {env['JUPYTERHUB_API_TOKEN']}"})
        assert (me.json()["kind"], me.json()["name"]) == ("service", "little")
        model = here.api("GET", "/services/little").json()
        assert (model["pid"], model["command"][1]) == (pid, str(PROGRAM))
        until(lambda: 'jupyterhub_service_up{service="little"} 1.0' in here.api("GET", "/../metrics").text, what="the metric")
        log = here.state()["log"]
        assert "asked for /services/little/" in log
        assert "abcdefghijklmnop" not in log
        assert env["JUPYTERHUB_API_TOKEN"] not in here.running.output
    assert not here.alive()


def test_one_that_ends_is_started_again_with_a_new_token_and_its_last_words_are_kept() -> None:
    with site() as here:
        first = here.until_up()["pid"]
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{_address(here)}/crash", timeout=5)
        state = until(lambda: found if (found := here.state())["up"] and found["pid"] not in {0, first} else None, what="the second start") or {}
        assert (state["restarts"], state["exit_code"]) == (1, 3)
        assert here.page() == f"little {state['pid']}"
        assert here.alive() == {state["pid"]}
        starts = here.started()
        old, new = (starts[pid]["env"]["JUPYTERHUB_API_TOKEN"] for pid in (first, state["pid"]))
        assert old != new
        asked = [httpx.get(f"{here.running.hub_url}/hub/api/user", headers={"authorization": f"token {token}"}).status_code for token in (old, new)]
        assert asked == [403, 200]


def _address(here: Site) -> str:
    (env,) = [found["env"] for found in here.started().values()]
    return f"{env['JUPYTERHUB_SERVICE_URL']}/services/little"


def test_one_that_cannot_stay_backs_off_and_the_hub_does_not_mind() -> None:
    crashing = (
        '[[services]]\nname = "bad"\ncommand = ["sh", "-c", "echo no way; exit 7"]\n[[services]]\nname = "missing"\ncommand = ["no-such-program"]\n'
    )
    with site(crashing) as here:
        here.until_up()
        state = (
            until(lambda: found if (found := here.state("bad"))["restarts"] >= 2 and found["state"] == "waiting" else None, what="two restarts") or {}
        )
        assert state["exit_code"] == 7
        assert "exit code 7" in state["problem"]
        assert "no way" in state["log"]
        assert state["next_start"]
        assert "no-such-program" in here.state("missing")["problem"]
        assert here.state()["restarts"] == 0
        told = [json.loads(line) for line in here.running.lines if '"bad"' in line and "again_in_s" in line]
        assert [line["again_in_s"] for line in told[:2]] == [1.0, 2.0]
        assert here.running.healthy()


def test_a_restart_can_be_asked_for_and_is_in_the_audit_log() -> None:
    with site() as here:
        first = here.until_up()["pid"]
        assert here.api("POST", "/perijove/services/little/restart").status_code == 202
        state = until(lambda: found if (found := here.state())["up"] and found["pid"] not in {0, first} else None, what="the second start") or {}
        assert here.alive() == {state["pid"]}
        assert state["restarts"] == 1
        assert here.api("POST", "/perijove/services/test/restart").status_code == 409
        assert here.api("POST", "/perijove/services/nobody/restart").status_code == 404
        assert "service.restarted" in here.running.output


@pytest.mark.parametrize("words", [(), ("stubborn",)])
def test_after_the_hub_is_killed_there_is_one_copy_and_not_two(words: tuple[str, ...]) -> None:
    with site("", *words) as here:
        first = here.until_up()["pid"]
        hub = here.running.child("hub")
        os.kill(hub, signal.SIGKILL)
        state = (
            until(lambda: found if (found := _state(here)) and found["up"] and found["pid"] not in {0, first} else None, what="the new copy") or {}
        )
        assert here.alive() == {state["pid"]}
        assert here.page() == f"little {state['pid']}"
    assert not here.alive()


def test_even_if_the_supervisor_of_the_service_was_killed_too() -> None:
    with site() as here:
        first = here.until_up()["pid"]
        supervisor = int((Path("/proc") / str(first) / "stat").read_text().rpartition(")")[2].split()[1])
        hub = here.running.child("hub")
        os.kill(hub, signal.SIGSTOP)  # so that it does not notice in between
        os.kill(supervisor, signal.SIGKILL)
        os.kill(hub, signal.SIGKILL)
        assert here.alive() == {first}
        state = (
            until(lambda: found if (found := _state(here)) and found["up"] and found["pid"] not in {0, first} else None, what="the new copy") or {}
        )
        assert here.alive() == {state["pid"]}
        assert "have been ended" in here.running.output


def _state(here: Site) -> dict[str, Any]:
    try:
        return here.state()
    except (httpx.HTTPError, AssertionError):
        return {}


def test_a_dead_external_service_does_not_delay_the_start() -> None:
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # connections are made, and nothing is ever answered
        dead = f'[[services]]\nname = "dead"\nurl = "http://127.0.0.1:{silent.getsockname()[1]}"\ntimeout = 3600\n'
        with site(dead) as here:
            assert here.until_up()["up"]  # while the other has not been given up yet
            assert here.state("dead")["up"] is None


def test_an_external_service_that_goes_is_seen_to_be_down() -> None:
    port = free_port()
    dead = f'[[services]]\nname = "dead"\nurl = "http://127.0.0.1:{port}"\n'
    with site(dead) as here:
        state = until(lambda: found if (found := here.state("dead"))["up"] is False else None, what="that it is down") or {}
        assert (state["kind"], state["state"], state["pid"]) == ("external", None, 0)
        assert str(port) in state["health_problem"]
        assert "service is down" in here.running.output


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run something as another account: ask for a machine where tests run as root")
def test_it_runs_as_the_account_it_is_given_to() -> None:
    with site('user = "nobody"\n', url=False) as here:
        until(here.started, what=f"the start in:\n{here.running.output}")
        (found,) = here.started().values()
        assert found["uid"] == 65534
        assert found["env"]["USER"] == "nobody"
