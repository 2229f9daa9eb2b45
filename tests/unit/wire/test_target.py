"""Addresses that routes lead to."""

import pytest

from perijove.wire.target import BadTargetError, parse_target


@pytest.mark.parametrize(
    ("text", "parsed", "authority"),
    [
        ("http://127.0.0.1:8888", (False, "127.0.0.1", 8888, "", b""), b"127.0.0.1:8888"),
        ("https://hub.example.org", (True, "hub.example.org", 443, "", b""), b"hub.example.org"),
        ("http://[::1]:99/", (False, "::1", 99, "", b""), b"[::1]:99"),
        ("http://h:1/base/", (False, "h", 1, "", b"/base"), b"h:1"),
        ("tunnel://b4-7.x", (False, "localhost", 80, "", b"", "b4-7.x"), b"localhost"),
        ("http+unix://%2Frun%2Fperijove%2Fx.sock", (False, "localhost", 0, "/run/perijove/x.sock", b""), b"localhost"),
        ("unix+http://%2Frun%2Fx.sock/pre", (False, "localhost", 0, "/run/x.sock", b"/pre"), b"localhost"),
    ],
)
def test_targets_are_understood(text: str, parsed: tuple[object, ...], authority: bytes) -> None:
    target = parse_target(text)
    assert tuple(target)[: len(parsed)] == parsed
    assert target.authority == authority


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1:80",
        "ftp://h:1",
        "http://",
        "http://h:99999",
        "http://a b:1",
        "http://h:1/?q",
        "http://user@h:1",
        "http+unix://run%2Fx",
        "http://h:1\r\nX: y",
        "tunnel://",
        "tunnel://a/b",
        "tunnel://../x",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadTargetError):
        parse_target(text)
