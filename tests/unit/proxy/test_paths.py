"""No spelling of an address leads where it does not seem to lead."""

import pytest

from perijove.proxy.http1 import PLAIN_LINE, Refused
from perijove.proxy.paths import Addresses


@pytest.mark.parametrize(
    "path",
    [
        "hub/perijove",
        "hub/perijove/",
        "hub/perijove/routes?x",
        "hub%2Fperijove/routes",
        "hub/%70erijove/routes",
        "/hub//perijove/",
        "hub/perijove%2Froutes",
    ],
)
@pytest.mark.parametrize("base", ["/", "/jupyter/"])
@pytest.mark.parametrize("before", ["", "http://any.host"])
def test_internal_addresses_are_not_to_be_reached_from_outside(path: str, base: str, before: str) -> None:
    with pytest.raises(Refused) as refused:
        Addresses(base).parse((before + base + path).encode())
    assert refused.value.status == 404


@pytest.mark.parametrize("path", ["/hub/perijove-theme/", "/hub/perijovex", "/user/hub/perijove/", "/hub/Perijove/", "/hub/home?next=/hub/perijove/"])
def test_addresses_that_only_look_similar_are_let_through(path: str) -> None:
    assert Addresses("/").parse(path.encode())[0] == path.encode()


@pytest.mark.parametrize("path", ["/user/a/../b/", "/..", "/user/a/%2e%2e/b/", "/user/a/.%2E/", "/user/a%2F..%2Fb", "/./x", "/x/.", "/a%00b",
                                  "/a/..\\b", "/a\\../b", "/a%5c..%5Cb", "/a/..;/b", "/a/..;x=y/b", "/a/%2e%2e%3Bx", "/a\\.."])  # fmt: skip
def test_a_path_that_climbs_is_refused(path: str) -> None:
    with pytest.raises(Refused) as refused:
        Addresses("/").parse(path.encode())
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "path", ["/user/a/files/.hidden", "/user/a/...", "/a..b", "/x?y=/../z", "/user/a%20b/%E2%82%AC", "/%", "/a%zz", "/a\\b", "/a..;x/b", "/a;/b"]
)
def test_other_dots_and_percents_pass_byte_for_byte(path: str) -> None:
    assert Addresses("/").parse(path.encode()) == (path.encode(), path.encode().partition(b"?")[0], None)


def test_what_is_not_ascii_is_sent_on_encoded() -> None:
    assert Addresses("/").parse("/é?ü=\xff".encode("latin-1")) == (b"/%E9?%FC=%FF", b"/%E9", None)
    assert PLAIN_LINE.match("GET /é HTTP/1.1\r\n".encode()) is None
    assert PLAIN_LINE.match("GET /?é HTTP/1.1\r\n".encode()) is None
    assert PLAIN_LINE.match(b"GET /a\\b HTTP/1.1\r\n") is None


def test_an_absolute_target_is_made_one_of_origin_form() -> None:
    assert Addresses("/").parse(b"http://h:8000/a?b=1") == (b"/a?b=1", b"/a", b"h:8000")
    assert Addresses("/").parse(b"HTTP://h") == (b"/", b"/", b"h")
    assert Addresses("/").parse(b"http://h?x") == (b"/?x", b"/", b"h")


@pytest.mark.parametrize("base", ["", "jupyter/", "/jupyter"])
def test_a_base_url_that_would_open_the_internal_addresses_is_refused(base: str) -> None:
    with pytest.raises(ValueError, match="slash"):
        Addresses(base)


@pytest.mark.parametrize("target", [b"*", b"x", b"h:443", b"http:///x", b"ftp://h/x", b"http://user@h/"])
def test_other_targets_are_refused(target: bytes) -> None:
    with pytest.raises(Refused):
        Addresses("/").parse(target)
