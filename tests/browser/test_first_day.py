"""The first day with Perijove, in a real browser: from the one-time link to a notebook, a terminal, and out again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.running.perijove import Running, accounts, perijove

PASSWORD = "four words in a row"
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=str(chromium), args=CHROMIUM)
        yield found
        found.close()


@pytest.fixture(scope="module")
def hub(user_env: Path) -> Iterator[Running]:
    settings = f"""
[proxy]
listen = "PROXY"
[hub]
listen = "HUB"
[spawner]
use = "local"
command = "{user_env}/bin/perijove-singleuser"
{accounts()}
"""
    with perijove(settings) as running:
        yield running


@pytest.fixture
def context(browser: Browser, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BrowserContext]:
    with_cookies = browser.new_context()
    with_cookies.set_default_timeout(60_000)
    failed = request.session.testsfailed
    yield with_cookies
    if request.session.testsfailed > failed:
        for number, page in enumerate(with_cookies.pages):
            page.screenshot(path=tmp_path / f"page{number}.png")
    with_cookies.close()


def no_violations(page: Page) -> None:
    """WCAG, as far as a machine can tell."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def make_account(page: Page, link: str, name: str) -> None:
    page.goto(link)
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    no_violations(page)
    page.get_by_role("button", name="Make account").click()
    page.wait_for_url("**/hub/home")


def type_into_first_cell(page: Page, code: str) -> None:
    """JupyterLab draws a new notebook more than once, and what is typed in between is lost: type until it is there."""
    cell = page.locator(".jp-Notebook .jp-CodeCell .cm-content").first
    for _ in range(10):
        cell.click()
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type(code)
        page.wait_for_timeout(500)
        if cell.inner_text().strip() == code:
            return
    raise AssertionError(f"the cell holds {cell.inner_text()!r}")


def test_a_person_comes_by_the_link_works_and_leaves(hub: Running, context: BrowserContext, browser: Browser) -> None:
    page = context.new_page()
    link = hub.first_link()
    make_account(page, link, "ada")

    # the link works once
    page.goto(link)
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Make your account")

    # start the default server: progress, then JupyterLab
    page.goto(f"{hub.url}/hub/home")
    no_violations(page)
    page.get_by_role("button", name="Start my server").click()
    page.wait_for_url("**/user/ada/lab**", timeout=120_000)
    expect(page.locator("#jupyterlab-splash")).to_have_count(0, timeout=60_000)

    # a notebook cell
    page.locator(".jp-LauncherCard[data-category='Notebook']").first.click()
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for(timeout=90_000)  # the kernel is there
    type_into_first_cell(page, "sum(range(10**6))")
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".jp-OutputArea-output").first).to_contain_text("499999500000", timeout=60_000)

    # a terminal
    page.goto(f"{hub.url}/user/ada/lab?reset")
    expect(page.locator("#jupyterlab-splash")).to_have_count(0, timeout=60_000)
    page.locator(".jp-LauncherCard[data-category='Other'] >> text=Terminal").click()
    terminal = page.locator(".jp-Terminal")
    terminal.click()
    page.keyboard.type("touch $((40+2)).proof; ls *.proof")
    page.keyboard.press("Enter")
    expect(page.locator(".jp-DirListing-itemText", has_text="42.proof")).to_be_visible(timeout=60_000)

    # a second person cannot open it
    other = browser.new_context()
    try:
        page.goto(f"{hub.url}/hub/admin")
        no_violations(page)
        page.get_by_label("User name (empty: the person chooses)").fill("bob")
        page.get_by_role("button", name="Make a link").click()
        invitation = page.locator("#invite-link").inner_text()
        theirs = other.new_page()
        theirs.goto(invitation)
        theirs.get_by_label("Password", exact=True).fill(PASSWORD)
        theirs.get_by_label("Password again").fill(PASSWORD)
        theirs.get_by_role("button", name="Make account").click()
        theirs.wait_for_url("**/hub/home")
        answer = theirs.goto(f"{hub.url}/user/ada/lab")
        assert answer is not None
        assert answer.status in {403, 404}
        assert theirs.request.get(f"{hub.url}/user/ada/api/contents").status in {403, 404}
        assert theirs.request.get(f"{hub.url}/hub/admin").status == 403
    finally:
        other.close()

    # stop, sign out, and nothing can be reached any more
    page.goto(f"{hub.url}/hub/home")
    page.get_by_role("button", name="Stop my server").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    for path in ("hub/home", "hub/admin", "hub/token", "user/ada/lab"):
        page.goto(f"{hub.url}/{path}")
        assert "/hub/login" in page.url
    assert page.request.get(f"{hub.url}/hub/api/user").status == 403
    assert page.request.get(f"{hub.url}/user/ada/api/contents").status in {403, 424}
