"""People keep working while no hub answers, and nobody new comes in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .fake_hub import CLIENT_ID, FakeHub
from .running_server import NAVIGATE, PREFIX, Browser, running


@pytest.fixture(scope="module")
def shared_server(shared_hub: FakeHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A server that trusts what it knows of a visitor for no time at all."""
    home = tmp_path_factory.mktemp("home")
    with running(shared_hub, home, PERIJOVE_SINGLEUSER_IDENTITY_MAX_AGE="0") as browser:
        yield browser


@pytest.fixture(params=["answers 503", "refuses connections"])
def outage(request: pytest.FixtureRequest, hub: FakeHub, browser: Browser) -> Iterator[FakeHub]:
    browser.open(PREFIX + "lab")
    if request.param == "answers 503":
        hub.answers = 503
        yield hub
    else:
        hub.hang_up()
        yield hub
        hub.listen()


def test_a_known_person_keeps_working(browser: Browser, outage: FakeHub) -> None:
    assert browser.open(PREFIX + "lab").status_code == 200
    assert browser.fetch(PREFIX + "api/contents").status_code == 200
    assert browser.fetch(PREFIX + "api/contents", "POST").status_code == 201


def test_a_new_visitor_gets_a_page_that_says_what_to_do(browser: Browser, outage: FakeHub) -> None:
    page = browser.another().open(PREFIX + "lab")
    assert page.status_code == 503
    assert "Try again" in page.text
    assert page.headers["Retry-After"]


def test_a_cookie_the_server_does_not_know_is_kept_for_later(browser: Browser, outage: FakeHub) -> None:
    # another session of the same browser: nobody the hub confirmed
    browser.cookies[("/", "jupyterhub-session-id")] = "another"
    assert browser.fetch(PREFIX + "api/contents").status_code == 503
    assert browser.open(PREFIX + "lab").status_code == 503
    assert browser.cookie(CLIENT_ID) is not None


def test_public_answers_do_not_need_the_hub(browser: Browser, outage: FakeHub) -> None:
    browser.cookies[("/", "jupyterhub-session-id")] = "another"
    assert browser.fetch(PREFIX + "api").status_code == 200
    assert browser.get(PREFIX + "logout", NAVIGATE).headers["Location"] == "/hub/logout"


def test_a_sign_out_during_an_outage_counts_when_the_hub_is_back(browser: Browser, hub: FakeHub) -> None:
    browser.open(PREFIX + "lab")
    hub.answers = 503
    assert browser.fetch(PREFIX + "api/contents").status_code == 200
    hub.tokens = {token: owner for token, owner in hub.tokens.items() if not owner[1]}
    browser.cookies.pop(("/", "jupyterhub-session-id"))
    hub.answers = 200
    assert browser.fetch(PREFIX + "api/contents").status_code == 403
