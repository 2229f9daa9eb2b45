"""Many streams over one connection that may break and come back. No input and output in here.

Each stream has a window: at most `WINDOW` bytes are under way that the receiver has not yet passed on (CREDIT says how many it has,
counted from the beginning). What is not credited is kept. So when a connection breaks, both ends say in their HELLO how far each stream
had come (`received`), what is missing is sent again, and whoever uses the stream notices nothing but the pause.

Ids are counted up by the end that opens, and never used twice.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any, NamedTuple

from perijove.agent.frames import CREDIT, DATA, END, HELLO, NOTE, OPEN, PAYLOAD, RESET, VERSION, Frame, FrameError, counting, saying

WINDOW = 256 * 1024
"""Bytes of one stream in one direction. With 50 ms from here to there and back, that is 5 MB a second for each stream."""
_LONGEST_NUMBER = 10
MOST_STREAMS = 4096
"""Of one server at a time."""


class Opened(NamedTuple):
    """By the other end. `target` says to what."""

    stream: int
    target: str


class Received(NamedTuple):
    """The next bytes. Say `passed_on` when they are."""

    stream: int
    data: bytes


class Ended(NamedTuple):
    """The other end sends no more; it still receives."""

    stream: int


class Gone(NamedTuple):
    """Broken off, or given up."""

    stream: int
    reason: str


class Writable(NamedTuple):
    """There is room again after `send` said that there was none."""

    stream: int


class Noted(NamedTuple):
    """Words for the other end itself."""

    words: dict[str, Any]


class _Stream:
    __slots__ = ("credited", "end_known", "end_sent", "ended", "full", "kept", "passed", "peer_ended", "received", "sent", "target", "told")

    def __init__(self, target: str) -> None:
        self.target = target
        self.kept = bytearray()
        """What was given to `send` and is not credited yet."""
        self.credited = 0
        self.sent = 0
        self.received = 0
        self.passed = 0
        self.told = 0
        """Of `passed`, what the other end knows."""
        self.full = False
        self.ended = False
        self.end_sent = False
        self.end_known = False
        """The other end has seen our end."""
        self.peer_ended = False

    @property
    def length(self) -> int:
        return self.credited + len(self.kept)

    @property
    def sendable(self) -> int:
        return min(self.length, self.credited + WINDOW) - self.sent

    @property
    def ends_next(self) -> bool:
        return self.ended and not self.end_sent and self.sent == self.length

    @property
    def taken(self) -> int:
        """What CREDIT says: the other end's end counts as one more byte."""
        return self.passed + (self.peer_ended and self.passed == self.received)

    @property
    def done(self) -> bool:
        """Whether both directions have come to their end, as far as is known here."""
        return self.end_sent and self.peer_ended and self.passed == self.received


class Mux:
    """One end. `opens`: whether it is the end that opens streams.

    Give each message that arrives to `receive`, and send what `take` returns until it returns None. After a break, send `hello()` first on
    the new connection and give the other end's to `resume` before anything else.
    """

    def __init__(self, *, opens: bool) -> None:
        self._opens = opens
        self._streams: dict[int, _Stream] = {}
        self._highest = 0
        self._urgent: deque[Frame] = deque()
        self._ready: OrderedDict[int, None] = OrderedDict()
        """Streams with something to send, the next first."""

    def __len__(self) -> int:
        return len(self._streams)

    def open(self, target: str = "") -> int:
        """Returns the new stream. Raises OverflowError if there are too many."""
        if len(self._streams) >= MOST_STREAMS:
            raise OverflowError(f"this server has {len(self._streams)} connections, the most there may be")
        self._highest += 1
        self._streams[self._highest] = _Stream(target)
        self._urgent.append(Frame(OPEN, self._highest, target.encode()))
        return self._highest

    def send(self, stream: int, data: bytes) -> bool:
        """Take on what is to be sent; whether there is room for more: if not, wait for Writable. What is said to a stream that is gone is lost."""
        found = self._streams.get(stream)
        if found is None or found.ended:
            return False
        found.kept += data
        found.full = len(found.kept) >= WINDOW
        self._has_more(stream, found)
        return not found.full

    def end(self, stream: int) -> None:
        """No more is sent from here, once what there is has been."""
        found = self._streams.get(stream)
        if found is not None and not found.ended:
            found.ended = True
            self._has_more(stream, found)

    def reset(self, stream: int, reason: str = "") -> None:
        """Break a stream off."""
        if self._streams.pop(stream, None) is not None:
            self._ready.pop(stream, None)
            self._urgent.append(Frame(RESET, stream, reason.encode()[:1024]))

    def passed_on(self, stream: int, count: int) -> None:
        """So many of the received bytes need no room here any more."""
        found = self._streams.get(stream)
        if found is None:
            return
        found.passed += count
        if found.taken - found.told >= WINDOW // 4 or found.taken > found.received:
            self._give_credit(stream, found)
            self._finish(stream, found)

    def note(self, words: dict[str, Any]) -> None:
        """Tell the other end itself. Lost if the connection breaks before it is sent."""
        self._urgent.append(saying(NOTE, words))

    def take(self) -> Frame | None:
        """What to send next: streams take turns."""
        if self._urgent:
            return self._urgent.popleft()
        while self._ready:
            stream, _ = self._ready.popitem(last=False)
            found = self._streams[stream]
            frame = self._next_of(stream, found)
            if frame is not None:
                self._has_more(stream, found)
                return frame
        return None

    def receive(self, frame: Frame) -> list[Any]:
        """What came of it: events, in order. Raises FrameError."""
        if frame.kind == NOTE:
            return [Noted(frame.words)]
        if frame.kind == HELLO:
            raise FrameError("a greeting in the middle of a conversation")
        if frame.kind == OPEN:
            return self._on_open(frame)
        found = self._streams.get(frame.stream)
        if found is None:
            if frame.stream > self._highest:
                raise FrameError(f"a frame for stream {frame.stream}, which nobody opened")
            return []
        if frame.kind == DATA:
            return self._on_data(frame, found)
        if frame.kind == CREDIT:
            return self._on_credit(frame.stream, frame.total, found)
        if frame.kind == END:
            return self._on_end(frame, found)
        return self._on_gone(frame.stream, frame.payload.decode(errors="replace"))

    def hello(self, **words: Any) -> Frame:
        """The first frame on each connection, with how far each stream had come, and `words` for the other end itself."""
        streams = {str(stream): [found.received, found.peer_ended, found.taken] for stream, found in self._streams.items()}
        return saying(HELLO, {"version": VERSION, "highest": self._highest, "streams": streams, **words})

    def resume(self, hello: Frame) -> list[Any]:
        """Go on after a break, from the other end's first frame: events. Raises FrameError."""
        if hello.kind != HELLO:
            raise FrameError("no greeting")
        theirs, highest = _progress(hello.words)
        self._urgent.clear()
        self._ready.clear()
        events: list[Any] = []
        for stream, found in list(self._streams.items()):
            known = theirs.get(stream)
            if known is None and self._opens and stream > highest:
                self._urgent.append(Frame(OPEN, stream, found.target.encode()))
                known = (0, False, 0)
            if known is None:  # the other end forgets what is done, and only then; it heard of that first
                events += [] if found.done else [Gone(stream, "the other end gave it up")]
                del self._streams[stream]
                continue
            received, ended, taken = known
            if not found.credited <= received <= found.sent or taken > received + ended or (ended and not found.end_sent):
                raise FrameError(f"stream {stream} had not come as far as {received}")
            found.sent = received
            found.end_sent = ended
            self._give_credit(stream, found)
            events += self._on_credit(stream, taken, found)
        for stream in theirs:
            if stream not in self._streams and stream <= self._highest:
                self._urgent.append(Frame(RESET, stream))
        return events

    def forget(self, reason: str) -> list[Any]:
        """The other end is another than before, and knows none of the streams: events."""
        gone = [Gone(stream, reason) for stream in self._streams]
        self._streams.clear()
        self._urgent.clear()
        self._ready.clear()
        if not self._opens:
            self._highest = 0
        return gone

    def _next_of(self, stream: int, found: _Stream) -> Frame | None:
        count = min(found.sendable, PAYLOAD)
        if count > 0:
            begin = found.sent - found.credited
            found.sent += count
            return Frame(DATA, stream, bytes(found.kept[begin : begin + count]))
        if found.ends_next:
            found.end_sent = True
            return counting(END, stream, found.length)
        return None

    def _give_credit(self, stream: int, found: _Stream) -> None:
        found.told = found.taken
        self._urgent.append(counting(CREDIT, stream, found.told))

    def _has_more(self, stream: int, found: _Stream) -> None:
        if found.sendable > 0 or found.ends_next:
            self._ready.setdefault(stream)

    def _on_open(self, frame: Frame) -> list[Any]:
        if self._opens:
            raise FrameError("the other end is not to open streams")
        if frame.stream <= self._highest:
            raise FrameError(f"stream {frame.stream} was opened before")
        self._highest = frame.stream
        if len(self._streams) >= MOST_STREAMS:
            self._urgent.append(Frame(RESET, frame.stream, b"too many connections"))
            return []
        target = frame.payload.decode(errors="replace")
        self._streams[frame.stream] = _Stream(target)
        return [Opened(frame.stream, target)]

    def _on_data(self, frame: Frame, found: _Stream) -> list[Any]:
        found.received += len(frame.payload)
        if found.peer_ended or found.received - found.told > WINDOW:
            raise FrameError(f"stream {frame.stream} sends more than there is room for")
        return [Received(frame.stream, frame.payload)]

    def _on_credit(self, stream: int, total: int, found: _Stream) -> list[Any]:
        if total > found.sent + found.end_sent:
            raise FrameError(f"stream {stream} is credited with more than was sent")
        if total > found.sent:
            found.end_known = True
            total = found.sent
        if total > found.credited:
            del found.kept[: total - found.credited]
            found.credited = total
        writable = found.full and len(found.kept) < WINDOW
        if writable:
            found.full = False
        self._has_more(stream, found)
        self._finish(stream, found)
        return [Writable(stream)] if writable and not found.ended else []

    def _on_end(self, frame: Frame, found: _Stream) -> list[Any]:
        if frame.total != found.received:
            raise FrameError(f"stream {frame.stream} ends at {frame.total}, and {found.received} have come")
        if found.peer_ended:
            return []
        found.peer_ended = True
        self.passed_on(frame.stream, 0)
        self._finish(frame.stream, found)
        return [Ended(frame.stream)]

    def _on_gone(self, stream: int, reason: str) -> list[Any]:
        self._streams.pop(stream, None)
        self._ready.pop(stream, None)
        return [Gone(stream, reason)]

    def _finish(self, stream: int, found: _Stream) -> None:
        """Forget what is done, once the other end has seen our end."""
        if found.done and found.end_known:
            self._streams.pop(stream, None)
            self._ready.pop(stream, None)


def _progress(words: dict[str, Any]) -> tuple[dict[int, tuple[int, bool, int]], int]:
    """Raises FrameError."""
    streams, highest = words.get("streams"), words.get("highest")
    if words.get("version") != VERSION:
        raise FrameError(f"the other end speaks version {words.get('version')!r}, and this one {VERSION}")
    if not isinstance(streams, dict) or not _count(highest):
        raise FrameError("a greeting without its streams")
    found = {}
    for name, progress in streams.items():
        if not (name.isascii() and name.isdecimal() and len(name) <= _LONGEST_NUMBER) or not isinstance(progress, list) or len(progress) != 3:
            raise FrameError("a greeting with a stream that is none")
        received, ended, passed = progress
        if not (_count(received) and isinstance(ended, bool) and _count(passed)):
            raise FrameError("a greeting with a stream that is none")
        found[int(name)] = (int(received), ended, int(passed))
    return found, int(str(highest))


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
