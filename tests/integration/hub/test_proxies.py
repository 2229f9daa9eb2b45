"""What the hub believes of what proxies report."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx2 as httpx
import pytest

from tests.integration.hub.conftest import SETTINGS, TOKEN
from tests.running.perijove import Running, perijove

SECRET = "the-secret-between-proxies-and-hubs"


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    settings = SETTINGS.replace('listen = "PROXY"\n', f'listen = "PROXY"\ntoken = {{ value = "{SECRET}" }}\n')
    with perijove(settings, command="hub") as found:
        yield found


@pytest.mark.parametrize("wrong_by", [timedelta(0), timedelta(minutes=-20), timedelta(minutes=20)])
def test_activity_is_dated_right_though_the_proxy_s_clock_is_wrong(running: Running, api: httpx.Client, wrong_by: timedelta) -> None:
    name = f"person{int(wrong_by.total_seconds())}".replace("-", "m")
    assert api.post(f"/users/{name}").status_code == 201
    assert api.post(f"/users/{name}/server").status_code == 201
    before, used = datetime.now(UTC), datetime.now(UTC) + timedelta(seconds=1)
    epoch = httpx.get(f"{running.hub_url}/hub/perijove/routes", headers={"authorization": f"token {SECRET}"}).json()["epoch"]
    report = {
        "epoch": epoch,
        "revision": 0,
        "now": (datetime.now(UTC) + timedelta(seconds=2) + wrong_by).isoformat(),
        "activity": {f"/user/{name}/": (used + timedelta(seconds=1) + wrong_by).isoformat()},
    }
    answer = httpx.post(f"{running.hub_url}/hub/perijove/proxies/p1", json=report, headers={"authorization": f"token {SECRET}"})
    assert answer.status_code == 204, answer.text
    said = datetime.fromisoformat(api.get(f"/users/{name}").json()["servers"][""]["last_activity"])
    assert before - timedelta(seconds=5) < said <= datetime.now(UTC)


def test_a_stranger_reports_nothing(running: Running) -> None:
    answer = httpx.post(f"{running.hub_url}/hub/perijove/proxies/p1", json={"epoch": "x", "revision": 0}, headers={"authorization": f"token {TOKEN}"})
    assert answer.status_code == 403
