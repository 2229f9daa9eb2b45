"""What the drop-in changes of requests and answers."""

import pytest

from perijove.proxy.deadlines import Deadlines
from perijove.proxy.forwarding import TrustedProxies
from perijove.proxy.http1 import RequestFields
from perijove.proxy.manners import Manners
from perijove.proxy.rewriting import ChpForwarding, Healthy, PublicAddresses, rewrite_location, target_path
from perijove.proxy.settings import Limits
from perijove.proxy.stats import Stats
from perijove.proxy.table import Entry
from perijove.proxy.upstreams import Origin, Upstreams
from perijove.wire.feed import Route
from perijove.wire.target import parse_target

FIELDS = b"Host: hub.example.org:8000\r\nX-Forwarded-For: 192.0.2.1\r\nAccept: a\r\nACCEPT: b\r\n"


def _entry(spec: str, target: str) -> Entry[Origin]:
    return Entry(Route(spec, target), Upstreams(Limits(), Deadlines(), Stats()).origin(target))


def _sent(manners: Manners, trusted: bool = False) -> list[str]:
    forwarding = ChpForwarding("http", TrustedProxies(("10.0.0.0/8",)), manners)
    return forwarding.tail(RequestFields(FIELDS, 1, 10), "10.0.0.1", trusted, False, b"target:99").decode().split("\r\n")


@pytest.mark.parametrize(
    ("asked", "prefix", "prepend", "both", "neither"),
    [
        # include_prefix, prepend_path: on/on, on/off, off/on, off/off
        ("/user/a@b/x?y=1", "/t/user/a@b/x?y=1", "/user/a@b/x?y=1", "/t/x?y=1", "/x?y=1"),
        ("/user/a%40b?y=/user", "/t/user/a%40b?y=/user", "/user/a%40b?y=/user", "/t/?y=/user", "/?y=/user"),
        ("/user/a%40b", "/t/user/a%40b", "/user/a%40b", "/t/", "/"),
        ("/user/a%40b/", "/t/user/a%40b/", "/user/a%40b/", "/t/", "/"),
        ("/user/a@b//x", "/t/user/a@b//x", "/user/a@b//x", "/t//x", "//x"),
    ],
)
def test_paths_with_and_without_the_routes_and_the_targets(asked: str, prefix: str, prepend: str, both: str, neither: str) -> None:
    entry = _entry("/user/a%40b/", "http://127.0.0.1:1/t/")
    told = [
        target_path(Manners(include_prefix=include, prepend_path=path), asked.encode(), entry, entry.place).decode()
        for include, path in ((True, True), (True, False), (False, True), (False, False))
    ]
    assert told == [prefix, prepend, both, neither]


def test_the_prefix_of_a_host_route_is_its_path() -> None:
    entry = _entry("alice.example.org/user/alice/", "http://127.0.0.1:1")
    assert target_path(Manners(include_prefix=False), b"/user/alice/x", entry, entry.place) == b"/x"


@pytest.mark.parametrize(
    ("location", "status", "manners", "becomes"),
    [
        ("http://127.0.0.1:99/x?y#z", 302, Manners(auto_rewrite=True), "http://hub.example.org:8000/x?y#z"),
        ("http://127.0.0.1:99/x", 201, Manners(protocol_rewrite="https"), "https://127.0.0.1:99/x"),
        ("http://127.0.0.1:99/x", 308, Manners(auto_rewrite=True, protocol_rewrite="https"), "https://hub.example.org:8000/x"),
        ("http://127.0.0.1:98/x", 302, Manners(auto_rewrite=True), None),
        ("http://elsewhere/x", 302, Manners(auto_rewrite=True), None),
        ("/x", 302, Manners(auto_rewrite=True), None),
        ("http://127.0.0.1:99/x", 200, Manners(auto_rewrite=True), None),
        ("http://[broken/x", 302, Manners(auto_rewrite=True), None),
    ],
)
def test_redirections_to_the_target_itself_lead_to_where_was_asked(location: str, status: int, manners: Manners, becomes: str | None) -> None:
    head = f"HTTP/1.1 {status} X\r\nA: b\r\nlocation:  {location}\r\nC: d\r\n\r\n"
    changed = rewrite_location(manners, head.encode(), status, parse_target("http://127.0.0.1:99"), b"hub.example.org:8000").decode()
    assert changed == (head if becomes is None else head.replace(location, becomes))


def test_custom_fields_replace_those_of_the_client() -> None:
    sent = _sent(Manners(custom_headers=(("accept", "ours"), ("k", "v"))))
    assert [line for line in sent if line.lower().startswith("accept")] == ["accept: ours"]
    assert "k: v" in sent


def test_the_host_can_be_the_targets() -> None:
    assert [line for line in _sent(Manners(change_origin=True)) if line.startswith("Host")] == ["Host: target:99"]
    assert "X-Forwarded-Host: hub.example.org:8000" in _sent(Manners(change_origin=True))


def test_forwarded_fields_are_left_alone_if_told_so() -> None:
    sent = _sent(Manners(x_forward=False))
    assert "X-Forwarded-For: 192.0.2.1" in sent
    assert not any(line.startswith(("X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "X-Scheme")) for line in sent)


def test_the_word_of_a_load_balancer_counts_and_that_of_a_stranger_does_not() -> None:
    assert "X-Forwarded-For: 192.0.2.1, 10.0.0.1" in _sent(Manners(), trusted=True)
    assert "X-Forwarded-For: 10.0.0.1" in _sent(Manners(), trusted=False)


def test_health_is_asked_at_one_address_and_no_address_is_kept_from_people() -> None:
    addresses = PublicAddresses()
    with pytest.raises(Healthy):
        addresses.parse(b"/_chp_healthz")
    for path in (b"/_chp_healthz?x", b"/_chp_healthz/", b"/hub/perijove/routes"):
        assert addresses.parse(path)[0] == path
