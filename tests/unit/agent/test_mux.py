"""Streams arrive whole, in order and within their window, however often the connection beneath them breaks."""

import contextlib
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.agent.frames import CREDIT, DATA, END, HELLO, NOTE, OPEN, PAYLOAD, Frame, FrameError, counting, decoded, saying
from perijove.agent.mux import MOST_STREAMS, WINDOW, Ended, Gone, Mux, Noted, Opened, Received, Writable


class End:
    """One end, and what whoever uses it saw."""

    def __init__(self, mux: Mux) -> None:
        self.mux = mux
        self.got: dict[int, bytearray] = {}
        self.waiting: dict[int, int] = {}
        """Received, not yet passed on."""
        self.ended: set[int] = set()
        self.gone: dict[int, str] = {}
        self.opened: list[int] = []
        self.noted: list[object] = []

    def see(self, events: list[object]) -> None:
        for event in events:
            match event:
                case Received(stream, data):
                    assert stream not in self.ended
                    self.got.setdefault(stream, bytearray()).extend(data)
                    self.waiting[stream] = self.waiting.get(stream, 0) + len(data)
                    assert self.waiting[stream] <= WINDOW
                case Ended(stream):
                    assert stream not in self.ended
                    self.ended.add(stream)
                case Gone(stream, reason):
                    assert stream not in self.gone
                    self.gone[stream] = reason
                case Opened(stream, _):
                    self.opened.append(stream)
                case Noted(words):
                    self.noted.append(words)
                case other:
                    assert isinstance(other, Writable)

    def pass_on(self, stream: int, count: int) -> None:
        count = min(count, self.waiting.get(stream, 0))
        if count:
            self.waiting[stream] -= count
            self.mux.passed_on(stream, count)


class Pair:
    """A gateway, an agent, and a connection between them that can break with whatever is on its way."""

    def __init__(self) -> None:
        self.gateway, self.agent = End(Mux(opens=True)), End(Mux(opens=False))
        self.ways: tuple[deque[bytes], deque[bytes]] = (deque(), deque())
        """To the agent, to the gateway."""

    def ends(self) -> tuple[tuple[End, deque[bytes]], tuple[End, deque[bytes]]]:
        return (self.gateway, self.ways[0]), (self.agent, self.ways[1])

    def send(self, end: End, way: deque[bytes], count: int = 1) -> None:
        for _ in range(count):
            frame = end.mux.take()
            if frame is None:
                return
            way.append(frame.encoded())

    def deliver(self, way: deque[bytes], count: int = 1) -> None:
        end = self.agent if way is self.ways[0] else self.gateway
        for _ in range(min(count, len(way))):
            end.see(end.mux.receive(decoded(way.popleft())))

    def break_off(self) -> None:
        for way in self.ways:
            way.clear()
        hellos = self.gateway.mux.hello(), self.agent.mux.hello()
        self.gateway.see(self.gateway.mux.resume(decoded(hellos[1].encoded())))
        self.agent.see(self.agent.mux.resume(decoded(hellos[0].encoded())))

    def settle(self) -> None:
        """Until nothing is left to do."""
        for _ in range(20_000):
            for end, way in self.ends():
                self.send(end, way, 8)
            if not any(self.ways):
                return
            for way in self.ways:
                self.deliver(way, 8)
            for end, _ in self.ends():
                for stream in list(end.waiting):
                    end.pass_on(stream, WINDOW)
        raise AssertionError("they never come to rest")


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("open")),
        st.tuples(st.just("send"), st.integers(0, 1), st.integers(1, 4), st.integers(0, 150_000)),
        st.tuples(st.just("end"), st.integers(0, 1), st.integers(1, 4)),
        st.tuples(st.just("take"), st.integers(0, 1), st.integers(1, 20)),
        st.tuples(st.just("deliver"), st.integers(0, 1), st.integers(1, 20)),
        st.tuples(st.just("pass"), st.integers(0, 1), st.integers(1, 4), st.integers(1, WINDOW)),
        st.tuples(st.just("break")),
    ),
    max_size=60,
)


@given(STEPS)
def test_streams_arrive_whole_over_any_number_of_breaks(steps: list[tuple[object, ...]]) -> None:
    pair, opened, sent, ended = Pair(), 0, dict[tuple[int, int], bytearray](), set[tuple[int, int]]()
    for number, (what, *rest) in enumerate(steps):
        numbers = [int(str(value)) for value in rest]
        if what == "open" and opened < 4:
            opened = pair.gateway.mux.open("server")
        elif what in {"send", "end"}:
            side, stream = numbers[0], numbers[1]
            end = pair.ends()[side][0]
            known = stream <= opened if side == 0 else stream in pair.agent.opened
            if not known or (side, stream) in ended:
                continue
            if what == "end":
                end.mux.end(stream)
                ended.add((side, stream))
            else:
                data = bytes([number % 251]) * numbers[2]
                end.mux.send(stream, data)
                sent.setdefault((side, stream), bytearray()).extend(data)
        elif what == "take":
            pair.send(*pair.ends()[numbers[0]], numbers[1])
        elif what == "deliver":
            pair.deliver(pair.ways[numbers[0]], numbers[1])
        elif what == "pass":
            pair.ends()[numbers[0]][0].pass_on(numbers[1], numbers[2])
        elif what == "break":
            pair.break_off()
    pair.settle()
    pair.break_off()
    pair.settle()
    for side, other in ((0, pair.agent), (1, pair.gateway)):
        for stream in range(1, opened + 1):
            assert other.got.get(stream, b"") == sent.get((side, stream), b"")
            assert (stream in other.ended) is ((side, stream) in ended)
    assert not pair.gateway.gone
    assert not pair.agent.gone
    done = [stream for stream in range(1, opened + 1) if {(0, stream), (1, stream)} <= ended]
    assert len(pair.gateway.mux) == len(pair.agent.mux) == opened - len(done)


def test_a_fast_stream_does_not_keep_a_slow_one_waiting() -> None:
    pair = Pair()
    fast, slow = pair.gateway.mux.open(), pair.gateway.mux.open()
    pair.settle()
    pair.gateway.mux.send(fast, b"f" * WINDOW)
    pair.gateway.mux.send(slow, b"s")
    frames = [pair.gateway.mux.take() for _ in range(2)]
    assert {frame.stream for frame in frames if frame} == {fast, slow}


def test_who_is_not_read_is_asked_to_wait_and_told_when_there_is_room() -> None:
    pair = Pair()
    stream = pair.gateway.mux.open()
    assert pair.gateway.mux.send(stream, b"x" * (WINDOW - 1))
    assert not pair.gateway.mux.send(stream, b"xx")
    for _ in range(50):
        pair.send(pair.gateway, pair.ways[0], 10)
        pair.deliver(pair.ways[0], 10)
    assert len(pair.agent.got[stream]) == WINDOW
    pair.agent.pass_on(stream, WINDOW)
    pair.send(pair.agent, pair.ways[1], 10)
    events = pair.gateway.mux.receive(decoded(pair.ways[1].popleft()))
    assert events == [Writable(stream)]


def test_a_broken_off_stream_is_gone_at_the_other_end_with_its_reason() -> None:
    pair = Pair()
    stream = pair.gateway.mux.open()
    pair.settle()
    pair.agent.mux.reset(stream, "nobody listens")
    pair.settle()
    assert pair.gateway.gone == {stream: "nobody listens"}
    assert not len(pair.gateway.mux)


def test_a_stream_broken_off_during_a_break_is_gone_afterwards() -> None:
    pair = Pair()
    kept, stream = pair.gateway.mux.open(), pair.gateway.mux.open()
    pair.settle()
    pair.agent.mux.reset(stream)
    pair.send(pair.agent, pair.ways[1], 10)
    pair.break_off()
    pair.settle()
    assert list(pair.gateway.gone) == [stream]
    pair.gateway.mux.reset(kept)
    pair.send(pair.gateway, pair.ways[0], 10)
    pair.break_off()
    pair.settle()
    assert list(pair.agent.gone) == [kept]


def test_another_gateway_knows_none_of_the_streams() -> None:
    pair = Pair()
    stream = pair.gateway.mux.open()
    pair.settle()
    pair.agent.see(pair.agent.mux.forget("another gateway"))
    assert pair.agent.gone == {stream: "another gateway"}
    pair.gateway = End(Mux(opens=True))
    again = pair.gateway.mux.open()
    pair.settle()
    assert pair.agent.opened == [stream, again] == [1, 1]


def test_what_one_end_tells_the_other_arrives() -> None:
    pair = Pair()
    pair.agent.mux.note({"host": "n1"})
    pair.settle()
    assert pair.gateway.noted == [{"host": "n1"}]


def test_there_is_an_end_to_how_many_connections_one_server_has() -> None:
    mux = Mux(opens=True)
    for _ in range(MOST_STREAMS):
        mux.open()
    with pytest.raises(OverflowError, match="4096"):
        mux.open()


@pytest.mark.parametrize(
    "frames",
    [
        [Frame(DATA, 1, b"x")],
        [Frame(OPEN, 1), Frame(OPEN, 1)],
        [Frame(OPEN, 2), Frame(OPEN, 1)],
        [Frame(OPEN, 1), *[Frame(DATA, 1, b"x" * PAYLOAD)] * 9],
        [Frame(OPEN, 1), counting(END, 1, 5)],
        [Frame(OPEN, 1), counting(END, 1, 0), Frame(DATA, 1, b"x")],
        [Frame(OPEN, 1), counting(CREDIT, 1, 1)],
        [Frame(OPEN, 1), Frame(CREDIT, 1, b"x")],
        [saying(HELLO, {})],
        [Frame(NOTE, 0, b"[]")],
        [Frame(NOTE, 0, b"\xff")],
    ],
)
def test_a_peer_that_breaks_the_rules_is_found_out(frames: list[Frame]) -> None:
    mux = Mux(opens=False)
    for frame in frames[:-1]:
        mux.receive(frame)
    with pytest.raises(FrameError):
        mux.receive(frames[-1])


@pytest.mark.parametrize(
    "message", [b"", b"\x00" * 5, b"\x09\x00\x00\x00\x01", b"\x02\x00\x00\x00\x00", b"\x06\x00\x00\x00\x01", b"\x02" * (2 << 20)]
)
def test_what_is_no_frame_is_refused(message: bytes) -> None:
    with pytest.raises(FrameError):
        decoded(message)


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"version": 99, "highest": 0, "streams": {}},
        {"version": 1, "highest": -1, "streams": {}},
        {"version": 1, "highest": 0, "streams": {"x": [0, False, 0]}},
        {"version": 1, "highest": 0, "streams": {"1": [0, 0, 0]}},
        {"version": 1, "highest": 0, "streams": {"1": [True, False, 0]}},
        {"version": 1, "highest": 1, "streams": {"1": [7, False, 0]}},
        {"version": 1, "highest": 1, "streams": {"1": [0, True, 0]}},
    ],
)
def test_a_greeting_that_cannot_be_true_is_refused(words: dict[str, object]) -> None:
    mux = Mux(opens=True)
    mux.open()
    with pytest.raises(FrameError):
        mux.resume(saying(HELLO, words))


@given(st.binary(max_size=64))
def test_no_bytes_do_anything_but_be_understood_or_refused(message: bytes) -> None:
    mux = Mux(opens=False)
    mux.receive(Frame(OPEN, 3))
    with contextlib.suppress(FrameError):
        mux.receive(decoded(message))
    assert len(mux) <= 1 or decoded(message).kind == OPEN
