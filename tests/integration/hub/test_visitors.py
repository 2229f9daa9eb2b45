"""Whose word about a client the hub takes: that of its proxies alone."""

from collections.abc import Iterator

import httpx2 as httpx
import pytest

from tests.integration.hub.conftest import SETTINGS
from tests.running.perijove import Running, perijove

CLAIMS = {"x-forwarded-for": "192.0.2.1", "x-real-ip": "192.0.2.1", "x-forwarded-proto": "https"}


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """With the test as a load balancer that the proxy trusts."""
    with perijove(SETTINGS.replace("[proxy]\n", '[proxy]\ntrusted_proxies = ["127.0.0.1"]\n')) as found:
        yield found


def cookies_of(url: str, headers: dict[str, str]) -> list[str]:
    answer = httpx.get(f"{url}/hub/login", headers=headers)
    assert answer.status_code == 200
    found: list[str] = answer.headers.get_list("set-cookie")
    assert found
    return found


def test_the_hub_believes_what_comes_by_its_proxy(running: Running) -> None:
    assert all("secure" in cookie.lower() for cookie in cookies_of(running.url, CLAIMS))


@pytest.mark.parametrize("mark", [{}, {"x-perijove-proxy": ""}, {"x-perijove-proxy": "0" * 64}])
def test_another_program_on_the_hubs_machine_cannot_say_who_it_is(running: Running, mark: dict[str, str]) -> None:
    assert not any("secure" in cookie.lower() for cookie in cookies_of(running.hub_url, CLAIMS | mark))
