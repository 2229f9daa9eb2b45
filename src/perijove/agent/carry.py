"""Streams of a mux on one side, sockets on the other. Both ends of a tunnel carry in the same way; only who opens differs.

A socket is read no faster than the other end takes what is read, and what arrives for a socket that is not emptied is not credited: a
reader that stops stops its own stream, after a window's worth, and no other.
"""

from __future__ import annotations

import asyncio
from typing import Any, Callable, cast

from perijove.agent.frames import Frame, decoded
from perijove.agent.mux import Ended, Gone, Mux, Noted, Opened, Received, Writable

BUFFER = 64 * 1024
"""Bytes kept for a socket or a connection that does not take them, before whoever sends is made to wait."""
_BATCH = 64 * 1024


class Wire:
    """The connection beneath a mux, as a carrier sees it: whole messages go out, and it says when it is full."""

    full = False

    def send(self, messages: list[bytes]) -> None:
        raise NotImplementedError

    def drop(self, reason: str) -> None:
        """End it at once."""
        raise NotImplementedError


class Carrier:
    """One end of a tunnel. It has a wire, or none for a while; the mux and the sockets outlive wires."""

    def __init__(self, mux: Mux, *, opened: Callable[[int, str], None] | None = None, noted: Callable[[dict[str, Any]], None] | None = None) -> None:
        """`opened`: called with each stream that the other end opens, and to what; is to `put` a socket in its place, or reset the stream."""
        self.mux = mux
        self._opened = opened
        self._noted = noted
        self._sockets: dict[int, Socket] = {}
        self.wire: Wire | None = None
        self._pumping = False

    def __len__(self) -> int:
        return len(self._sockets)

    def put(self, stream: int, socket: Socket) -> None:
        """What comes on the stream goes to this socket from now on."""
        self._sockets[stream] = socket

    def taken(self, stream: int) -> None:
        """Its socket is gone."""
        self._sockets.pop(stream, None)

    def attach(self, wire: Wire, hello: Frame) -> None:
        """Go on over a new connection, whose other end said `hello`; ours must be on its way already. Raises FrameError."""
        events = self.mux.resume(hello)
        self.wire = wire
        self._tell(events)
        self.pump()

    def detach(self, wire: Wire) -> bool:
        """A connection is lost; whether it was ours."""
        if self.wire is wire:
            self.wire = None
            return True
        return False

    def restart(self, mux: Mux, reason: str) -> None:
        """The other end is another than before."""
        self.forget(reason)
        self.mux = mux

    def forget(self, reason: str) -> None:
        """End all streams; the other end will not come back."""
        self._tell(self.mux.forget(reason))

    def receive(self, message: bytes) -> None:
        """A message of the wire. Raises FrameError."""
        self._tell(self.mux.receive(decoded(message)))
        self.pump()

    def pump(self) -> None:
        """Send what there is to send, as long as the wire takes it."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while self.wire is not None and not self.wire.full:
                batch: list[bytes] = []
                size = 0
                while size < _BATCH:
                    frame = self.mux.take()
                    if frame is None:
                        break
                    batch.append(frame.encoded())
                    size += len(batch[-1])
                if not batch:
                    return
                self.wire.send(batch)
        finally:
            self._pumping = False

    def _tell(self, events: list[Any]) -> None:
        for event in events:
            if isinstance(event, Received):
                socket = self._sockets.get(event.stream)
                if socket is not None:
                    socket.deliver(event.data)
            elif isinstance(event, Opened):
                if self._opened is not None:
                    self._opened(event.stream, event.target)
            elif isinstance(event, Noted):
                if self._noted is not None:
                    self._noted(event.words)
            else:
                self._tell_socket(event)

    def _tell_socket(self, event: Any) -> None:
        socket = self._sockets.get(event.stream)
        if socket is None:
            return
        if isinstance(event, Ended):
            socket.ended()
        elif isinstance(event, Writable):
            socket.writable()
        elif isinstance(event, Gone):
            self.taken(event.stream)
            socket.gone()


class Socket(asyncio.Protocol):
    """The socket of one stream. It may be put in place before it is connected: what comes meanwhile waits."""

    def __init__(self, carrier: Carrier, stream: int) -> None:
        self.carrier = carrier
        self.stream = stream
        self.transport: asyncio.Transport | None = None
        self._waiting: list[bytes] = []
        self._held = 0
        """Bytes written to the transport that it may still have."""
        self._full = False
        self._all_read = False
        self._all_written = False
        self._gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from asyncio's
        self.transport.set_write_buffer_limits(high=BUFFER)
        if self._gone:
            self.transport.abort()
            return
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            self.deliver(data)
        if self._all_written:
            self.ended()
        self.carrier.pump()

    def data_received(self, data: bytes) -> None:
        if not self.carrier.mux.send(self.stream, data) and self.transport is not None:
            self.transport.pause_reading()
        self.carrier.pump()

    def eof_received(self) -> bool:
        self._all_read = True
        self.carrier.mux.end(self.stream)
        self.carrier.pump()
        return not self._all_written  # the other direction may go on

    def connection_lost(self, exc: Exception | None) -> None:
        self.carrier.taken(self.stream)
        if exc is None and self._held:  # closed in good order: it was written out before
            held, self._held = self._held, 0
            self.carrier.mux.passed_on(self.stream, held)
        if not self._gone:
            self._gone = True
            if not (self._all_read and self._all_written) or exc is not None:
                self.carrier.mux.reset(self.stream, str(exc) if exc is not None else "closed")
        self.carrier.pump()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        held, self._held = self._held, 0
        self.carrier.mux.passed_on(self.stream, held)
        self.carrier.pump()

    # What the stream tells.

    def deliver(self, data: bytes) -> None:
        if self.transport is None:
            self._waiting.append(data)
            return
        self.transport.write(data)
        self._held += len(data)
        if not self._full:
            held, self._held = self._held, 0
            self.carrier.mux.passed_on(self.stream, held)

    def ended(self) -> None:
        self._all_written = True
        if self.transport is None or self.transport.is_closing():
            return
        if self._all_read:
            self.transport.close()
        else:
            self.transport.write_eof()

    def writable(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def gone(self) -> None:
        """The stream is no more."""
        self._gone = True
        if self.transport is not None:
            self.transport.abort()
