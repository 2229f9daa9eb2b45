"""HAProxy's PROXY protocol, both versions."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.proxy.proxyprotocol import SIGNATURE, BadPreambleError, Preamble, crc32c, parse_preamble

IPV4 = bytes([192, 0, 2, 1, 10, 0, 0, 1]) + (40000).to_bytes(2, "big") + (443).to_bytes(2, "big")
IPV6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7") + bytes(16) + bytes(4)


def version_2(kind: int, body: bytes, command: int = 0x21, length: int | None = None) -> bytes:
    return SIGNATURE + bytes([command, kind]) + (len(body) if length is None else length).to_bytes(2, "big") + body


def extra(kind: int, value: bytes) -> bytes:
    return bytes([kind]) + len(value).to_bytes(2, "big") + value


def with_checksum(body: bytes, after: bytes = b"", wrong: int = 0) -> bytes:
    blank = version_2(0x11, body + extra(3, bytes(4)) + after)
    at = 16 + len(body) + 3
    return blank[:at] + (crc32c(blank) ^ wrong).to_bytes(4, "big") + blank[at + 4 :]


GOOD = {
    "v1 IPv4": (b"PROXY TCP4 192.0.2.1 10.0.0.1 40000 443\r\n", "192.0.2.1", False),
    "v1 IPv6": (b"PROXY TCP6 2001:DB8:0::7 ::1 40000 443\r\n", "2001:db8::7", False),
    "v1 longest": (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535".ljust(105, b"x") + b"\r\n", "", False),
    "v1 unknown": (b"PROXY UNKNOWN\r\n", "", False),
    "v2 IPv4": (version_2(0x11, IPV4), "192.0.2.1", False),
    "v2 IPv6": (version_2(0x21, IPV6), "2001:db8::7", False),
    "v2 extras": (version_2(0x11, IPV4 + extra(1, b"h2") + extra(0xEA, b"\x01vpce-123") + extra(4, b"")), "192.0.2.1", False),
    "v2 checksum": (with_checksum(IPV4 + extra(2, b"host"), extra(4, b"\0\0")), "192.0.2.1", False),
    "v2 local": (version_2(0x00, b"", command=0x20), "", True),
    "v2 local with anything": (version_2(0x11, b"\xff\xff", command=0x20), "", True),
    "v2 unix": (version_2(0x31, bytes(216)), "", False),
    "v2 datagrams": (version_2(0x12, IPV4), "", False),
    "v2 not told": (version_2(0x00, b"anything"), "", False),
}  # fmt: skip
BAD = {
    "http": b"GET / HTTP/1.1\r\n", "tls": b"\x16\x03\x01", "small letters": b"proxy TCP4", "too long": b"PROXY UNKNOWN ".ljust(107, b"x") + b"\r\n",
    "v1 bare LF": b"PROXY UNKNOWN\n", "v1 CR inside": b"PROXY UNKNOWN \rx\r\n", "v1 kind": b"PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n",
    "v1 unknown glued": b"PROXY UNKNOWNX\r\n",
    "v1 spaces": b"PROXY TCP4  1.1.1.1 1.1.1.1 1 1\r\n", "v1 no ports": b"PROXY TCP4 1.1.1.1 1.1.1.1\r\n", "v1 port": b"PROXY TCP4 1.1.1.1 1.1.1.1 1 65536\r\n",
    "v1 leading zero": b"PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n", "v1 octal": b"PROXY TCP4 010.1.1.1 1.1.1.1 1 1\r\n", "v1 short": b"PROXY TCP4 1.1.1 1.1.1.1 1 1\r\n",
    "v1 other family": b"PROXY TCP4 ::1 ::1 1 1\r\n", "v1 target": b"PROXY TCP6 ::1 1.1.1.1 1 1\r\n", "v1 more": b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n",
    "v2 version": version_2(0x11, IPV4, command=0x11), "v2 command": version_2(0x11, IPV4, command=0x22), "v2 family": version_2(0x41, IPV4),
    "v2 protocol": version_2(0x13, IPV4),
    "v2 short": version_2(0x21, IPV4), "v2 extra cut": version_2(0x11, IPV4 + b"\x01\x00"), "v2 extra beyond": version_2(0x11, IPV4 + b"\x01\x00\x05abc"),
    "v2 checksum wrong": with_checksum(IPV4, wrong=1), "v2 checksum size": version_2(0x11, IPV4 + extra(3, b"abc")),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_what_is_said_is_understood_and_the_clients_bytes_are_left(name: str) -> None:
    said, address, local = GOOD[name]
    assert parse_preamble(said + b"\x16\x03\x01GET /") == Preamble(len(said), address, local=local)


@pytest.mark.parametrize(
    ("value", "secure"), [(b"\x01\0\0\0\0" + extra(0x21, b"TLSv1.3"), True), (b"\0\0\0\0\0", False), (b"", False), (b"\x07", True)]
)
def test_it_may_tell_that_the_client_came_by_tls(value: bytes, secure: bool) -> None:
    preamble = parse_preamble(version_2(0x11, IPV4 + extra(0x20, value)))
    assert preamble is not None
    assert preamble.secure is secure


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_understood_word_for_word_is_refused(name: str) -> None:
    with pytest.raises(BadPreambleError):
        parse_preamble(BAD[name])


def test_the_checksum_is_castagnolis() -> None:
    assert crc32c(b"123456789") == 0xE3069283


def outcome(data: bytes) -> Preamble | str | None:
    try:
        return parse_preamble(data)
    except BadPreambleError as error:
        return str(error)


@st.composite
def nearly_right(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from([said for said, _, _ in GOOD.values()] + list(BAD.values()))))
    for _ in range(draw(st.integers(0, 3))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data) + draw(st.binary(max_size=20))


@given(st.one_of(st.binary(max_size=300), nearly_right(), st.binary(max_size=300).map(lambda data: SIGNATURE + data)))
def test_nothing_but_a_refusal_is_raised_and_cuts_change_nothing(data: bytes) -> None:
    final = outcome(data)
    for end in range(len(data)):
        so_far = outcome(data[:end])
        assert so_far is None or so_far == final, f"after {end} bytes it was decided otherwise"


def test_there_is_an_end_to_waiting() -> None:
    for kind in (0x11, 0x21, 0x31, 0x00):
        assert outcome(version_2(kind, bytes(65535))) is not None
    assert outcome(b"PROXY UNKNOWN ".ljust(107)) is not None
