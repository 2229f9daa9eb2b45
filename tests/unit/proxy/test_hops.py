"""What proxies before ours say about the client, in each way it is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.proxy.hops import Told, is_host, is_port, of_hop, read_forwarded, read_hop, told, write_forwarded


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"), ("192.0.2.1:4711", "192.0.2.1"), ("2001:DB8::1", "2001:db8::1"), ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:80", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"), ("unknown", "unknown"), ("_hidden", "unknown"), ("", "unknown"), ("192.0.2.1:", "unknown"), ("192.0.2", "unknown"),
        ("192.0.2.01", "unknown"), ("[192.0.2.1", "unknown"), ("2001:db8::1]:80", "unknown"), ("example.org", "unknown"), ("192.0.2.1 x", "unknown"), ("1", "unknown"),
        ("fe80::1%eth0", "unknown"), ("192.0.2.1\r\nX: y", "unknown"),
    ],
)  # fmt: skip
def test_a_hop_is_an_address_or_unknown(text: str, address: str) -> None:
    assert read_hop(text) == address


@given(st.text())
def test_whatever_a_hop_is_it_is_written_safely(text: str) -> None:
    assert set(read_hop(text)) <= set("0123456789abcdef.:unkow")


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("for=192.0.2.43, for=198.51.100.17", [{"for": "192.0.2.43"}, {"for": "198.51.100.17"}]),
        ('For="[2001:db8:cafe::17]:4711";proto=HTTP;by=203.0.113.43', [{"for": "[2001:db8:cafe::17]:4711", "proto": "HTTP", "by": "203.0.113.43"}]),
        ('for="a\\"b,;c" ; host=h ,for=_x', [{"for": 'a"b,;c', "host": "h"}, {"for": "_x"}]),
        ("for=1;for=2", []), ("for=[::1]", []), ('for="open', []), ("for", []), ("for=a for=b", []), ("", []), ("for=a,\r\nx", []), ("for =a", []),
    ],
)  # fmt: skip
def test_forwarded_is_read_as_rfc_7239_writes_it_or_not_at_all(text: str, elements: list[dict[str, str]]) -> None:
    assert read_forwarded(text) == elements


@given(st.lists(st.one_of(st.just("unknown"), st.ip_addresses().map(lambda address: read_hop(str(address)))), min_size=1), st.integers(0, 5))
def test_what_is_written_can_be_read(chain: list[str], at: int) -> None:
    elements = read_forwarded(write_forwarded(chain, at, "https", "h:8443"))
    assert [read_hop(element["for"]) for element in elements] == chain
    assert [element.get("host") for element in elements] == ["h:8443" if place == at else None for place in range(len(chain))]


@given(st.text())
def test_reading_never_fails(text: str) -> None:
    read_forwarded(text)
    is_host(text)
    is_port(text)


def fields(*lines: tuple[str, str]) -> list[tuple[bytes, bytes, int, int]]:
    return [(name.encode(), value.encode(), 0, 0) for name, value in lines]


def test_the_x_fields_win_over_forwarded() -> None:
    both = fields(("forwarded", "for=6.6.6.6;proto=https"), ("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", " ,192.0.2.2"))
    assert told(both) == Told(("192.0.2.1", "192.0.2.2"))
    assert told(both[:1]) == Told(("6.6.6.6",), ("https",), ("",))


def test_a_lone_x_real_ip_counts() -> None:
    assert told(fields(("x-real-ip", "192.0.2.1"))).addresses == ("192.0.2.1",)
    assert told(fields(("x-real-ip", "192.0.2.1"), ("x-forwarded-for", "192.0.2.2"))).addresses == ("192.0.2.2",)


def test_a_word_belongs_to_its_hop_where_each_has_one_and_else_to_the_last() -> None:
    assert [of_hop(("https", "http"), hop, 2) for hop in (0, 1)] == ["https", "http"]
    assert of_hop(("https", "http"), 0, 3) == "http"
    assert not of_hop((), 0, 1)
