"""What servers are told about clients, and what they are not told."""

import pytest

from perijove.proxy.forwarding import CookieFilter, Forwarding, TrustedProxies
from perijove.proxy.http1 import RequestFields
from perijove.proxy.settings import HUB_COOKIES
from perijove.wire.proxymark import proxy_mark

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


# Behind load balancers: 10.0.0.0/8 and fd00::/8 are ours, everybody else is not.
OURS = ("10.0.0.0/8", "fd00::/8")


@pytest.mark.parametrize(
    ("peer", "said", "chain", "client"),
    [
        ("10.0.0.7", "192.0.2.1", "192.0.2.1, 10.0.0.7", "192.0.2.1"),
        ("10.0.0.7", "192.0.2.1, 10.0.0.8, 10.0.0.9", "192.0.2.1, 10.0.0.8, 10.0.0.9, 10.0.0.7", "192.0.2.1"),
        ("10.0.0.7", "10.0.0.1, 192.0.2.1", "10.0.0.1, 192.0.2.1, 10.0.0.7", "192.0.2.1"),  # the left part is the client's own invention
        ("10.0.0.7", "192.0.2.1, 198.51.100.1, 10.0.0.8", "192.0.2.1, 198.51.100.1, 10.0.0.8, 10.0.0.7", "198.51.100.1"),
        ("10.0.0.7", "192.0.2.1:50000", "192.0.2.1, 10.0.0.7", "192.0.2.1"),  # a port would make each connection another client
        ("10.0.0.7", "[2001:DB8::1]:50000", "2001:db8::1, 10.0.0.7", "2001:db8::1"),
        ("fd00::7", "2001:db8::1,[fd00::8]", "2001:db8::1, fd00::8, fd00::7", "2001:db8::1"),
        ("10.0.0.7", "192.0.2.1, unknown", "192.0.2.1, unknown, 10.0.0.7", "10.0.0.7"),  # who speaks to a hidden hop is anybody's guess
        ("10.0.0.7", "unknown", "unknown, 10.0.0.7", "10.0.0.7"),
        ("10.0.0.7", "192.0.2.1, <script>", "192.0.2.1, unknown, 10.0.0.7", "10.0.0.7"),
        ("10.0.0.7", "", "10.0.0.7", "10.0.0.7"),
        ("10.0.0.7", " , ,", "10.0.0.7", "10.0.0.7"),
        ("10.0.0.7", "10.0.0.1, 10.0.0.2", "10.0.0.1, 10.0.0.2, 10.0.0.7", "10.0.0.1"),  # somebody on one of our own machines
        ("::ffff:10.0.0.7", "192.0.2.1", "192.0.2.1, ::ffff:10.0.0.7", "192.0.2.1"),
        ("192.0.2.9", "6.6.6.6", "192.0.2.9", "192.0.2.9"),
        ("fe80::1%eth0", "6.6.6.6", "fe80::1%eth0", "fe80::1%eth0"),
    ],
)
def test_the_client_is_the_nearest_address_that_is_not_ours(peer: str, said: str, chain: str, client: str) -> None:
    seen = tail(b"Host: h", b"X-Forwarded-For: " + said.encode(), peer=peer, networks=OURS)
    assert (seen[b"x-forwarded-for"], seen[b"x-real-ip"]) == ([chain.encode()], [client.encode()])


@pytest.mark.parametrize(
    ("lines", "proto", "host", "port"),
    [
        ((b"X-Forwarded-Proto: https",), b"https", b"h:81", b"81"),
        ((b"X-Forwarded-Proto: HTTPS", b"X-Forwarded-Host: a.example"), b"https", b"a.example", b"443"),
        ((b"X-Forwarded-For: 192.0.2.1, 10.0.0.8", b"X-Forwarded-Proto: https, http", b"X-Forwarded-Host: a.example, b.internal:9"), b"https", b"a.example", b"443"),
        ((b"X-Forwarded-For: 6.6.6.6, 192.0.2.1", b"X-Forwarded-Proto: https", b"X-Forwarded-Proto: http"), b"http", b"h:81", b"81"),
        ((b"X-Forwarded-For: 192.0.2.1", b"X-Forwarded-Proto: https, http"), b"http", b"h:81", b"81"),
        ((b"X-Scheme: https",), b"https", b"h:81", b"81"),
        ((b"X-Forwarded-Proto: wss", b"X-Forwarded-Host: a b", b"X-Forwarded-Port: 65536"), b"http", b"h:81", b"81"),
        ((b"X-Forwarded-Proto:", b"X-Forwarded-Host:", b"X-Forwarded-Port: -1"), b"http", b"h:81", b"81"),
        ((b"X-Forwarded-Host: [2001:db8::1]", b"X-Forwarded-Port: 8443"), b"http", b"[2001:db8::1]", b"8443"),
        ((b'Forwarded: for=192.0.2.1;proto=https;host="a.example:8443", for=10.0.0.8;proto=http;host=b',), b"https", b"a.example:8443", b"8443"),
        ((b"Forwarded: for=192.0.2.1;proto=https", b"X-Forwarded-For: 192.0.2.1"), b"http", b"h:81", b"81"),
    ],
)  # fmt: skip
def test_scheme_host_and_port_are_what_the_clients_own_hop_saw(lines: tuple[bytes, ...], proto: bytes, host: bytes, port: bytes) -> None:
    seen = tail(b"Host: h:81", *lines, peer="10.0.0.7", networks=OURS)
    assert (seen[b"x-forwarded-proto"], seen[b"x-scheme"], seen[b"x-forwarded-host"], seen[b"x-forwarded-port"]) == ([proto], [proto], [host], [port])


def with_forwarded(*lines: bytes, peer: str, networks: tuple[str, ...] = OURS) -> list[str]:
    trusted = TrustedProxies(networks)
    fields = RequestFields(b"".join(line + b"\r\n" for line in (b"Host: h:81", *lines)), 1, 100)
    sent = Forwarding("https", trusted, COOKIES, forwarded=True).tail(fields, peer, trusted.trusts(peer), False, b"t").decode()
    return [line.partition(": ")[2] for line in sent.split("\r\n") if line.startswith("Forwarded:")]


@pytest.mark.parametrize(
    ("lines", "peer", "value"),
    [
        ((), "192.0.2.1", 'for=192.0.2.1;host="h:81";proto=https'),
        ((), "2001:db8::1", 'for="[2001:db8::1]";host="h:81";proto=https'),
        ((), "", 'for=unknown;host="h:81";proto=https'),
        ((b"Forwarded: for=6.6.6.6;proto=http",), "192.0.2.1", 'for=192.0.2.1;host="h:81";proto=https'),
        ((b"X-Forwarded-For: 6.6.6.6, [2001:db8::1]:9, x", b"X-Forwarded-Proto: http"), "10.0.0.7",
         'for=6.6.6.6, for="[2001:db8::1]", for=unknown;host="h:81";proto=http, for=10.0.0.7'),
        ((b"Forwarded: for=6.6.6.6", b"X-Forwarded-For: 192.0.2.1"), "10.0.0.7", 'for=192.0.2.1;host="h:81";proto=https, for=10.0.0.7'),
        ((b'Forwarded: for="[2001:db8::1]";proto=http', b"Forwarded: for=10.0.0.8"), "10.0.0.7",
         'for="[2001:db8::1]";host="h:81";proto=http, for=10.0.0.8, for=10.0.0.7'),
    ],
)  # fmt: skip
def test_forwarded_says_the_same_as_the_x_fields(lines: tuple[bytes, ...], peer: str, value: str) -> None:
    assert with_forwarded(*lines, peer=peer) == [value]


def test_forwarded_is_not_sent_unless_wanted() -> None:
    assert b"forwarded" not in tail(b"Host: h", b"Forwarded: for=1.1.1.1", peer="10.0.0.7", networks=OURS)


def test_a_network_may_be_written_with_the_address_of_a_machine_in_it() -> None:
    assert TrustedProxies(("10.0.0.7/8",)).trusts("10.9.9.9")


def test_only_hubs_are_shown_that_a_request_came_through_this_proxy() -> None:
    fields = RequestFields(b"Host: h\r\nX-Perijove-Proxy: forged\r\nX_Perijove_Proxy: forged\r\n", 1, 100)
    forwarding = Forwarding("http", TrustedProxies(()), COOKIES, proxy_mark("secret"))
    to_hub, to_server = (forwarding.tail(fields, "192.0.2.1", False, hub, b"t").lower() for hub in (True, False))
    assert to_hub.count(b"x-perijove-proxy: " + proxy_mark("secret").encode() + b"\r\n") == 1
    assert b"perijove-proxy" not in to_server
    assert b"forged" not in to_hub + to_server
    assert b"secret" not in to_hub
