"""Heads: what is well-formed passes, what could be read in two ways does not."""

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from perijove.proxy.http1 import NO_LENGTH, PLAIN_ANSWER, PLAIN_LINE, Refused, RequestFields, ResponseHead, check_partial_head, parse_request_line


def parse(raw: bytes) -> RequestFields:
    """As the door does it."""
    line = parse_request_line(raw)
    end = raw.find(b"\r\n\r\n")
    assert end >= 0
    return RequestFields(raw[line.end() : end + 2], int(line[3]), 100)


SMUGGLED = {
    "two lengths": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "the same length twice": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
    "a list of lengths": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\n",
    "a length with a sign": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\n",
    "a negative length": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
    "a length in hexadecimal": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x10\r\n\r\n",
    "an empty length": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n",
    "a length beyond all bounds": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "length and coding": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "coding and length": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
    "two codings": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
    "a list of codings": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "chunked not last": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
    "an unknown coding": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n",
    "a quoted coding": b'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "chunked"\r\n\r\n',
    "a vertical tab in the coding": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \x0bchunked\r\n\r\n",
    "a space before the colon": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n",
    "a tab before the colon": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length\t: 1\r\n\r\n",
    "a folded line": b"POST / HTTP/1.1\r\nHost: h\r\nX: a\r\n Transfer-Encoding: chunked\r\n\r\n",
    "a space before the first field": b"POST / HTTP/1.1\r\n Host: h\r\n\r\n",
    "a bare CR": b"POST / HTTP/1.1\r\nHost: h\r\nX: a\rContent-Length: 1\r\n\r\n",
    "a bare LF": b"POST / HTTP/1.1\r\nHost: h\r\nX: a\nContent-Length: 1\r\n\r\n",
    "a bare LF after the first line": b"POST / HTTP/1.1\nHost: h\r\n\r\n",
    "a NUL": b"POST / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n",
    "no colon": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length\r\n\r\n",
    "an empty name": b"POST / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n",
    "no Host": b"POST / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "the same Host twice": b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
    "a Host with a path": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "a Host with a user": b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "a Host with a space": b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "two spaces in the first line": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tab in the first line": b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "a fragment in the target": b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
    "a version with a space after it": b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
    "a version in small letters": b"GET / http/1.1\r\nHost: a\r\n\r\n",
    "no version": b"GET /\r\nHost: a\r\n\r\n",
    "coding in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a malformed Connection": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep alive\r\n\r\n",
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_a_request_that_can_be_read_in_two_ways_is_refused(name: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(SMUGGLED[name])
    assert refused.value.status in {400, 501}


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 101 + b"\r\n", 431),
    ],
)
def test_the_status_says_what_is_wrong(raw: bytes, status: int) -> None:
    with pytest.raises(Refused) as refused:
        parse(raw)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),  # a TLS client that knocks at a plain door
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET /x\r\n", 400),
        (b"GET /" + b"x" * 2000, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 2000, 431),
    ],
)
def test_what_never_becomes_a_head_is_not_waited_for(data: bytes, status: int) -> None:
    with pytest.raises(Refused) as refused:
        check_partial_head(data, 1000)
    assert refused.value.status == status


@pytest.mark.parametrize("upto", range(1, 40))
def test_a_good_head_may_come_byte_by_byte(upto: int) -> None:
    check_partial_head(b"GET /path HTTP/1.1\r\nHost: example.org\r\nA: b"[:upto], 1000)


TOKEN = st.text("abcXYZ-_!1", min_size=1, max_size=8).map(str.encode)
VALUE = st.text(st.characters(min_codepoint=1, max_codepoint=255, exclude_characters=""), max_size=12).map(lambda text: text.encode("latin-1"))
NAME = TOKEN | st.sampled_from([b"Host", b"Content-Length", b"Transfer-Encoding", b"Connection", b"Content-length ", b"Expect"])
FIELD = st.tuples(
    NAME, st.sampled_from([b":", b": ", b":\t", b" :"]), VALUE | st.sampled_from([b"1", b"5", b"chunked", b"Chunked", b"close", b"h.example"])
).map(b"".join)
END = st.sampled_from([b"\r\n"] * 9 + [b"\n", b"\r", b"\r\n "])
HEAD = st.tuples(
    st.sampled_from([b"GET / HTTP/1.1\r\n", b"POST /x?y HTTP/1.1\r\n", b"PUT / HTTP/1.0\r\n", b"GET  / HTTP/1.1\r\n"]),
    st.lists(st.tuples(FIELD, END).map(b"".join), max_size=5).map(b"".join),
).map(b"".join)


def framing_by_h11(raw: bytes) -> tuple[int, bool] | None:
    """(length, chunked) as h11 reads it; None if it refuses."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(raw)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return None
    if not isinstance(event, h11.Request):
        return None
    fields = dict(event.headers)
    return int(fields.get(b"content-length", NO_LENGTH)), b"transfer-encoding" in fields


@settings(max_examples=150)
@given(HEAD)
@example(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n")
@example(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n")
def test_what_passes_is_framed_as_h11_frames_it(head: bytes) -> None:
    raw = head + b"\r\n"
    if raw.find(b"\r\n\r\n") != len(raw) - 4:
        return  # the head ends earlier: what follows is body
    try:
        fields = parse(raw)
    except Refused:
        return  # stricter is fine, see SMUGGLED
    by_h11 = framing_by_h11(raw)
    assert by_h11 is not None, "h11 refuses what we pass on"
    assert (fields.length, fields.chunked) == by_h11


@settings(max_examples=150)
@given(st.lists(st.tuples(TOKEN, st.text('abc =;,"é', max_size=10)), max_size=6))
def test_what_h11_writes_passes_unchanged(fields: list[tuple[bytes, str]]) -> None:
    request = h11.Request(
        method="GET", target="/x", headers=[(b"Host", b"h"), *((b"X-" + name, value.strip().encode("latin-1")) for name, value in fields)]
    )
    raw = h11.Connection(h11.CLIENT).send(request)
    assert raw is not None
    parsed = parse(raw)
    kept = parsed.without([])
    if not any(name.lower().startswith((b"forwarded", b"real", b"scheme", b"request")) for name, _ in fields):
        assert kept == raw[raw.find(b"\r\n") + 2 : -2]


def request(*fields: bytes) -> RequestFields:
    return RequestFields(b"Host: h\r\n" + b"".join(field + b"\r\n" for field in fields), 1, 100)


def test_fields_for_this_hop_alone_are_cut() -> None:
    parsed = request(
        b"Connection: close, X-Mine", b"Keep-Alive: 5", b"X-Mine: secret", b"TE: trailers", b"Trailer: X", b"Proxy-Authorization: Basic x",
        b"Proxy-Connection: keep-alive", b"HTTP2-Settings: x", b"Accept: */*",
    )  # fmt: skip
    assert parsed.without([]) == b"Host: h\r\nAccept: */*\r\n"
    assert not parsed.keep_alive


def test_connection_cannot_name_away_what_frames_a_message() -> None:
    parsed = request(b"Connection: Host, Content-Length", b"Content-Length: 3")
    assert parsed.without([]) == b"Host: h\r\nContent-Length: 3\r\n"
    assert parsed.length == 3


@pytest.mark.parametrize(
    ("fields", "upgrade"),
    [
        ([b"Connection: Upgrade", b"Upgrade: websocket"], b"websocket"),
        ([b"Connection: keep-alive, upgrade", b"Upgrade: any/1"], b"any/1"),
        ([b"Connection: Upgrade"], b""),
        ([b"Upgrade: websocket"], b""),
        ([b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: x"], b""),
        ([b"Connection: Upgrade", b"Upgrade: websocket, h2c"], b""),
        ([b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: 5"], b""),
        ([b"Connection: Upgrade", b"Upgrade: websocket", b"Transfer-Encoding: chunked"], b""),
    ],
)
def test_only_a_true_upgrade_is_one(fields: list[bytes], upgrade: bytes) -> None:
    parsed = request(*fields)
    assert parsed.upgrade == upgrade
    assert b"pgrade" not in parsed.without([])


def response(raw: bytes) -> ResponseHead:
    return ResponseHead(raw, raw.find(b"\r\n\r\n"))


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 200 O\rK\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
    ],
)
def test_an_answer_that_can_be_read_in_two_ways_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused) as refused:
        response(raw)
    assert refused.value.status == 502


RAW = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a\r\n\r\nhello"


def test_an_answer_without_anything_to_cut_is_passed_on_as_it_came() -> None:
    head = response(RAW)
    assert head.plain
    assert (head.status, head.length, head.size, head.keep_alive) == (200, 5, len(RAW) - 5, True)


def test_fields_of_the_hop_before_are_cut_from_an_answer() -> None:
    head = response(b"HTTP/1.1 200 OK\r\nA: 1\r\nConnection: close, X-Hop\r\nKeep-Alive: 5\r\nX-Hop: 2\r\nB: 3\r\nContent-Length: 0\r\n\r\n")
    assert not head.plain
    assert not head.keep_alive
    assert head.fields == b"A: 1\r\nB: 3\r\nContent-Length: 0\r\n"


@pytest.mark.parametrize("path", [b"/a/.", b"/a//", b"/a/..", b"/./a", b"//a", b"/a/./b", b"/a/../b", b"/%61", b"/a/%2e", b"*", b"a"])
def test_a_path_that_may_not_be_what_it_seems_is_looked_at_closely(path: bytes) -> None:
    assert PLAIN_LINE.match(b"GET " + path + b" HTTP/1.1\r\n") is None
    assert PLAIN_LINE.match(b"GET " + path + b"?q HTTP/1.1\r\n") is None


_NAMES = ["Date", "X", "Content-Type", "Content-Length", "content-length", "Connection", "CONNECTION", "Keep-Alive", "Upgrade", "Cache-Control",
          "Proxy-Connection", "Transfer-Encoding", "transfer-encoding", "Server", "ETag", "", "a b", "Trailer", "TE", "Ué"]  # fmt: skip
_VALUES = ["", "5", "05", "keep-alive", "close", "chunked", "text/plain", "a, b", "timeout=5", "\x7f", "é", "5, 5", "+5", "Keep-Alive"]


@given(
    st.sampled_from(["200 OK", "200", "204 No Content", "304 Not Modified", "101 Switching Protocols", "404 Not Found", "99 x", "600 x", "200\tOK"]),
    st.lists(st.tuples(st.sampled_from(_NAMES), st.sampled_from(_VALUES)), max_size=6),
)
@example("200 OK", [("Date", "x"), ("Content-Length", "5"), ("Connection", "keep-alive")])
@settings(max_examples=500)
def test_an_answer_is_plain_only_if_a_close_look_finds_nothing_to_change(first: str, fields: list[tuple[str, str]]) -> None:
    raw = (f"HTTP/1.1 {first}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n").encode("latin-1")
    found = PLAIN_ANSWER.match(raw + b"12345")
    if found is None:
        return
    head = response(raw)
    assert (head.status, head.length, head.size, head.keep_alive, head.chunked, head.upgrade) == (
        int(found[1]),
        int(found[2]),
        found.end(),
        True,
        False,
        False,
    )
    cut = [name.lower() for name, _ in fields if f"{name}:".encode("latin-1") not in head.fields]
    assert set(cut) <= {"connection"}, "a connection that is kept may be called so"
    assert [value for name, value in fields if name.lower() == "connection"] in ([], ["keep-alive"])


def test_common_answers_are_plain() -> None:
    for fields in (
        b"Content-Length: 5\r\n",
        b"Cache-Control: no-store\r\nContent-Type: a\r\nContent-Length: 5\r\nConnection: keep-alive\r\nVary: x\r\n",
    ):
        assert PLAIN_ANSWER.match(b"HTTP/1.1 200 OK\r\nServer: s\r\n" + fields + b"\r\n12345") is not None


def test_what_is_wrong_does_not_depend_on_how_much_has_come() -> None:
    line = b"GET /" + b"x" * 2000 + b" HTTP/1.1\r\n"
    for size in (1500, len(line), len(line) + 100):
        with pytest.raises(Refused) as refused:
            check_partial_head((line + b"Host: h\r\n" * 100)[:size], 1000)
        assert refused.value.status == 414
    check_partial_head(b"!#$%&'*+-.^_`|~1a /", 1000)  # every sign that a method may be made of


@pytest.mark.parametrize(("value", "keep"), [(b", ,", True), (b"", True), (b"close,", False), (b" ,\t, close , x", False)])
def test_empty_parts_of_a_list_count_for_nothing(value: bytes, keep: bool) -> None:
    fields = request(b"Connection: " + value, b"X: y")
    assert fields.keep_alive is keep
