"""A hub that is asked to end says so first, to those who choose between hubs, and lets nobody stand in the rain."""

import json
import threading
from collections.abc import Iterator

import httpx2 as httpx
import pytest

from tests.integration.upgrade.place import DRIVER, SETTINGS
from tests.running.perijove import Running, perijove, until

SLOW = """
[spawner]
use = "perijove.testing.null_spawner:NullSpawner"
start_delay = 600
"""


@pytest.fixture
def hub() -> Iterator[Running]:
    with perijove(SETTINGS.replace("[hub]\n", "[hub]\ndrain = 600\n") + SLOW, command="hub") as running:
        yield running


def test_it_says_that_it_is_not_ready_serves_on_and_ends_when_asked_again(hub: Running) -> None:
    with httpx.Client(base_url=f"{hub.hub_url}/hub", headers=DRIVER, timeout=30) as http:
        assert http.get("/perijove/ready").json() == {"ready": True}
        assert http.post("/api/users/ada").status_code == 201
        lines: list[str] = []

        def wait() -> None:
            with httpx.stream("GET", f"{hub.hub_url}/hub/api/users/ada/server/progress", headers=DRIVER, timeout=60) as stream:
                lines.extend(stream.iter_lines())

        def start() -> None:
            httpx.post(f"{hub.hub_url}/hub/api/users/ada/server", headers=DRIVER, timeout=60)

        threads = [threading.Thread(target=start), threading.Thread(target=wait)]
        threads[0].start()
        until(lambda: http.get("/api/users/ada").json()["servers"].get(""), what="the start")
        threads[1].start()
        hub.process.terminate()
        until(lambda: http.get("/perijove/ready").status_code == 503, what="that it is not ready")
        answer = http.get("/api/users/ada")
        assert (answer.status_code, answer.headers["connection"], answer.json()["servers"][""]["pending"]) == (200, "close", "spawn")
        hub.process.terminate()
        assert hub.process.wait(30) == 0
    for thread in threads:
        thread.join(30)
    said = [line for line in lines if line]
    assert said[-1].startswith("retry: "), lines
    assert all("failed" not in json.loads(line[6:]) for line in said[:-1] if line.startswith("data: "))
