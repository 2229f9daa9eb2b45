"""The event log beside JupyterHub's: the same is done with both hubs, and the same lines are written."""

import json
import re
from pathlib import Path
from typing import Any

import httpx2 as httpx

from tests.integration.compared.hubs import SERVICES, THEIRS, ours
from tests.integration.hub.jupyterhub import jupyterhub
from tests.running.perijove import perijove, until

SCHEMA = "https://schema.jupyter.org/jupyterhub/events/server-action"
PLAIN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
THEIR_OWN = {"taskName"}
"""A field of Python's log records that reaches their lines where Python is new enough; it tells nothing."""


def play(url: str) -> None:
    """Two servers start and stop; then one cannot be started, and one is stopped that does not run."""
    http = httpx.Client(base_url=f"{url}/hub/api", headers={"authorization": f"token {SERVICES['test']}"}, timeout=30)

    def ask(method: str, path: str, body: Any = None) -> None:
        answer = http.request(method, path, json=body)
        assert answer.status_code < 400 or body == {"fail": True}, f"{url}: {method} {path}: {answer.status_code} {answer.text}"
        until(lambda: not any(server["pending"] for server in http.get("/users/ann").json()["servers"].values()), what="rest")

    ask("POST", "/users/ann")
    for path in ("/users/ann/server", "/users/ann/servers/lab"):
        ask("POST", path)
    for path in ("/users/ann/servers/lab", "/users/ann/server"):
        ask("DELETE", path)
    ask("POST", "/users/ann/server", {"fail": True})
    ask("DELETE", "/users/ann/server")
    http.close()


def read(path: Path) -> list[dict[str, Any]]:
    return [line for text in path.read_text().splitlines() if (line := json.loads(text))["__schema__"] == SCHEMA]


def test_servers_that_start_and_stop_leave_the_same_lines(jupyterhub_6_env: Path, tmp_path: Path) -> None:
    theirs, mine = tmp_path / "theirs", tmp_path / "mine"
    handler = f"import logging\nc.EventLogger.handlers = [logging.FileHandler({str(theirs)!r})]\n"
    with jupyterhub(jupyterhub_6_env, THEIRS + handler) as url:
        play(url)
    with perijove(f'{ours()}\n[events]\nfile = "{mine}"\n', command="hub") as running:
        play(running.hub_url)
    expected, found = read(theirs), read(mine)
    assert [line["action"] for line in expected[:4]] == ["start", "start", "stop", "stop"]
    moments = [[line.pop("__timestamp__") for line in lines] for lines in (expected, found)]
    assert all(PLAIN.fullmatch(moment) for moment in moments[1])
    assert all(PLAIN.fullmatch(moment.replace("+00:00", "")) for moment in moments[0]), "with a Z behind an offset, which is no valid time"
    assert found == [{key: value for key, value in line.items() if key not in THEIR_OWN} for line in expected]
    assert any('"__schema__":"urn:perijove:events:audit"' in line for line in mine.read_text().splitlines())
