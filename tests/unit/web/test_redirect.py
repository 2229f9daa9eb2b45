"""A browser is only ever sent on to ourselves."""

import pytest

from perijove.web.redirect import counted, safe_next

HOST = "hub.example.org"


@pytest.mark.parametrize(
    ("target", "goes_to"),
    [
        ("/hub/home", "/hub/home"),
        ("/user/alice/lab?reset#here", "/user/alice/lab?reset#here"),
        ("https://hub.example.org/user/alice/", "/user/alice/"),
        ("//hub.example.org/user/alice/", "/user/alice/"),
        ("//hub.example.org//evil.example.com/", "/evil.example.com/"),
        ("///evil.example.com/x", None),
        ("//evil.example.com/x", None),
        ("https://evil.example.com/", None),
        ("https://hub.example.org.evil.com/", None),
        ("https://hub.example.org@evil.com/", None),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("home", None),
        ("", None),
        (None, None),
        ("/\\evil.example.com", "/%5Cevil.example.com"),
        ("\\\\evil.example.com", None),
        ("/a\r\nSet-Cookie: x=y", None),
        ("http://[broken", None),
    ],
)
def test_next_stays_at_home(target: str | None, goes_to: str | None) -> None:
    assert safe_next(target, HOST) == goes_to


@pytest.mark.parametrize(
    ("target", "goes_to"),
    [
        ("https://ada.hub.test:8443/user/ada/lab?reset#here", "https://ada.hub.test:8443/user/ada/lab?reset#here"),
        ("https://ADA.hub.test:8443//user/ada/", "https://ADA.hub.test:8443/user/ada/"),
        ("https://grader--service.hub.test:8443/services/grader/", "https://grader--service.hub.test:8443/services/grader/"),
        ("https://hub.test:8443/hub/home", "/hub/home"),
        ("/user/ada/", "/user/ada/"),
        ("https://ada.hub.test/user/ada/", None),
        ("https://ada.hub.test:8444/user/ada/", None),
        ("http://ada.hub.test:8443/user/ada/", None),
        ("https://evilhub.test:8443/", None),
        ("https://me@ada.hub.test:8443/", None),
        ("https://evil.example.com/.hub.test:8443/", None),
        ("https://evil.example.com\\.hub.test:8443/", None),
        ("https://evil.example.com#.hub.test:8443", None),
        ("https://evil.example.com?.hub.test:8443", None),
        ("https://..hub.test:8443/", None),
        ("https://.hub.test:8443/", None),
        ("//ada.hub.test:8443/user/ada/", None),
        ("https://ada.hub.test:8443.evil.example.com/", None),
        ("ftp://ada.hub.test:8443/", None),
    ],
)
def test_next_leads_to_hosts_below_ours_and_to_no_others(target: str, goes_to: str | None) -> None:
    assert safe_next(target, "hub.test:8443", "https://hub.test:8443") == goes_to


def test_how_often_somebody_was_sent_on_is_counted_once_in_the_query() -> None:
    assert counted("https://ada.hub.test/user/ada/lab?a=1&redirects=2&b=%2F", 3) == "https://ada.hub.test/user/ada/lab?a=1&b=%2F&redirects=3"
