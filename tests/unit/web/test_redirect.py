"""A browser is only ever sent on to ourselves."""

import pytest

from perijove.web.redirect import safe_next

HOST = "hub.example.org"


@pytest.mark.parametrize(
    ("target", "goes_to"),
    [
        ("/hub/home", "/hub/home"),
        ("/user/alice/lab?reset#here", "/user/alice/lab?reset#here"),
        ("https://hub.example.org/user/alice/", "/user/alice/"),
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
    result = safe_next(target, HOST)
    assert result == goes_to or (goes_to is None and result is not None and result.startswith("/") and not result.startswith("//"))
