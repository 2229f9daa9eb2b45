"""Two hubs as processes over one PostgreSQL: what one does for all moves when it is killed, and bad plugins keep neither people nor the hub."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.contract.store.postgres import PostgresServer
from tests.running.perijove import Running, perijove, until

TOKEN = "a-token-for-the-tests-of-duties"
SETTINGS = f"""
[proxy]
listen = "PROXY"
[hub]
listen = "HUB"
cookie_secret = {{ value = "{"m" * 40}" }}
[authenticator]
use = "dummy"
[access]
allow_all = true
[spawner]
use = "tests.integration.replicas.stubborn:StubbornSpawner"
[limits]
start_timeout = 1
api_wait = 0.1
[cull]
idle_after = 3600
[[services]]
name = "test"
api_token = "{TOKEN}"
[[roles]]
name = "test"
services = ["test"]
scopes = ["read:hub", "read:metrics", "admin:users", "admin:servers"]
"""


@pytest.fixture
def database(postgresql_bin: Path) -> Iterator[str]:
    server = PostgresServer(postgresql_bin)
    try:
        server.start()
        yield server.url(server.new_database())
    finally:
        server.close()


def ask(hub: Running, method: str, path: str) -> httpx.Response:
    return httpx.request(method, f"{hub.hub_url}/hub{path}", headers={"authorization": f"token {TOKEN}"}, timeout=20)


def status(hub: Running) -> dict[str, Any]:
    found: dict[str, Any] = ask(hub, "GET", "/api/perijove/status").json()
    return found


def taken_over(hub: Running, dead: str) -> dict[str, str] | None:
    """Who does what, once the dead one does not do any of it."""
    duties: dict[str, str] = status(hub)["duties"]
    return duties if {"cull", "housekeeping"} <= duties.keys() and duties["cull"] != dead != duties["housekeeping"] else None


def test_duties_move_when_their_holder_is_killed_and_a_bad_plugin_keeps_nobody(database: str) -> None:
    settings = SETTINGS + f'[store]\nurl = "{database}"\n'
    with perijove(settings, command="hub") as one, perijove(settings, command="hub") as other:
        until(lambda: len(status(one)["replicas"]) == 2, what="both hubs known")
        duties = until(lambda: found if {"cull", "housekeeping"} <= (found := status(one)["duties"]).keys() else None, what="duties") or {}
        assert duties == status(other)["duties"]
        holder, left = (one, other) if duties["cull"].split(":")[1] == str(one.process.pid) else (other, one)
        os.kill(holder.process.pid, signal.SIGKILL)
        moved = until(lambda: taken_over(left, duties["cull"]), what="the move", within_s=25) or {}
        assert moved["cull"].split(":")[1] == str(left.process.pid)
        until(lambda: f'jupyterhub_duty_holder{{replica="{moved["cull"]}",work="cull"}} 1.0' in ask(left, "GET", "/metrics").text, what="metrics")

        assert ask(left, "POST", "/api/users/ada").status_code == 201
        assert ask(left, "POST", "/api/users/ada/server").status_code == 202
        until(lambda: ask(left, "GET", "/api/users/ada").json()["pending"] is None, what="the end of the start")
        left.process.send_signal(signal.SIGTERM)
        assert left.process.wait(30) == 0
        left.close()
        assert "does not let go of a call" in left.output
        assert "ends without waiting for plugin calls" in left.output
