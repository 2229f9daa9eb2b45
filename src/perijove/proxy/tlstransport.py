"""TLS between a connection and its protocol, with little memory for each: people leave thousands of pages open, and most are silent."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

_MAX_RECORD: Final = 16 * 1024
_SMALL: Final = 4 * 1024
_LINGER_S: Final = 2.0
_STUCK_S: Final = 60.0
_NOBODY: Final = asyncio.Protocol()


class TlsTransport(asyncio.Transport, asyncio.Protocol):
    """The protocol of a TCP connection, and the transport of whoever speaks through it. Nothing that was decrypted or is to be encrypted is kept:
    what a slow reader leaves waits in the TCP transport, encrypted, and its limits are those that count."""

    __slots__ = ("_closing", "_ended", "_error", "_incoming", "_leaving", "_outgoing", "_piece", "_protocol", "_raw", "_secured", "_tls")

    def __init__(
        self, raw: asyncio.Transport, protocol: asyncio.Protocol, context: ssl.SSLContext, secured: Callable[[asyncio.Transport], object],
        server: str = "",
    ) -> None:  # fmt: skip
        """Begins to shake hands, as a client of `server` if one is named; `secured` is told when that is done, `protocol` if the connection is lost
        before. What has been read already is given to `data_received`. Raises ValueError for a name that cannot be one."""
        self._raw = raw
        self._protocol = protocol
        self._secured: Callable[[asyncio.Transport], object] | None = secured
        """None: hands have been shaken."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=not server, server_hostname=server or None)
        self._piece = _MAX_RECORD
        """OpenSSL's buffers (BIO) grow to the most that was ever in them and never shrink: nothing larger than this goes in at once."""
        self._closing = False
        self._ended = False
        """Whether the other side has said that this was all."""
        self._leaving: asyncio.TimerHandle | None = None
        self._error: OSError | None = None
        """What ended it."""
        raw.set_protocol(self)
        if server:
            self._shake()

    # What TCP tells.

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return  # it is read so that the other side can read our last words
        piece = self._piece
        if len(data) <= piece:
            self._incoming.write(data)
            plain = self._read()
        else:
            view = memoryview(data)
            found: list[bytes] = []
            for at in range(0, len(data), piece):
                self._incoming.write(view[at : at + piece])
                found.append(self._read())
            plain = b"".join(found)
        if plain:
            self._protocol.data_received(plain)
        if self.is_closing():  # of the protocol's own doing
            return
        if self._outgoing.pending:
            self._raw.write(self._outgoing.read())
        if self._ended:
            self._protocol.eof_received()
            self.close()

    def _read(self) -> bytes:
        """All that is whole."""
        if self._secured is not None and not self._shake():
            return b""
        incoming, read = self._incoming, self._tls.read
        found = b""
        try:
            while not self._closing:
                piece = read(_MAX_RECORD)
                if not piece:
                    self._ended = True
                    break
                found = found + piece if found else piece
                if not incoming.pending:
                    break
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._ended = True
        except ssl.SSLError as error:
            self._give_up(error)
        return found

    def _shake(self) -> bool:
        """Whether hands have been shaken."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except OSError as error:  # ssl.SSLError is one
            self._give_up(error)
            return False
        finally:
            if self._outgoing.pending and not self._raw.is_closing():
                self._raw.write(self._outgoing.read())
        secured, self._secured = self._secured, None
        if secured is not None:
            secured(self)
        return not self._closing

    def _give_up(self, error: OSError) -> None:
        """Say why, if OpenSSL has words for it, and end."""
        self._closing = True
        self._error = error
        if self._outgoing.pending and not self._raw.is_closing():
            self._raw.write(self._outgoing.read())
        self._raw.close()

    def eof_received(self) -> bool:
        self._closing = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._secured = None
        if self._leaving is not None:
            self._leaving.cancel()
        protocol, self._protocol = self._protocol, _NOBODY  # or each would keep the other until somebody looks for garbage
        protocol.connection_lost(exc or self._error)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    # What the protocol asks for.

    def stay(self) -> None:
        """This connection is there for long, and silent mostly: from now on little memory counts more than speed."""
        self._piece = _SMALL

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or self._raw.is_closing():
            return
        tls, outgoing, piece = self._tls, self._outgoing, self._piece
        try:
            if len(data) <= piece:
                tls.write(data)
                self._raw.write(outgoing.read())
                return
            view = memoryview(data)
            out: list[bytes] = []
            for at in range(0, len(data), piece):
                tls.write(view[at : at + piece])
                out.append(outgoing.read())
        except ssl.SSLError:
            self.abort()
            return
        self._raw.writelines(out)  # together they would be large enough for the allocator to fetch new pages each time

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        """Say that this was all, and go when it has been sent and the other side has gone, or in a moment."""
        if self._closing:
            return
        self._closing = True
        raw = self._raw
        if raw.is_closing():
            return
        if self._secured is not None:
            raw.close()
            return
        with contextlib.suppress(ssl.SSLError):  # the other side has not said it yet, and need not
            self._tls.unwrap()
        raw.write(self._outgoing.read())
        raw.write_eof()
        raw.resume_reading()
        self._leave_later(raw.get_write_buffer_size(), _STUCK_S)

    def _leave_later(self, before: int, patience_s: float) -> None:
        self._leaving = asyncio.get_running_loop().call_later(_LINGER_S, self._leave, before, patience_s)

    def _leave(self, before: int, patience_s: float) -> None:
        """`before`: how much was still to be sent a moment ago; `patience_s`: how long that may go on without becoming less."""
        left = self._raw.get_write_buffer_size()
        if not left:
            self._raw.close()
        elif left < before:
            self._leave_later(left, _STUCK_S)
        elif patience_s > 0:
            self._leave_later(left, patience_s - _LINGER_S)
        else:
            self._raw.abort()

    def abort(self) -> None:
        self._closing = True
        self._raw.abort()

    def is_closing(self) -> bool:
        return self._closing or self._raw.is_closing()

    def can_write_eof(self) -> bool:
        """TLS has no half-closed connections that clients would understand."""
        return False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast(asyncio.Protocol, protocol)  # one for streams, as all here are

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def pause_reading(self) -> None:
        if not self._closing:
            self._raw.pause_reading()

    def resume_reading(self) -> None:
        self._raw.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._raw.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._raw.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._tls if name == "ssl_object" else self._raw.get_extra_info(name, default)
