"""The chunked coding, however it is cut into pieces."""

from itertools import pairwise

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perijove.proxy.chunks import Chunks
from perijove.proxy.http1 import Refused


def feed(raw: bytes, cuts: list[int], *, keep_trailers: bool = True, payload: bool = False) -> tuple[bytes, bytes, bool]:
    """(what came out, what was left over, whether the end was seen)."""
    chunks = Chunks(keep_trailers=keep_trailers, payload=payload)
    out = b""
    places = sorted({0, len(raw), *(cut % (len(raw) + 1) for cut in cuts)})
    for begin, end in pairwise(places):
        if chunks.done:
            return out, chunks.rest + raw[begin:], True
        out += chunks.feed(raw[begin:end])
    return out, chunks.rest, chunks.done


BODY = st.lists(st.binary(min_size=1, max_size=40), max_size=6)
EXTENSION = st.sampled_from(["", "", ";a=b", "; x ", ';q="y"'])
CUTS = st.lists(st.integers(0, 10_000), max_size=12)


@settings(max_examples=150)
@given(BODY, EXTENSION, st.sampled_from([b"", b"A: b\r\n", b"A: b\r\nCc: d\r\n"]), st.sampled_from([b"", b"GET / HTTP/1.1\r\n"]), CUTS)
def test_any_cutting_gives_the_same(body: list[bytes], extension: str, trailers: bytes, after: bytes, cuts: list[int]) -> None:
    coded = b"".join(f"{len(piece):X}{extension}\r\n".encode() + piece + b"\r\n" for piece in body) + b"0\r\n"
    raw = coded + trailers + b"\r\n" + after
    assert feed(raw, cuts) == (coded + trailers + b"\r\n", after, True)
    assert feed(raw, cuts, keep_trailers=False) == (coded + b"\r\n", after, True)
    assert feed(raw, cuts, payload=True) == (b"".join(body), after, True)


BAD = [
    b"x\r\n", b"-1\r\n", b"+1\r\na\r\n", b"0x1\r\na\r\n", b" 1\r\na\r\n", b"1 \n", b"1\na\r\n", b"1\r\nab\r\n", b"1\r\na\n0\r\n\r\n", b"1\r\na\r\r\n", b"1\ra\r\n",
    b"\r\n1\r\n", b"1;\x00\r\na\r\n", b"1;a\rb\r\n", b"1;a\nb\r\n", b"1" * 16 + b"\r\n", b"1;" + b"x" * 300 + b"\r\n", b"0\r\nX : y\r\n\r\n",
    b"0\r\nX: y\n\r\n", b"0\r\n X: y\r\n\r\n",
    b"1 ;a\r\na\r\n", b"1 \r\na\r\n", b"0\r\n\rGET", b"0\r\n" + b"A: b\r\n" * 4000 + b"\r\n", b"0\r\n" + b"A: b\r\n" * 4000,
]  # fmt: skip


@pytest.mark.parametrize("raw", BAD)
@pytest.mark.parametrize("step", [1, 2, 5, 100_000])
def test_a_malformed_body_is_refused_and_nothing_of_the_bad_line_passes(raw: bytes, step: int) -> None:
    chunks = Chunks(keep_trailers=True)
    out = b""

    def all_of_it() -> None:
        nonlocal out
        for at in range(0, len(raw), step):
            out += chunks.feed(raw[at : at + step])

    with pytest.raises(Refused):
        all_of_it()
    assert raw.startswith(out)
    assert len(out) <= len(b"1\r\na")


SCRAPS = [b"0", b"1", b"2", b"a", b"A", b"\r\n", b"\r\n", b"\n", b"\r", b";x", b" ", b"xy", b"5\r\nhello\r\n", b"0\r\n\r\n"]


@settings(max_examples=150)
@given(st.lists(st.sampled_from(SCRAPS), max_size=10).map(b"".join), CUTS)
def test_what_passes_reads_the_same_to_h11(raw: bytes, cuts: list[int]) -> None:
    try:
        content, rest, done = feed(raw, cuts, payload=True)
    except Refused:
        return
    if not done:
        return
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + raw)
    seen = b""
    connection.next_event()
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data)
        seen += bytes(event.data)
    assert (seen, connection.trailing_data[0]) == (content, rest)


def test_a_large_chunk_is_passed_on_without_a_copy() -> None:
    chunks = Chunks(keep_trailers=True)
    chunks.feed(b"FFFFFF\r\n")
    piece = b"x" * 100_000
    assert chunks.feed(piece) is piece
