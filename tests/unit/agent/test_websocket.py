"""The agent's side of WebSockets, beside an implementation that others wrote."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from perijove.agent.frames import LARGEST
from perijove.agent.websocket import Address, BrokenError, Decoder, encoded, parse

SIZES = st.one_of(st.integers(0, 300), st.sampled_from([125, 126, 65_535, 65_536, 70_000]))


def frames(*parts: tuple[Opcode, bytes, bool]) -> bytes:
    return b"".join(Frame(opcode, data, fin=fin).serialize(mask=False) for opcode, data, fin in parts)


@given(st.lists(SIZES, max_size=6), st.lists(st.integers(0, 400_000), max_size=8))
def test_messages_arrive_however_the_network_cuts_them(sizes: list[int], cuts: list[int]) -> None:
    sent = [bytes([number]) * size for number, size in enumerate(sizes)]
    data = b"".join(frames((Opcode.BINARY, message, True), (Opcode.PING, b"p", True)) for message in sent)
    decoder, got = Decoder(), list[tuple[int, bytes]]()
    for begin, end in pairwise(sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})):
        got += decoder.feed(data[begin:end])
    assert [payload for opcode, payload in got if opcode == Opcode.BINARY] == sent
    assert len(got) == 2 * len(sent)


def test_pieces_of_a_message_are_put_together_with_a_ping_in_between() -> None:
    data = frames((Opcode.BINARY, b"one ", False), (Opcode.PING, b"", True), (Opcode.CONT, b"two ", False), (Opcode.CONT, b"three", True))
    assert Decoder().feed(data) == [(Opcode.PING, b""), (Opcode.BINARY, b"one two three")]


@pytest.mark.parametrize(
    "data",
    [
        Frame(Opcode.BINARY, b"x").serialize(mask=True),
        frames((Opcode.TEXT, b"x", True)),
        frames((Opcode.CONT, b"x", True)),
        frames((Opcode.BINARY, b"x", False), (Opcode.BINARY, b"x", True)),
        b"\xc2\x01x",
        b"\x09\x00",
        b"\x82\x7f" + (LARGEST + 1).to_bytes(8, "big"),
        frames((Opcode.BINARY, b"x" * LARGEST, False), (Opcode.CONT, b"x", True)),
    ],
    ids=["masked", "text", "continued", "begun-anew", "reserved-bits", "ping-in-parts", "too-long", "too-long-in-parts"],  # a mask is random
)
def test_what_no_server_may_send_is_refused(data: bytes) -> None:
    with pytest.raises(BrokenError):
        Decoder().feed(data)


@given(st.binary(max_size=300) | st.sampled_from([b"x" * 65_535, b"y" * 65_536]))
def test_what_the_agent_sends_is_understood_by_others(message: bytes) -> None:
    server = Protocol(Side.SERVER)
    server.receive_data(encoded(2, message))
    (frame,) = server.events_received()
    assert isinstance(frame, Frame)
    assert bytes(frame.data) == message


def test_addresses() -> None:
    assert parse("wss://hub.example.org/tunnel/") == Address(True, "hub.example.org", 443, "/tunnel/")
    assert parse("ws://[::1]:8000").authority == "[::1]:8000"
    for wrong in ("https://hub", "wss://", "wss://u@hub/", "wss://hub/?x", "wss://hub:x/"):
        with pytest.raises(ValueError, match=r"."):
            parse(wrong)
