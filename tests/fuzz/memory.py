"""An event loop without sockets, and transports whose other ends are the test. They behave as uvloop's do."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Self, cast


class MemoryTransport(asyncio.Transport):
    """`inbound` is what the other end has sent and nobody has read, `sent` what it has received."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol, name: str) -> None:
        super().__init__()
        self.name = name
        self.inbound = bytearray()
        self.inbound_eof = False
        self.out = bytearray()
        self.sent = bytearray()
        self.sent_eof = False
        self.lost = False
        self.aborted = False
        """Whether the other end saw a reset rather than an end in good order."""
        self._loop = loop
        self._protocol = protocol
        self._reading = True
        self._high, self._low = 65536, 16384
        self._paused = False
        self._eof_written = False
        self._closing = False
        self._losing = False

    # What protocols use.

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.1", 5000) if name == "peername" else default

    def is_closing(self) -> bool:
        return self._closing

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        if not self._closing:
            self._reading = True

    def is_reading(self) -> bool:
        return self._reading

    def get_write_buffer_size(self) -> int:
        return len(self.out)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = 65536 if high is None else high
        self._low = self._high // 4 if low is None else low

    def can_write_eof(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._alive()
        assert isinstance(data, bytes), "uvloop takes others too, but the proxy means bytes"
        if self._eof_written:
            raise RuntimeError(f"{self.name}: written to after write_eof")
        if self._losing:
            return
        self.out += data
        if len(self.out) > self._high and not self._paused:
            self._paused = True
            self._protocol.pause_writing()

    def writelines(self, pieces: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(pieces))

    def write_eof(self) -> None:
        self._alive()
        self._eof_written = True
        self._flushed()

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._reading = False
        self._flushed()

    def abort(self) -> None:
        self.aborted = self.aborted or not self._losing
        self._lose(None)

    def _alive(self) -> None:
        if self.lost:
            raise RuntimeError(f"{self.name}: used after it was lost")

    def _flushed(self) -> None:
        if self.out:
            return
        self.sent_eof = self.sent_eof or self._eof_written
        if self._closing:
            self._lose(None)

    def _lose(self, error: Exception | None) -> None:
        if self._losing:
            return
        self._closing = self._losing = True
        self._reading = False
        self.out.clear()
        self._loop.call_soon(self._call_connection_lost, error)

    def _call_connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        self._protocol.connection_lost(error)

    # What the other end does.

    def pump(self, size: int) -> None:
        """Let up to `size` bytes that have come be read, then the end, if it has come."""
        if self._reading and self.inbound and not self._closing:
            data = bytes(self.inbound[:size])
            del self.inbound[:size]
            self._protocol.data_received(data)
        elif self._reading and self.inbound_eof and not self._closing:
            self._reading = self.inbound_eof = False
            if not self._protocol.eof_received():
                self.close()

    def take(self, size: int) -> None:
        """Receive up to `size` bytes."""
        if not self.out:
            return
        self.sent += self.out[:size]
        del self.out[:size]
        if self._paused and len(self.out) <= self._low:
            self._paused = False
            self._protocol.resume_writing()
        self._flushed()

    def end(self) -> None:
        """Send no more; all that was sent is read if the protocol reads."""
        self.inbound_eof = True
        while self._reading and (self.inbound or self.inbound_eof):
            self.pump(100_000)

    def reset(self) -> None:
        self._lose(ConnectionResetError("by the other end"))


class _Nothing:
    @staticmethod
    def select(_timeout: float | None) -> list[object]:
        return []


class MemoryLoop(asyncio.BaseEventLoop):
    """Runs only where `settle` is called, within `with`. Its time is set by hand; who connects waits in `connecting` for the test."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.connecting: list[tuple[Callable[[], asyncio.Protocol], asyncio.Future[tuple[asyncio.Transport, asyncio.Protocol]]]] = []
        self._selector = _Nothing()
        self.errors: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.errors.append(context))

    def time(self) -> float:
        return self.now

    def _process_events(self, events: object) -> None: ...

    def _write_to_self(self) -> None: ...

    async def create_connection(self, protocol_factory: Callable[[], Any], *_: Any, **__: Any) -> Any:
        waiter: asyncio.Future[tuple[asyncio.Transport, asyncio.Protocol]] = self.create_future()
        self.connecting.append((protocol_factory, waiter))
        return await waiter

    def settle(self) -> None:
        """Run all that is ready, and all that this makes ready, and timers that are due."""
        while True:
            self._run_once()  # type: ignore[attr-defined]
            if not self._ready:  # type: ignore[attr-defined]
                return

    def __enter__(self) -> Self:
        asyncio._set_running_loop(self)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio._set_running_loop(None)
        self.close()

    def connected(self, at: int, name: str) -> MemoryTransport | None:
        """The other end takes the connection."""
        factory, waiter = self.connecting.pop(at)
        if waiter.done():
            return None
        protocol = factory()
        transport = MemoryTransport(self, protocol, name)
        protocol.connection_made(transport)
        waiter.set_result((transport, protocol))
        return transport

    def refused(self, at: int) -> None:
        _, waiter = self.connecting.pop(at)
        if not waiter.done():
            waiter.set_exception(ConnectionRefusedError("nobody listens"))
