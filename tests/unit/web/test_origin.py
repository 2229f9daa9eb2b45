"""Cookies come along unasked; a request must show that the person meant it."""

from perijove.web.origin import foreign, needs_token, page_token, token_fits


def test_another_site_is_told_by_either_header() -> None:
    assert foreign({"sec-fetch-site": "cross-site"}, "hub.example.org")
    assert foreign({"sec-fetch-site": "same-site"}, "hub.example.org")
    assert foreign({"origin": "https://evil.example.org"}, "hub.example.org")
    assert foreign({"origin": "null"}, "hub.example.org")
    assert foreign({"origin": "http://["}, "hub.example.org")


def test_our_own_pages_and_typed_addresses_are_not_foreign() -> None:
    assert not foreign({"sec-fetch-site": "same-origin", "origin": "https://hub.example.org"}, "hub.example.org")
    assert not foreign({"sec-fetch-site": "none"}, "hub.example.org")
    assert not foreign({}, "hub.example.org")


def test_opening_a_page_needs_no_token_but_scripts_and_changes_do() -> None:
    assert not needs_token("GET", {"sec-fetch-mode": "navigate"})
    assert not needs_token("GET", {})
    assert needs_token("GET", {"sec-fetch-mode": "cors"})
    assert needs_token("GET", {"sec-fetch-mode": "same-origin"})
    assert needs_token("POST", {"sec-fetch-mode": "navigate"})
    assert needs_token("DELETE", {})


def test_the_page_token_fits_only_the_cookie_it_was_made_for() -> None:
    token = page_token(b"k" * 32, "cookie")
    assert token_fits(token, page_token(b"k" * 32, "cookie"))
    assert not token_fits(token, page_token(b"k" * 32, "other"))
    assert not token_fits(None, token)
    assert not token_fits("é", token)
