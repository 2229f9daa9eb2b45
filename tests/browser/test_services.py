"""Services, for an administrator in a real browser."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect, sync_playwright

from tests.integration.services.test_managed import SETTINGS
from tests.running.perijove import Running, perijove, until

from .test_first_day import CHROMIUM

COMMANDS = {"steady": ["sh", "-c", "echo at work; sleep 3600"], "crashing": ["sh", "-c", "echo no way; exit 7"]}


@pytest.fixture(scope="module")
def hub() -> Iterator[Running]:
    with perijove(
        SETTINGS + "".join(f'[[services]]\nname = "{name}"\ncommand = {json.dumps(words)}\n' for name, words in COMMANDS.items())
    ) as running:
        yield running


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=str(chromium), args=CHROMIUM)
        yield found
        found.close()


def test_an_administrator_sees_a_crash_reads_the_log_and_restarts_a_service(hub: Running, browser: Browser) -> None:
    until(lambda: "exit code 7" in hub.output, what="the crash")
    context = browser.new_context()
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(f"{hub.url}/hub/login")
    page.get_by_label("User name").fill("ada")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/hub/**")
    page.goto(f"{hub.url}/hub/admin")
    page.get_by_role("link", name="Services").click()
    steady, crashing = (page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name)) for name in ("steady", "crashing"))
    expect(steady).to_contain_text("up")
    expect(crashing).to_contain_text("down")
    expect(page.get_by_text("exit code 7")).to_be_visible()
    card = page.locator("section").filter(has=page.get_by_role("heading", name="crashing"))
    card.get_by_text("The end of its log").click()
    expect(card.get_by_text("no way").first).to_be_visible()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    before = steady.inner_text()
    steady.get_by_role("button", name="Restart steady").click()
    page.wait_for_url("**/hub/admin/services")

    def restarted() -> bool:
        page.reload()
        return "process" in steady.inner_text() and steady.inner_text() != before

    until(restarted, what="the restart")
    context.close()
