"""Two hubs over one PostgreSQL: a managed service runs once, and moves when its hub is killed."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.contract.store.postgres import PostgresServer
from tests.running.perijove import free_port, perijove, until

from .test_managed import PROGRAM, SETTINGS, Site


@pytest.fixture
def database(postgresql_bin: Path) -> Iterator[str]:
    server = PostgresServer(postgresql_bin)
    try:
        server.start()
        yield server.url(server.new_database())
    finally:
        server.close()


def test_it_runs_once_and_moves_when_its_hub_is_killed(database: str, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    service = f'[[services]]\nname = "little"\nurl = "{address}"\ncommand = {json.dumps([sys.executable, str(PROGRAM), str(tmp_path)])}\n'
    shared = f'[store]\nurl = "{database}"\n'
    settings = SETTINGS.replace("[hub]\n", f'[hub]\ncookie_secret = {{ value = "{"m" * 40}" }}\n') + shared + service
    with perijove(settings, command="hub") as one, perijove(settings, command="hub") as other:
        first, second = Site(one, tmp_path), Site(other, tmp_path)
        state = first.until_up()
        assert first.alive() == {state["pid"]}
        holder, left = (one, second) if state["replica"].split(":")[1] == str(one.process.pid) else (other, first)
        assert left.state()["pid"] == state["pid"]  # whichever is asked
        assert left.api("POST", "/perijove/services/little/restart").status_code == 202
        again = until(lambda: found if (found := left.state())["up"] and found["pid"] not in {0, state["pid"]} else None, what="the restart") or {}
        assert again["replica"] == state["replica"]
        os.kill(holder.process.pid, signal.SIGKILL)
        moved = (
            until(lambda: found if (found := left.state())["up"] and found["pid"] not in {0, again["pid"]} else None, what="the move", within_s=90)
            or {}
        )
        assert moved["replica"] != state["replica"]
        assert left.alive() == {moved["pid"]}
        assert len(first.started()) == 3
        assert httpx.get(f"{address}/services/little/").text == f"little {moved['pid']}"
