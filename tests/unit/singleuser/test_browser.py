from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from perijove_singleuser.browser import is_navigation, is_public_https, safe_next

PREFIX = "/user/alice/"


@pytest.mark.parametrize("url", [PREFIX, "/user/alice", "/user/alice/lab/tree/a%20b?x=//y#z"])
def test_a_path_of_this_server_is_kept(url: str) -> None:
    assert safe_next(url, PREFIX) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "lab",
        "https://evil.test/user/alice/",
        "//evil.test/user/alice/",
        "/\\evil.test",
        "/user/alice/\\..\\..",
        "/\tuser/alice/",
        "/user/alicette/",
        "/user/alice/../bob/",
        "/user/alice/%2E%2e/bob/",
        "/user/bob/",
        "javascript:alert(1)",
        "/user/alice/\r\nSet-Cookie: a=b",
    ],
)
def test_anything_else_becomes_the_prefix(url: str) -> None:
    assert safe_next(url, PREFIX) == PREFIX


@given(st.text(alphabet="/\\.:@%2eE?#abuserlic\t", max_size=40).map(lambda tail: "/" + tail))
def test_a_browser_never_leaves_the_server(url: str) -> None:
    landed = urlsplit(urljoin("https://hub.test/", safe_next(url, PREFIX).replace("\\", "/")))
    assert landed.netloc == "hub.test"
    assert (landed.path + "/").startswith(PREFIX)


@pytest.mark.parametrize(
    ("headers", "navigation"),
    [
        ({"Sec-Fetch-Mode": "navigate"}, True),
        ({"Sec-Fetch-Mode": "cors", "Accept": "text/html"}, False),
        ({"Accept": "text/html,*/*"}, True),
        ({"Accept": "application/json"}, False),
        ({"X-Requested-With": "XMLHttpRequest", "Accept": "*/*"}, False),
        ({"Upgrade": "websocket", "Sec-Fetch-Mode": "navigate"}, False),
    ],
)
def test_only_a_page_that_is_opened_is_navigation(headers: dict[str, str], navigation: bool) -> None:
    assert is_navigation("GET", headers) is navigation
    assert is_navigation("POST", headers) is False


def test_the_hubs_own_address_decides_whether_cookies_are_secure() -> None:
    told_http = {"X-Forwarded-Proto": "http"}
    assert is_public_https(("https://hub.test/user/a/", ""), told_http, "http")
    assert not is_public_https(("", "http://hub.test"), {"X-Forwarded-Proto": "https"}, "https")
    assert is_public_https(("", ""), {"X-Forwarded-Proto": "https, http"}, "http")
    assert not is_public_https(("", ""), told_http, "https")
    assert is_public_https(("", ""), {}, "https")
