"""Who waits in the queue sees where, for how long, and why: on pages, in the stream of a start, and by the API; administrators see the whole."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest

from tests.integration.hub.conftest import SETTINGS, TOKEN
from tests.running.browser import Person
from tests.running.perijove import Running, perijove, until

LIMITS = """
[limits]
active_servers = 2
api_wait = 0.1
[[limits.groups]]
name = "physics"
active_servers = 1
priority = 2
[[groups]]
name = "physics"
users = ["phil", "fay"]
"""


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with perijove(SETTINGS + LIMITS, command="hub") as found:
        api = httpx.Client(base_url=f"{found.hub_url}/hub/api", headers={"authorization": f"token {TOKEN}"}, timeout=30)
        with api:
            assert api.post("/users", json={"usernames": ["ann", "bob", "cleo"]}).status_code == 201
            for name, status in (("phil", 201), ("fay", 202), ("ann", 201), ("bob", 202), ("cleo", 202)):
                started = api.post(f"/users/{name}/server")
                assert started.status_code in {202, status}, started.text
                if status == 201:
                    until(lambda: api.get(f"/users/{name}").json()["server"], what="a server within the limits")  # noqa: B023 - run at once
        yield found


def ask(running: Running, path: str) -> Any:
    answer = httpx.get(f"{running.hub_url}/hub/api/{path}", headers={"authorization": f"token {TOKEN}"}, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_api_tells_each_their_place_and_what_keeps_them(running: Running) -> None:
    found = {name: ask(running, f"perijove/users/{name}/server/queue")["queue"] for name in ("phil", "fay", "bob", "cleo")}
    assert found["phil"] is None
    assert [(found[name]["place"], found[name]["length"]) for name in ("fay", "bob", "cleo")] == [(1, 3), (2, 3), (3, 3)]
    assert found["fay"]["reason"] == "Your group physics has its 1 server running."
    assert found["bob"]["reason"] == "All 2 places are taken. Your server starts when one is free."
    assert (found["bob"]["least_s"], found["bob"]["most_s"]) == (None, None), "nobody has left the queue yet"
    weak = httpx.get(f"{running.hub_url}/hub/api/perijove/users/bob/server/queue", headers={"authorization": "token another-weak-token"})
    assert weak.status_code in {403, 404}


def test_the_stream_of_a_start_tells_the_place_in_a_way_that_jupyterhubs_clients_read(running: Running) -> None:
    url = f"{running.hub_url}/hub/api/users/cleo/server/progress"
    with httpx.stream("GET", url, headers={"authorization": f"token {TOKEN}"}, timeout=30) as stream:
        first = json.loads(next(line for line in stream.iter_lines() if line.startswith("data: "))[6:])
    assert first["progress"] == 0
    assert first["message"] == "Waiting for a place: 3rd of 3 in the queue. All 2 places are taken. Your server starts when one is free."
    assert (first["queue"]["place"], first["queue"]["length"]) == (3, 3)


def test_the_pages_of_whoever_waits_show_the_place(running: Running) -> None:
    bob = Person(running.hub_url)
    bob.sign_in("bob")
    assert "2nd of 3 in the queue" in bob.get("/hub/home").text
    waits = bob.get("/hub/spawn-pending/bob").text
    assert "2nd of 3 in the queue. All 2 places are taken." in waits
    bob.close()


def test_administrators_see_how_many_wait_for_how_long_and_in_which_groups(running: Running) -> None:
    queue = ask(running, "perijove/status")["queue"]
    assert (queue["length"], queue["per_minute"]) == (3, None)
    assert queue["longest_wait_s"] > 0
    (group,) = queue["groups"]
    assert {name: group[name] for name in ("name", "waiting", "active", "active_servers", "priority")} == {
        "name": "physics",
        "waiting": 1,
        "active": 1,
        "active_servers": 1,
        "priority": 2,
    }
    ada = Person(running.hub_url)
    ada.sign_in("ada")
    page = " ".join(ada.get("/hub/admin/status").text.split())
    ada.close()
    assert "<strong>3</strong> servers wait" in page
    assert "1 of 1" in page
    said = subprocess.run([sys.executable, "-m", "perijove", "status", "-c", str(running.config)], capture_output=True, text=True, check=False).stdout
    assert "queue: 3 wait, the longest for" in said
    assert "physics  1 waits, 1 of 1 servers, priority 2" in said


def test_the_next_goes_on_when_a_place_is_free_and_the_wait_is_measured(running: Running) -> None:
    headers = {"authorization": f"token {TOKEN}"}
    httpx.delete(f"{running.hub_url}/hub/api/users/ann/server", headers=headers, timeout=30)
    until(lambda: ask(running, "users/bob")["server"], what="bob's server")
    assert ask(running, "perijove/users/bob/server/queue") == {"queue": None}
    until(lambda: ask(running, "perijove/users/cleo/server/queue")["queue"]["length"] == 2, what="a shorter queue")
    metrics = httpx.get(f"{running.hub_url}/hub/metrics", headers=headers, timeout=30).text
    assert "jupyterhub_server_queue_wait_seconds_count 3.0" in metrics
