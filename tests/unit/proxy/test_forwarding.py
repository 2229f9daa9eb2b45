"""What servers are told about clients, and what they are not told."""

import pytest

from perijove.proxy.forwarding import CookieFilter, Forwarding, TrustedProxies
from perijove.proxy.http1 import RequestFields
from perijove.proxy.settings import HUB_COOKIES

COOKIES = CookieFilter(HUB_COOKIES)


def tail(
    *lines: bytes, peer: str = "9.9.9.9", networks: tuple[str, ...] = (), to_hub: bool = False, minor: int = 1, scheme: str = "http"
) -> dict[bytes, list[bytes]]:
    trusted = TrustedProxies(networks)
    fields = RequestFields(b"".join(line + b"\r\n" for line in lines), minor, 100)
    sent = Forwarding(scheme, trusted, COOKIES).tail(fields, peer, trusted.trusts(peer), to_hub, b"target:1")
    seen: dict[bytes, list[bytes]] = {}
    for line in sent.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b": ")
        seen.setdefault(name.lower(), []).append(value)
    return seen


CLAIMS = (
    b"Host: hub.example.org:8443", b"X-Forwarded-For: 1.1.1.1, 2.2.2.2", b"X-Forwarded-Proto: https", b"X-Forwarded-Host: evil.example", b"X-Forwarded-Port: 1",
    b"X-Real-IP: 1.1.1.1", b"X-Scheme: https", b"Forwarded: for=1.1.1.1", b"X_Forwarded_For: 1.1.1.1", b"X-Forwarded_Proto: https", b"x-forwarded-prefix: /evil",
)  # fmt: skip


def test_claims_of_an_unknown_client_about_itself_are_replaced() -> None:
    assert tail(*CLAIMS) == {
        b"host": [b"hub.example.org:8443"], b"x-forwarded-for": [b"9.9.9.9"], b"x-real-ip": [b"9.9.9.9"], b"x-forwarded-proto": [b"http"], b"x-scheme": [b"http"],
        b"x-forwarded-host": [b"hub.example.org:8443"], b"x-forwarded-port": [b"8443"], b"via": [b"1.1 perijove"],
    }  # fmt: skip


def test_a_trusted_proxy_is_believed_and_appended_to() -> None:
    seen = tail(*CLAIMS[:5], peer="10.0.0.7", networks=("10.0.0.0/8", "2.2.2.0/24"))
    assert seen[b"x-forwarded-for"] == [b"1.1.1.1, 2.2.2.2, 10.0.0.7"]
    assert seen[b"x-real-ip"] == [b"1.1.1.1"], "the nearest address that is no proxy of ours"
    assert seen[b"x-forwarded-proto"] == seen[b"x-scheme"] == [b"https"]
    assert seen[b"x-forwarded-host"] == [b"evil.example"]
    assert seen[b"x-forwarded-port"] == [b"1"]


def test_of_a_chain_only_what_our_proxies_wrote_names_the_client() -> None:
    seen = tail(b"Host: h", b"X-Forwarded-For: 6.6.6.6, 7.7.7.7", peer="10.0.0.7", networks=("10.0.0.0/8",))
    assert seen[b"x-real-ip"] == [b"7.7.7.7"]


def test_a_trusted_proxy_cannot_bring_in_a_scheme_of_its_own() -> None:
    assert tail(b"Host: h", b"X-Forwarded-Proto: javascript", peer="10.0.0.7", networks=("10.0.0.0/8",))[b"x-forwarded-proto"] == [b"http"]


@pytest.mark.parametrize(
    ("peer", "networks", "trusted"),
    [
        ("10.1.2.3", ("10.0.0.0/8",), True), ("11.1.2.3", ("10.0.0.0/8",), False), ("::1", ("::1",), True), ("::ffff:10.0.0.1", ("10.0.0.0/8",), True),
        ("", ("10.0.0.0/8",), False), ("", ("unix:",), True), ("garbage", ("0.0.0.0/0",), False), ("10.0.0.1", (), False),
    ],
)  # fmt: skip
def test_trust_goes_by_network(peer: str, networks: tuple[str, ...], trusted: bool) -> None:
    assert TrustedProxies(networks).trusts(peer) is trusted


@pytest.mark.parametrize(
    ("host", "scheme", "port"),
    [(b"h", "http", b"80"), (b"h", "https", b"443"), (b"h:81", "https", b"81"), (b"[::1]", "http", b"80"), (b"[::1]:9", "http", b"9")],
)
def test_the_port_is_that_of_the_address_typed(host: bytes, scheme: str, port: bytes) -> None:
    assert tail(b"Host: " + host, scheme=scheme)[b"x-forwarded-port"] == [port]


def test_an_old_client_without_a_host_gets_that_of_the_target() -> None:
    assert tail(minor=0)[b"host"] == [b"target:1"]


COOKIE = b'Cookie: a=1; perijove-session=SECRET; jupyterhub-user-x="2|1"; __Host-perijove-session=SECRET;jupyterhub-hub-login=SECRET; my-perijove-session=2'


def test_the_hubs_own_cookies_never_reach_a_server() -> None:
    seen = tail(b"Host: h", COOKIE, b"cookie:perijove-session=SECRET", b"Cookie: perijove-session", b"Cookie: b=2")
    assert seen[b"cookie"] == [b'a=1; jupyterhub-user-x="2|1"; my-perijove-session=2', b"b=2"]


def test_the_hub_gets_its_cookies() -> None:
    assert tail(b"Host: h", COOKIE, to_hub=True)[b"cookie"] == [COOKIE[8:]]


@pytest.mark.parametrize(
    "value", [b"perijove-session\t=SECRET", b" \t perijove-session=SECRET", b"a=b;;perijove-session=SECRET;", b"a=b ; \tperijove-session =SECRET"]
)
def test_no_spelling_of_a_cookie_slips_through(value: bytes) -> None:
    assert b"SECRET" not in b"".join(tail(b"Host: h", b"Cookie:" + value).get(b"cookie", []))


def test_other_cookies_pass_byte_for_byte() -> None:
    line = b'a="x;y" ;b=  2;;c'
    assert tail(b"Host: h", b"Cookie: " + line)[b"cookie"] == [line]


def test_an_upgrade_is_asked_for_again_at_the_next_hop() -> None:
    seen = tail(b"Host: h", b"Connection: keep-alive, Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: x")
    assert seen[b"connection"] == [b"Upgrade"]
    assert seen[b"upgrade"] == [b"websocket"]
    assert seen[b"sec-websocket-key"] == [b"x"]
