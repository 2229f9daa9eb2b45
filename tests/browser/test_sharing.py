"""Sharing in a real browser: by link, by name, and the end of it."""

from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.test_first_day import CHROMIUM
from tests.running.perijove import Running, perijove

TOKEN = "a-token-of-the-test-service"
SETTINGS = f"""
[proxy]
listen = "PROXY"
[hub]
listen = "HUB"
[authenticator]
use = "dummy"
[access]
allow_all = true
extra_user_scopes = ["shares!user", "read:users:name"]
[spawner]
use = "perijove.testing.null_spawner:NullSpawner"
[[services]]
name = "test"
api_token = "{TOKEN}"
[[roles]]
name = "test"
services = ["test"]
scopes = ["servers"]
"""


@pytest.fixture(scope="module")
def hub() -> Iterator[Running]:
    with perijove(SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=str(chromium), args=CHROMIUM)
        yield found
        found.close()


def signed_in(browser: Browser, hub: Running, name: str) -> Page:
    page = browser.new_context().new_page()
    page.goto(f"{hub.url}/hub/home")
    page.get_by_label("User name").fill(name)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/hub/home")
    return page


def no_violations(page: Page) -> None:
    """WCAG, as far as a machine can tell."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_a_server_is_shared_found_and_left(browser: Browser, hub: Running) -> None:
    ann, bob, cat = (signed_in(browser, hub, name) for name in ("ann", "bob", "cat"))
    with httpx.Client(headers={"authorization": f"token {TOKEN}"}) as api:
        assert api.post(f"{hub.url}/hub/api/users/ann/server").status_code == 201
    ann.reload()
    ann.get_by_role("link", name="Share …").click()
    no_violations(ann)
    ann.get_by_role("button", name="Make a link").click()
    link = ann.locator("#share-link").inner_text()
    no_violations(ann)

    # bob comes by the link
    bob.goto(link)
    expect(bob.get_by_role("heading", level=1)).to_have_text("ann shares a server with you")
    no_violations(bob)
    bob.get_by_role("button", name="Accept").click()
    bob.wait_for_url("**/user/ann/**")
    bob.goto(f"{hub.url}/hub/home")
    expect(bob.get_by_role("link", name="Open ann's server")).to_be_visible()
    no_violations(bob)

    # cat is let in by name
    ann.get_by_label("User name").fill("cat")
    ann.get_by_role("button", name="Share", exact=True).click()
    expect(ann.get_by_role("rowheader", name="cat")).to_be_visible()
    expect(ann.get_by_role("rowheader", name="bob")).to_be_visible()
    no_violations(ann)
    cat.reload()
    expect(cat.get_by_role("link", name="Open ann's server")).to_be_visible()

    # one leaves, one is sent away, and the link is taken back
    bob.on("dialog", lambda dialog: dialog.accept())
    bob.get_by_role("button", name="Leave").click()
    expect(bob.get_by_role("heading", name="Shared with me")).to_have_count(0)
    ann.get_by_role("button", name="End sharing with cat").click()
    ann.get_by_role("button", name="End sharing with bob").wait_for(state="detached")
    expect(ann.get_by_text("Nobody but the owner and administrators.")).to_be_visible()
    cat.reload()
    expect(cat.get_by_role("heading", name="Shared with me")).to_have_count(0)
    ann.get_by_role("button", name="Take back").click()
    expect(ann.get_by_role("heading", name="Links that work")).to_have_count(0)
    answer = cat.goto(link)
    assert answer is not None
    assert answer.status == 404
