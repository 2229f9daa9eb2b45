"""JupyterLab in JupyterHub's own servers, old and new, in a real browser: a notebook, the way back to the hub, and out."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.test_first_day import CHROMIUM, type_into_first_cell
from tests.running.perijove import Running, accounts, perijove


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=str(chromium), args=CHROMIUM)
        yield found
        found.close()


@pytest.fixture(scope="module", params=["4", "6"])
def hub(request: pytest.FixtureRequest) -> Iterator[Running]:
    environment: Path = request.getfixturevalue(f"jupyterhub_{request.param}_env")
    settings = f"""
[proxy]
listen = "PROXY"
[hub]
listen = "HUB"
[authenticator]
use = "dummy"
[access]
allow_all = true
[spawner]
use = "local"
command = "{environment}/bin/jupyterhub-singleuser"
{accounts()}
"""
    with perijove(settings) as running:
        yield running


def menu(page: Page, item: str) -> None:
    """Choose from JupyterLab's File menu."""
    page.get_by_role("menuitem", name="File", exact=True).click()
    page.get_by_role("menuitem", name=item).click()


def test_a_notebook_runs_and_the_menu_leads_to_the_hub_and_out(hub: Running, browser: Browser) -> None:
    context = browser.new_context()
    context.set_default_timeout(60_000)
    page = context.new_page()
    wrong: list[str] = []
    page.on("response", lambda answer: wrong.append(f"{answer.status} {answer.url}") if answer.status in {401, 403} or answer.status >= 500 else None)
    page.goto(f"{hub.url}/hub/login?next=/hub/home")
    page.get_by_label("User name").fill("ada")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Start my server").click()
    page.wait_for_url("**/user/ada/lab**", timeout=120_000)
    expect(page.locator("#jupyterlab-splash")).to_have_count(0, timeout=60_000)

    page.locator(".jp-LauncherCard[data-category='Notebook']").first.click()
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for(timeout=90_000)
    type_into_first_cell(page, "sum(range(10**6))")
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".jp-OutputArea-output").first).to_contain_text("499999500000")
    page.keyboard.press("ControlOrMeta+s")
    page.locator(".jp-Dialog .jp-mod-accept").click()  # the first time it asks for a name
    expect(page.locator(".jp-DirListing-itemText", has_text="Untitled.ipynb")).to_be_visible()
    assert not wrong

    with context.expect_page() as opened:
        menu(page, "Hub Control Panel")
    opened.value.wait_for_url("**/hub/home")
    expect(opened.value.get_by_role("link", name="Open my server")).to_be_visible()
    opened.value.close()

    page.on("dialog", lambda dialog: dialog.accept())
    menu(page, "Log Out")
    page.wait_for_url("**/hub/log**")
    expect(page.get_by_text("ada")).to_have_count(0)
    page.goto(f"{hub.url}/user/ada/lab")
    page.wait_for_url("**/hub/login**")
    context.close()
