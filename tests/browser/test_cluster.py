"""Asking a cluster for a server, waiting for it, and its end, in a real browser."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2 as httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.integration.hub.test_places import CLUSTER
from tests.running.perijove import Running, accounts, perijove, until

from .test_first_day import CHROMIUM

PRESETS = """
[[profiles]]
name = "small"
display_name = "Small"
default = true
options = { cpus = 2 }
[[profiles]]
name = "own"
display_name = "Of my own"
"""


@pytest.fixture(scope="module")
def site() -> Iterator[Running]:
    with perijove(CLUSTER + "[cull]\npoll_every = '1s'\n" + PRESETS) as running:
        yield running


@pytest.fixture
def real(user_env: Path) -> Iterator[Running]:
    spawner = f'use = "tests.running.cluster:LocalCluster"\nfolder = "{{folder}}"\ncommand = "{user_env}/bin/perijove-singleuser"\n{accounts()}'
    with perijove(CLUSTER.replace('use = "tests.running.cluster:ClusterSpawner"\nfolder = "{folder}"', spawner)) as running:
        yield running


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=str(chromium), args=CHROMIUM)
        yield found
        found.close()


def no_violations(page: Page) -> None:
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_a_request_is_judged_while_it_is_typed_waits_is_announced_and_prolonged(site: Running, browser: Browser) -> None:
    context = browser.new_context()
    context.set_default_timeout(30_000)
    context.grant_permissions(["notifications"], origin=site.url)
    context.add_init_script(
        "window.Notification = class { static permission = 'granted'; constructor(title) { console.log('notice: ' + title); } close() {} };"
    )
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{site.url}/hub/login")
    page.get_by_label("User name").fill("kim")
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"{site.url}/hub/spawn?time=9:00:00")
    expect(page.get_by_text("A link filled in this form.")).to_be_visible()
    page.get_by_text("More", exact=True).click()
    expect(page.get_by_label("CPUs", exact=True)).to_be_disabled()  # the preset sets them
    page.get_by_label("Of my own").check()
    expect(page.get_by_label("CPUs", exact=True)).to_be_enabled()
    page.get_by_label("Per CPU").fill("3000M")
    expect(page.get_by_label("In all")).to_be_disabled()
    expect(page.locator("#wrong-time")).to_have_text("The partition short allows 4:00 h, not 9:00:00.")
    no_violations(page)
    page.get_by_label("Partition", exact=True).select_option("gpu")
    page.get_by_label("GPUs", exact=True).fill("1")
    page.get_by_label("Type of the GPUs").select_option("a100")
    expect(page.locator("#verdict")).to_contain_text("It would begin")
    expect(page.locator("#wrong-time")).to_be_hidden()
    expect(page.locator("#link")).to_have_attribute(
        "href", "/hub/spawn?profile=own&time=9%3A00%3A00&partition=gpu&memory_per_cpu=3000M&gpus=a100%3A1"
    )
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#place")).to_have_text("3")
    expect(page.locator("#estimate")).to_contain_text("min")
    expect(page.locator("#detail")).to_have_text("PENDING (Priority) job 17")
    expect(page).to_have_title("(3) Starting - Perijove")
    page.get_by_role("button", name="Tell me when it is ready").click()
    expect(page.get_by_text("You may look elsewhere meanwhile.")).to_be_visible()
    no_violations(page)
    job = json.loads((site.folder / "kim.json").read_text())
    assert job["options"] == {"profile": "own", "time": "9:00:00", "partition": "gpu", "memory_per_cpu": "3000M", "gpus": "a100:1"}
    (site.folder / "kim.go").touch()
    page.wait_for_url("**/user/kim/**")
    assert "notice: Your server is ready" in said
    report = {"start_id": job["start_id"], "host": "g1", "ends_at": (datetime.now(UTC) + timedelta(minutes=5)).isoformat()}
    answer = httpx.post(f"{site.hub_url}/hub/api/perijove/users/kim/server/report", json=report, headers={"authorization": f"token {job['token']}"})
    assert answer.status_code == 204, answer.text
    page.goto(f"{site.url}/hub/home")
    expect(page.get_by_text("Save your work:")).to_be_visible()
    no_violations(page)
    page.get_by_role("button", name="Extend by 1 h").click()
    expect(page.get_by_text("Save your work:")).to_be_hidden()
    assert (site.folder / "extended").read_text() == "kim 3600\n"
    (site.folder / "kim.go").unlink()
    (site.folder / "kim.dead").write_text("Its time was up.")
    page.goto(f"{site.url}/hub/home")
    until(lambda: page.reload() and page.get_by_text("Its time was up. Ask for more time.").is_visible(), what="the reason why it ended")
    (site.folder / "kim.dead").unlink()
    (site.folder / "kim.go").touch()
    page.get_by_role("button", name="Start again with the same request").click()
    page.wait_for_url("**/user/kim/**")
    assert json.loads((site.folder / "kim.json").read_text())["options"] == job["options"]
    context.close()


def tell_end(site: Running, name: str, left: timedelta) -> None:
    """As the program beside the server does."""
    job = json.loads((site.folder / f"{name}.json").read_text())
    report = {"start_id": job["start_id"], "host": "g1", "ends_at": (datetime.now(UTC) + left).isoformat()}
    url = f"{site.hub_url}/hub/api/perijove/users/{name}/server/report"
    assert httpx.post(url, json=report, headers={"authorization": f"token {job['token']}"}).status_code == 204


def test_jupyterlab_warns_before_the_end_and_asks_for_more_time(real: Running, browser: Browser) -> None:
    context = browser.new_context()
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(f"{real.url}/hub/login")
    page.get_by_label("User name").fill("lea")
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"{real.url}/hub/home")
    page.get_by_role("button", name="Start my server").click()
    until((real.folder / "lea.json").exists, what="what the server got")
    tell_end(real, "lea", timedelta(minutes=12))
    page.wait_for_url("**/user/lea/lab**", timeout=120_000)
    dialog = page.locator(".jp-Dialog", has_text="This server ends in 12 min")
    expect(dialog).to_be_visible(timeout=60_000)
    dialog.get_by_role("button", name="Extend by 60 min").click()
    expect(page.locator("#perijove-time-left button")).to_have_text("60 min left")
    expect(dialog).to_have_count(0)
    assert "60 min left" in page.locator("#perijove-time-left").inner_text()
    context.close()
