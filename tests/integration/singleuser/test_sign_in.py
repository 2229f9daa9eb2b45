"""A person comes in through the hub, and nobody else does."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from .fake_hub import CLIENT_ID, SERVER_TOKEN, VERSION, FakeHub
from .running_server import FETCH, NAVIGATE, PREFIX, Browser


def state_cookies(browser: Browser) -> list[str]:
    return [name for _, name in browser.cookies if "-oauth-state-" in name]


def begin(browser: Browser, path: str) -> tuple[str, str]:
    """Open a page and stop at the hub's door: (authorize URL, state)."""
    login = browser.get(path, NAVIGATE)
    authorize = browser.get(login.headers["Location"], NAVIGATE).headers["Location"]
    return authorize, parse_qs(urlsplit(authorize).query)["state"][0]


def test_a_person_who_signs_in_arrives_at_the_page_they_asked_for(browser: Browser) -> None:
    page = browser.open(PREFIX + "lab/tree/notes.ipynb?x=1")
    assert page.status_code == 200
    assert "jupyter-config-data" in page.text
    assert str(page.url).endswith("/lab/tree/notes.ipynb?x=1")
    assert state_cookies(browser) == []


def test_the_prefix_alone_leads_to_jupyterlab(browser: Browser) -> None:
    assert browser.open(PREFIX).url.path == PREFIX + "lab"


def test_the_sign_in_cookie_is_private_to_this_server(browser: Browser) -> None:
    authorize, _ = begin(browser, PREFIX + "lab")
    callback = browser.get(authorize, NAVIGATE).headers["Location"]
    answer = browser.get(callback, NAVIGATE)
    line = next(c for c in answer.headers.get_list("set-cookie") if c.startswith(CLIENT_ID + "="))
    assert {"HttpOnly", "Path=/user/alice/", "SameSite=Lax", "Max-Age=3600"} <= set(line.split("; "))
    assert "Secure" not in line


def test_cookies_are_secure_when_the_browser_came_over_https(browser: Browser) -> None:
    answer = browser.get(PREFIX + "login", {**NAVIGATE, "X-Forwarded-Proto": "https,http"})
    assert "Secure" in answer.headers["set-cookie"]


def test_pages_tell_jupyterlab_of_its_hub_and_hold_no_token(browser: Browser, hub: FakeHub) -> None:
    page = browser.open(PREFIX + "lab").text
    for setting in ('"hubUser": "alice"', '"hubPrefix": "/hub/"', '"hubServerUser": "alice"'):
        assert setting in page
    assert not [token for token in hub.tokens if token in page]
    assert SERVER_TOKEN not in page


def test_every_response_carries_the_hub_version_and_refuses_framing(browser: Browser) -> None:
    for path in ("api", "nothing-here", "login", "static/favicons/favicon.ico", "oauth_callback"):
        answer = browser.get(PREFIX + path)
        assert answer.headers["X-JupyterHub-Version"] == VERSION, path
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], path


def test_the_hubs_probe_is_answered_without_signing_in(browser: Browser) -> None:
    assert browser.get(PREFIX + "api").status_code == 200


def test_programs_get_a_plain_refusal_and_no_redirect(browser: Browser) -> None:
    for path in ("api/contents", "api/kernels", "login?next=/user/alice/lab"):
        answer = browser.get(PREFIX + path, FETCH)
        assert answer.status_code == 403, path
        assert answer.headers["content-type"].startswith("application/json"), path
    assert not browser.cookies


def test_a_person_without_access_is_told_so_and_does_not_loop(browser: Browser, hub: FakeHub) -> None:
    hub.user = "mallory"
    page = browser.open(PREFIX + "lab")
    assert page.status_code == 403
    assert "mallory" in page.text
    assert browser.fetch(PREFIX + "api/contents").status_code == 403


def test_scopes_of_administrators_and_of_shares_open_the_server(browser: Browser, hub: FakeHub) -> None:
    for user in ("admin", "carol"):
        visitor = browser.another()
        hub.user = user
        visitor.open(PREFIX + "lab")
        me = visitor.fetch(PREFIX + "api/me").json()
        assert me["identity"]["username"] == user
        visitor.close()


def test_a_foreign_state_restarts_the_sign_in_once(browser: Browser, hub: FakeHub) -> None:
    _, state = begin(browser.another(), PREFIX + "lab")
    page = browser.open(f"{PREFIX}oauth_callback?code=stolen&state={state}")
    assert page.status_code == 200
    assert page.url.path == PREFIX + "lab"


def test_a_browser_without_cookies_is_told_instead_of_looping(browser: Browser) -> None:
    url, hops = PREFIX + "lab", 0
    while True:
        browser.cookies.clear()
        answer = browser.get(url, NAVIGATE)
        if not answer.is_redirect:
            break
        url, hops = answer.headers["Location"], hops + 1
        assert hops < 12
    assert answer.status_code == 400
    assert "cookies" in answer.text


def test_a_code_cannot_be_used_in_another_browsers_flow(browser: Browser, hub: FakeHub) -> None:
    victim, attacker = browser, browser.another()
    authorize, _ = begin(attacker, PREFIX + "lab")
    stolen = attacker.get(authorize, NAVIGATE).headers["Location"]
    code = parse_qs(urlsplit(stolen).query)["code"][0]
    _, victim_state = begin(victim, PREFIX + "lab")
    answer = victim.get(f"{PREFIX}oauth_callback?code={code}&state={victim_state}", NAVIGATE)
    # PKCE: the code is bound to the attacker's challenge, so the hub refuses it
    assert CLIENT_ID not in {name for _, name in victim.cookies}
    assert answer.headers["Location"].startswith("/hub/api/oauth2/authorize")


def test_two_tabs_can_sign_in_at_the_same_time(browser: Browser) -> None:
    first, _ = begin(browser, PREFIX + "lab/tree/one")
    second, _ = begin(browser, PREFIX + "lab/tree/two")
    assert str(browser.open(first).url).endswith("/lab/tree/one")
    browser.cookies.pop((PREFIX, CLIENT_ID))
    assert str(browser.open(second).url).endswith("/lab/tree/two")


def test_abandoned_sign_ins_do_not_fill_the_browser_with_cookies(browser: Browser) -> None:
    for _ in range(30):
        begin(browser, PREFIX + "lab")
    assert len(state_cookies(browser)) <= 9


def test_a_next_address_elsewhere_is_not_followed(browser: Browser) -> None:
    browser.open(PREFIX + "lab")
    for target in ("https://evil.test/", "//evil.test/", "/user/bob/", "/user/alice/..%2f..%2fx"):
        answer = browser.get(f"{PREFIX}login?next={target}", NAVIGATE)
        assert answer.headers["Location"] == PREFIX, target


def test_a_sign_out_at_the_hub_counts_at_the_next_request(browser: Browser, hub: FakeHub) -> None:
    browser.open(PREFIX + "lab")
    assert browser.fetch(PREFIX + "api/contents").status_code == 200
    browser.get("/hub/logout", NAVIGATE)
    assert browser.fetch(PREFIX + "api/contents").status_code == 403
    assert browser.cookie(CLIENT_ID) is None


def test_signing_out_here_ends_at_the_hub(browser: Browser) -> None:
    browser.open(PREFIX + "lab")
    answer = browser.get(PREFIX + "logout", NAVIGATE)
    assert answer.headers["Location"] == "/hub/logout"
    assert browser.cookie(CLIENT_ID) is None


def test_tokens_count_in_a_header_but_not_in_an_address(browser: Browser, hub: FakeHub) -> None:
    token = hub.give_token("alice")
    headers = {"Authorization": f"token {token}"}
    assert browser.get(PREFIX + "api/contents", headers).status_code == 200
    assert browser.get(f"{PREFIX}api/contents?token={token}").status_code == 403
    other = {"Authorization": f"Bearer {hub.give_token('mallory')}"}
    assert browser.get(PREFIX + "api/contents", other).status_code == 403
    assert browser.get(PREFIX + "api/contents", {"Authorization": "token no"}).status_code == 403


def test_the_hub_is_asked_once_for_many_requests(browser: Browser, hub: FakeHub) -> None:
    browser.open(PREFIX + "lab")
    before = hub.asked_who
    for _ in range(10):
        assert browser.fetch(PREFIX + "api/kernels").status_code == 200
    assert hub.asked_who == before


def test_a_cookie_alone_neither_writes_nor_reads_by_script(browser: Browser) -> None:
    browser.open(PREFIX + "lab")
    assert browser.fetch(PREFIX + "api/contents", xsrf=False).status_code == 403
    assert browser.fetch(PREFIX + "api/contents", "POST", xsrf=False).status_code == 403
    assert browser.fetch(PREFIX + "api/contents", "POST").status_code == 201


def test_an_xsrf_cookie_planted_by_another_page_is_no_token(browser: Browser) -> None:
    browser.open(PREFIX + "lab")
    browser.cookies[(PREFIX + "api/", "_xsrf")] = "planted"
    browser.cookies[(PREFIX, "_xsrf")] = "planted"
    assert browser.fetch(PREFIX + "api/contents", "POST").status_code == 403


def test_a_tampered_cookie_is_dropped(browser: Browser) -> None:
    browser.open(PREFIX + "lab")
    value = browser.cookie(CLIENT_ID) or ""
    browser.cookies[(PREFIX, CLIENT_ID)] = value[:-4] + "0000"
    assert browser.fetch(PREFIX + "api/contents").status_code == 403
    assert browser.cookie(CLIENT_ID) is None


def test_no_token_reaches_the_log(browser: Browser, hub: FakeHub) -> None:
    browser.open(PREFIX + "lab")
    log = browser.log.read_text()
    assert "signed in" in log
    assert not [token for token in hub.tokens if token in log]
