"""jupyterhub-idle-culler, with the scopes that its documentation asks for."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import httpx2 as httpx
import pytest

from tests.running.perijove import until

from .program import Program, program
from .site import Site, site

TOKEN = "a-token-of-the-idle-culler"
SETTINGS = f"""
[spawner]
use = "perijove.testing.null_spawner:NullSpawner"
[[services]]
name = "idle-culler"
api_token = "{TOKEN}"
[[roles]]
name = "idle-culler"
services = ["idle-culler"]
scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers", "admin:users"]
"""
IDLE = ("ann", "ben", "cat", "dan", "eve")


@pytest.fixture(scope="module")
def ours() -> Iterator[Site]:
    with site(SETTINGS) as found:
        yield found


@pytest.fixture
def people(ours: Site) -> Iterator[None]:
    """Five whose servers are idle, zoe with an idle named server, fay who is busy, and gus without a server."""
    for name in (*IDLE, "fay"):
        ours.start(name)
    ours.start("zoe", "lab")
    ours.api.post("/users/gus")
    done = Event()
    worker = Thread(target=work, args=(ours, done))
    worker.start()
    yield
    done.set()
    worker.join()
    for name in (*IDLE, "fay", "gus", "zoe"):
        for server in ours.api.get(f"/users/{name}").json().get("servers", {}):
            ours.stop(name, server)
        ours.api.delete(f"/users/{name}")


def work(ours: Site, done: Event) -> None:
    """As fay's server tells the hub that she works; until it is done."""
    with httpx.Client(base_url=ours.api.base_url, headers=ours.api.headers, timeout=60) as api:
        while not done.wait(0.2):
            now = datetime.now(UTC).isoformat()
            api.post("/users/fay/activity", json={"servers": {"": {"last_activity": now}}, "last_activity": now})


@contextmanager
def culler(ours: Site, env: Path, folder: Path, *options: str) -> Iterator[Program]:
    command = [str(env / "bin" / "jupyterhub-idle-culler"), "--timeout=5", "--cull-every=1", "--logging=debug", *options]
    environ = {"JUPYTERHUB_API_URL": f"{ours.running.hub_url}/hub/api", "JUPYTERHUB_API_TOKEN": TOKEN}
    with program(folder, command, environ) as running:
        yield running


def rounds(log: str) -> int:
    return log.count("users with ready servers")


def one_more_round(running: Program) -> None:
    """All that was started before this moment is over, and one whole round besides."""
    before = rounds(running.output)
    until(lambda: rounds(running.output) >= before + 3, what=f"rounds in {running.output}")


def assert_without_errors(log: str) -> None:
    lines = [line for line in log.splitlines() if line[:3] in {"[W ", "[E "} and "pycurl" not in line]
    assert not lines, log
    assert "Traceback" not in log, log


def test_idle_servers_are_stopped_page_by_page_and_busy_ones_are_left(ours: Site, people: None, clients_env: Path, tmp_path: Path) -> None:
    with culler(ours, clients_env, tmp_path, "--api-page-size=2") as running:
        until(lambda: not any(ours.server(name) for name in IDLE), what=f"the end of idle servers:\n{running.output}")
        until(lambda: not ours.server("zoe", "lab"), what="the end of the named server")
        one_more_round(running)
    assert ours.server("fay")["ready"]
    assert {user["name"] for user in ours.api.get("/users").json()} == {*IDLE, "fay", "gus", "zoe"}
    assert "Fetching page 2" in running.output
    assert "offset=2" in running.output
    assert_without_errors(running.output)


def test_idle_people_are_removed_with_their_servers_where_that_is_asked(ours: Site, people: None, clients_env: Path, tmp_path: Path) -> None:
    with culler(ours, clients_env, tmp_path, "--cull-users", "--api-page-size=3") as running:
        until(lambda: [user["name"] for user in ours.api.get("/users").json()] == ["fay"], what=f"fay to be alone:\n{running.output}")
        one_more_round(running)
    assert ours.server("fay")["ready"]
    assert "Fetching page 2" in running.output
    assert_without_errors(running.output)


def test_old_servers_are_stopped_though_they_are_busy_and_named_ones_removed(ours: Site, people: None, clients_env: Path, tmp_path: Path) -> None:
    def kept() -> dict[str, object]:
        servers: dict[str, object] = ours.api.get("/users/zoe?include_stopped_servers").json()["servers"]
        return servers

    assert "lab" in kept()
    with culler(ours, clients_env, tmp_path, "--max-age=1", "--remove-named-servers") as running:
        until(lambda: not ours.server("fay"), what="the end of fay's server")
        until(lambda: "lab" not in kept(), what="the removal of the named server")
    assert_without_errors(running.output)


def test_a_culler_that_the_hub_runs_needs_no_more_than_its_roles(clients_env: Path) -> None:
    command = [str(clients_env / "bin" / "jupyterhub-idle-culler"), "--timeout=2", "--cull-every=1", "--logging=debug"]
    managed = SETTINGS.replace(f'api_token = "{TOKEN}"', f"command = {json.dumps(command)}")
    with site(managed) as ours:
        ours.start("ann")
        until(lambda: not ours.server("ann"), what=f"the end of ann's server:\n{ours.running.output}")
        (log,) = ours.running.folder.glob("**/services/idle-culler.log")
        assert "Culling server ann" in log.read_text()
        assert_without_errors(log.read_text())
