"""A host for each person, in a real browser and with TLS: work goes on across hosts, and a hostile server gets nothing of the hub's."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.integration.proxy.certificates import write_certificate
from tests.running.perijove import Running, accounts, perijove

from .test_first_day import CHROMIUM, type_into_first_cell

HUB = "https://perijove.test"
ADA = "https://ada.perijove.test"


@pytest.fixture(scope="module", params=["perijove", "jupyterhub"])
def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    kind = request.param
    environment: Path = request.getfixturevalue("user_env" if kind == "perijove" else "jupyterhub_6_env")
    cert, key = write_certificate(tmp_path_factory.mktemp("tls"), "perijove", "perijove.test", "*.perijove.test")
    settings = f"""
[proxy]
listen = "PROXY"
tls_cert = "{cert}"
tls_key = "{key}"
[hub]
listen = "HUB"
subdomain_host = "{HUB}"
[authenticator]
use = "dummy"
[access]
allow_all = true
[spawner]
use = "local"
command = "{environment}/bin/{kind}-singleuser"
{accounts()}
"""
    with perijove(settings, command="up") as running:
        yield running


@pytest.fixture(scope="module")
def browser(chromium: Path, hub: Running) -> Iterator[Browser]:
    """Its DNS has a wildcard."""
    there = urlsplit(hub.url).netloc
    rules = f"--host-resolver-rules=MAP perijove.test:443 {there}, MAP *.perijove.test:443 {there}"
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=str(chromium), args=[*CHROMIUM, rules])
        yield found
        found.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    found = browser.new_context(ignore_https_errors=True)
    found.set_default_timeout(60_000)
    yield found
    found.close()


def sign_in(page: Page, name: str) -> None:
    page.goto(f"{HUB}/hub/home")
    page.get_by_label("User name").fill(name)
    page.get_by_role("button", name="Sign in").click()


def open_lab(page: Page) -> None:
    """From the home page to JupyterLab at ada's host, started if need be."""
    page.goto(f"{HUB}/hub/home")
    page.locator("text=Start my server >> visible=true").or_(page.get_by_role("link", name="Open my server")).first.click()
    page.wait_for_url(f"{ADA}/user/ada/lab**", timeout=120_000)
    expect(page.locator("#jupyterlab-splash")).to_have_count(0, timeout=60_000)


def run_first_cell(page: Page, code: str, printed: str) -> None:
    """A notebook that is drawn once more while it is run has lost what was typed, and runs an empty cell: then again."""
    output = page.locator(".jp-OutputArea-output").first
    for _ in range(3):
        type_into_first_cell(page, code)
        page.keyboard.press("Shift+Enter")
        try:
            expect(output).to_contain_text(printed, timeout=20_000)
        except AssertionError:
            continue
        return
    expect(output).to_contain_text(printed)


def tokens_kept(page: Page) -> int:
    """How many tokens the person has, those of servers included."""
    page.goto(f"{HUB}/hub/token")
    return page.get_by_role("button", name="Revoke").count()


def test_a_person_works_at_a_host_of_their_own_and_leaves(context: BrowserContext, browser: Browser) -> None:
    page = context.new_page()
    sign_in(page, "ada")
    open_lab(page)
    page.locator(".jp-LauncherCard[data-category='Notebook']").first.click()
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for(timeout=90_000)
    run_first_cell(page, "sum(range(10**6))", "499999500000")

    # what the browser keeps: the sign-in for the hub alone, what the server set for its host alone
    reach = {(cookie["name"], cookie["domain"]) for cookie in context.cookies()}
    assert ("__Host-perijove-session", "perijove.test") in reach
    assert ("__Host-jupyterhub-user-ada", "ada.perijove.test") in reach
    assert [name for name, domain in reach if domain.startswith(".")] == ["jupyterhub-session-id"]

    # a second person is refused
    other = browser.new_context(ignore_https_errors=True)
    try:
        theirs = other.new_page()
        sign_in(theirs, "bob")
        theirs.wait_for_url(f"{HUB}/hub/**")
        answer = theirs.goto(f"{ADA}/user/ada/lab")
        assert answer is not None
        assert answer.status in {403, 404}
        answer = theirs.goto(f"{ADA}/user/ada/api/contents")
        assert answer is not None
        assert answer.status == 403
    finally:
        other.close()

    # "Log Out" of JupyterLab ends it everywhere
    page.goto(f"{ADA}/user/ada/lab")
    expect(page.locator("#jupyterlab-splash")).to_have_count(0, timeout=60_000)
    page.get_by_role("menuitem", name="File", exact=True).click()
    page.get_by_role("menuitem", name="Log Out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    for url in (f"{ADA}/user/ada/lab", f"{HUB}/hub/home", f"{ADA}/hub/home"):
        page.goto(url)
        assert page.url.startswith(f"{HUB}/hub/login")
    answer = page.goto(f"{ADA}/user/ada/api/contents")
    assert answer is not None
    assert answer.status == 403


ATTACKS = """async () => {
  const tried = {};
  const attempt = async (name, request, options) => {
    try {
      const answer = await fetch(request, options);
      tried[name] = answer.type === "opaque" ? "opaque" : `${answer.status} ${(await answer.text()).slice(0, 60)}`;
    } catch { tried[name] = "refused"; }
  };
  const hub = "https://perijove.test/hub/";
  await attempt("read with the cookie", hub + "api/user", { credentials: "include" });
  await attempt("read a page", hub + "home", { credentials: "include" });
  await attempt("read blindly", hub + "api/user", { credentials: "include", mode: "no-cors" });
  await attempt("make a token", hub + "api/users/ada/tokens", { credentials: "include", method: "POST", body: "{}", mode: "no-cors" });
  await attempt("stop", hub + "stop/ada", {
    credentials: "include", method: "POST", mode: "no-cors", body: new URLSearchParams({ _xsrf: "guess" }),
  });
  await attempt("sign out", hub + "logout", { credentials: "include", mode: "no-cors" });
  await attempt("at our own host", "/hub/api/user", { credentials: "include" });
  const frame = document.createElement("iframe");
  frame.src = hub + "home";
  const loaded = new Promise((done) => { frame.onload = done; frame.onerror = done; });
  document.body.append(frame);
  await loaded;
  try { tried["frame"] = String(frame.contentWindow.document.title); } catch { tried["frame"] = "refused"; }
  document.cookie = "perijove-session=forged; domain=perijove.test; path=/hub/; secure";
  document.cookie = "__Host-perijove-session=forged; domain=perijove.test; path=/; secure";
  tried["cookies"] = document.cookie;
  return tried;
}"""


def test_a_hostile_servers_page_gets_nothing_with_its_visitors_sign_in(context: BrowserContext) -> None:
    page = context.new_page()
    sign_in(page, "ada")
    open_lab(page)
    tokens = tokens_kept(page)
    open_lab(page)
    tried = page.evaluate(ATTACKS)
    assert [tried[name] for name in ("read with the cookie", "read a page", "frame")] == ["refused"] * 3
    assert tried["at our own host"].startswith("421")
    assert "session" not in tried["cookies"]
    forged = {(cookie["name"], cookie["domain"]) for cookie in context.cookies() if cookie["value"] == "forged"}
    assert forged == {("perijove-session", ".perijove.test")}, "a server can set it for the whole domain; the hub must not believe it"

    # still signed in, the server still runs, and no token was made
    page.goto(f"{HUB}/hub/home")
    expect(page.get_by_role("link", name="Open my server")).to_be_visible()
    assert tokens_kept(page) == tokens
