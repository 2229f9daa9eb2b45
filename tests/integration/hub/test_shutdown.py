"""The hub as a whole, by its API: its route table, and its end."""

import httpx2 as httpx
import pytest

from tests.integration.hub.conftest import SETTINGS, TOKEN
from tests.running.perijove import Running, perijove, until

HEADERS = {"authorization": f"token {TOKEN}"}


def running_server(url: str) -> None:
    with httpx.Client(base_url=f"{url}/hub/api", headers=HEADERS, timeout=30) as api:
        assert api.post("/users/ada").status_code == 201
        assert api.post("/users/ada/server").status_code in {201, 202}
        until(lambda: api.get("/users/ada").json()["server"], what="a server that is ready")


def test_the_route_table_is_shown_and_proxies_are_waited_for(running: Running, api: httpx.Client, weak: httpx.Client) -> None:
    running_server(running.hub_url)
    table = api.get("/proxy").json()
    assert table["/user/ada/"]["data"] == {"user": "ada", "server_name": ""}
    assert table["/user/ada/"]["target"].startswith("http")
    assert list(api.get("/proxy", params={"limit": 1, "offset": len(table)}).json()) == []
    assert api.post("/proxy").status_code == 200
    refused = api.patch("/proxy", json={"api_url": "http://127.0.0.1:8001"})
    assert refused.status_code == 400
    assert "by themselves" in refused.json()["message"]
    for method, path in (("GET", "/proxy"), ("POST", "/proxy"), ("PATCH", "/proxy"), ("POST", "/shutdown")):
        assert weak.request(method, path).status_code == 403
    assert api.post("/shutdown", json={"servers": "yes"}).status_code == 400
    assert running.healthy()


@pytest.mark.parametrize("proxy", [True, False])
def test_a_hub_that_is_asked_to_ends_and_is_not_started_again(proxy: bool) -> None:
    with perijove(SETTINGS) as running:
        running_server(running.url)
        hub, door = running.child("hub"), running.child("proxy")
        assert httpx.post(f"{running.url}/hub/api/shutdown", headers=HEADERS, json={"servers": True, "proxy": proxy}).status_code == 202
        if proxy:
            assert running.process.wait(30) == 0
        else:
            until(lambda: not running.healthy(), what="the hub's end")
            assert httpx.get(f"{running.url}/hub/home").status_code == 503, "the proxy's own page"
            assert running.child("proxy") == door
            assert running.process.poll() is None
        assert hub != door
    assert running.process.returncode == 0
    assert "starting it again" not in running.output
