"""Waiting in the queue, in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect, sync_playwright

from tests.integration.hub.conftest import SETTINGS, TOKEN
from tests.running.perijove import Running, perijove

from .test_first_day import CHROMIUM


@pytest.fixture(scope="module")
def site() -> Iterator[Running]:
    with perijove(SETTINGS + "[limits]\nactive_servers = 1\napi_wait = 0.1\n") as running:
        yield running


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=str(chromium), args=CHROMIUM)
        yield found
        found.close()


def test_the_place_moves_up_in_one_line_until_it_is_ones_turn(site: Running, browser: Browser) -> None:
    api = httpx.Client(base_url=f"{site.url}/hub/api", headers={"authorization": f"token {TOKEN}"}, timeout=30)
    api.post("/users", json={"usernames": ["ann", "bob", "cleo"]})
    for name in ("ann", "bob"):
        assert api.post(f"/users/{name}/server").status_code in {201, 202}
    context = browser.new_context()
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(f"{site.url}/hub/login")
    page.get_by_label("User name").fill("cleo")
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"{site.url}/hub/home")
    page.get_by_role("button", name="Start my server").click()
    expect(page.locator("#message")).to_contain_text("2nd of 2 in the queue. The only place is taken.")
    page.goto(f"{site.url}/hub/home")
    expect(page.get_by_text("2nd of 2 in the queue")).to_be_visible()
    assert Axe().run(page).violations_count == 0
    page.get_by_role("link", name="Watch it").click()
    expect(page.locator("#message")).to_contain_text("2nd of 2 in the queue")
    api.delete("/users/bob/server")
    expect(page.locator("#message")).to_contain_text("1st of 1 in the queue")
    assert page.locator("#events li").count() == 1
    assert Axe().run(page).violations_count == 0
    api.delete("/users/ann/server")
    page.wait_for_url("**/user/cleo/**")
    context.close()
    api.close()
