"""One way to name a route, whatever way it is spelled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.wire.names import server_prefix
from perijove.wire.routespec import BadRouteSpecError, host_without_port, parse_routespec


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/user/a@b/", "/user/a%40b/"),
        ("/user/alice", "/user/alice/"),
        ("Alice.Example.org/user/alice/", "alice.example.org/user/alice/"),
        ("/user/%C3%A9/", "/user/é/".encode().decode("latin-1").encode("latin-1").decode()),
    ],
)
def test_spellings_of_one_route_are_equal(one: str, other: str) -> None:
    assert parse_routespec(one) == parse_routespec(other)


def test_an_encoded_slash_stays_within_its_segment() -> None:
    assert parse_routespec("/user/a%2Fb/").segments == (b"user", b"a/b")
    assert parse_routespec("/user/a%2Fb/") != parse_routespec("/user/a/b/")


def test_the_root_and_a_host_have_no_segments() -> None:
    assert parse_routespec("/") == (b"", ())
    assert parse_routespec("alice.example.org/") == (b"alice.example.org", ())


@pytest.mark.parametrize(
    "text", ["", "user", "//", "/user//x/", "/user/../x/", "/user/%2e%2e/", "/a/./", "a b/x/", "/x?y", "/x#y", "/%00/", "/" + "x" * 5000, "@host/x/"]
)
def test_what_is_no_prefix_is_refused(text: str) -> None:
    with pytest.raises(BadRouteSpecError):
        parse_routespec(text)


@given(st.text(min_size=1, max_size=40).filter(lambda name: name not in {".", ".."} and name.isprintable()))
def test_every_person_has_a_route_of_their_own(name: str) -> None:
    assert parse_routespec(server_prefix("/", name, "")).segments == (b"user", name.encode())


@pytest.mark.parametrize(
    ("host", "bare"),
    [(b"Hub.example.org:8000", b"hub.example.org"), (b"[::1]:80", b"[::1]"), (b"[::1]", b"[::1]"), (b"h", b"h"), (b"", b""), (b":80", b"")],
)
def test_the_port_is_no_part_of_a_host(host: bytes, bare: bytes) -> None:
    assert host_without_port(host) == bare
