"""After an upgrade: bytes both ways, not looked into, each side made to wait when the other is slow."""

import asyncio
from collections.abc import Callable

from perijove.proxy.crowding import Place
from perijove.proxy.deadlines import Deadlines
from perijove.proxy.settings import Limits
from perijove.proxy.tlstransport import TlsTransport

_CONTROL = frozenset({0x89, 0x8A})
"""First byte of a WebSocket's ping and pong frames (RFC 6455, section 5.2)."""


class Tunnel:
    """Two connections that are one now. `start` takes both over from whoever had them."""

    __slots__ = ("_clock", "_ended", "_left", "_limits", "_used", "client", "due", "half_closed", "idle_s", "place", "server", "slot")

    def __init__(self, clock: Deadlines, limits: Limits, used: Callable[[], None], ended: "Callable[[Tunnel], None]", websocket: bool) -> None:
        """`used` is called when the client sends something of its own, `ended` once, when both connections are gone."""
        self._clock = clock
        self._limits = limits
        self._used = used
        self._ended = ended
        self._left = 2
        self.half_closed = False
        self.place: Place = ""
        """Where the client counts."""
        self.due = 0.0
        self.slot = 0
        self.idle_s = limits.tunnel_idle_s
        self.client: End = WebSocketEnd(self, clock, used) if websocket else ClientEnd(self, clock, used)
        self.server = End(self, clock)

    def start(self, client: asyncio.Transport, server: asyncio.Transport, client_waits: bool, to_client: bytes, to_server: bytes) -> None:
        """`client_waits`: the client's write buffer is full already. `to_client` and `to_server` are sent first."""
        self.client.transport, self.client.other = client, server
        self.server.transport, self.server.other = server, client
        for transport in (client, server):
            if isinstance(transport, TlsTransport):
                transport.stay()
        client.set_protocol(self.client)
        server.set_protocol(self.server)
        self._clock.arm(self, self.idle_s)
        client.resume_reading()
        server.resume_reading()
        if client_waits:
            server.pause_reading()
        if to_client:
            client.write(to_client)
        if to_server:
            server.write(to_server)
            self._used()

    def count_server(self) -> None:
        """What the server says counts as use, too. Call it before `start`."""
        websocket = isinstance(self.client, WebSocketEnd)
        self.server = WebSocketServerEnd(self, self._clock, self._used) if websocket else ClientEnd(self, self._clock, self._used)

    def one_side_ended(self) -> bool:
        """A side sends no more. True if the other side still may: it then has a while to end too."""
        if self.half_closed:
            return False
        self.half_closed = True
        self.idle_s = self._limits.half_close_s
        self._clock.arm(self, self.idle_s)
        return True

    def one_side_gone(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._clock.drop(self)
            self._ended(self)
            # Else they and their transports, with what TLS keeps for each, would wait for a search for garbage, which we hardly ever make.
            del self.client, self.server

    def expired(self) -> None:
        self.abort()

    def abort(self) -> None:
        self.client.transport.abort()
        self.server.transport.abort()


class End(asyncio.Protocol):
    """One side of a tunnel: what it receives goes to the other."""

    __slots__ = ("clock", "other", "transport", "tunnel")

    transport: asyncio.Transport
    other: asyncio.Transport

    def __init__(self, tunnel: Tunnel, clock: Deadlines) -> None:
        self.tunnel = tunnel
        self.clock = clock

    def data_received(self, data: bytes) -> None:
        self.tunnel.due = self.clock.now + self.tunnel.idle_s
        self.other.write(data)

    def eof_received(self) -> bool:
        if self.other.is_closing() or not self.other.can_write_eof() or not self.transport.can_write_eof():
            return False  # TLS has no half-closed connections: both end
        stays = self.tunnel.one_side_ended()
        self.other.write_eof()
        return stays

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self.other.abort()
        elif not self.other.is_closing():
            self.other.close()  # sends what it still has; not for ever, see one_side_ended
            self.tunnel.one_side_ended()
        self.tunnel.one_side_gone()

    def pause_writing(self) -> None:
        self.other.pause_reading()

    def resume_writing(self) -> None:
        self.other.resume_reading()


class ClientEnd(End):
    """A side that shows that somebody is there: the client's."""

    __slots__ = ("_used",)

    def __init__(self, tunnel: Tunnel, clock: Deadlines, used: Callable[[], None]) -> None:
        super().__init__(tunnel, clock)
        self._used = used

    def data_received(self, data: bytes) -> None:
        self.tunnel.due = self.clock.now + self.tunnel.idle_s
        self.other.write(data)
        self._used()


class WebSocketEnd(ClientEnd):
    """The client's side of a WebSocket: a forgotten page that answers the server's pings is not somebody."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        self.tunnel.due = self.clock.now + self.tunnel.idle_s
        self.other.write(data)
        # A masked control frame is 6 bytes and a payload of less than 126.
        if data[0] not in _CONTROL or len(data) != 6 + (data[1] & 0x7F if len(data) > 1 else 0):
            self._used()


class WebSocketServerEnd(ClientEnd):
    """The server's side of a WebSocket, where its messages count but its pings do not."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        self.tunnel.due = self.clock.now + self.tunnel.idle_s
        self.other.write(data)
        # A control frame that is not masked is 2 bytes and a payload of less than 126.
        if data[0] not in _CONTROL or len(data) != 2 + (data[1] & 0x7F if len(data) > 1 else 0):
            self._used()
