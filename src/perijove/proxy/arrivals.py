"""Connections that are not clients yet: a load balancer has still to say who comes, or TLS has still to begin."""

import asyncio
from typing import cast

from perijove.proxy.certificates import Certificates
from perijove.proxy.crowding import Place
from perijove.proxy.door import Door, peer_of
from perijove.proxy.driver import ClientConnection
from perijove.proxy.hops import UNKNOWN
from perijove.proxy.proxyprotocol import BadPreambleError, parse_preamble
from perijove.proxy.tlstransport import TlsTransport


class Arrivals:
    """Makes an arrival of each connection."""

    def __init__(self, door: Door, certificates: Certificates | None, preamble: bool) -> None:
        """`preamble`: a load balancer speaks first; `certificates`: then comes TLS."""
        self.door = door
        self.certificates = certificates
        self.preamble = preamble

    def __call__(self) -> "Arrival":
        """For create_server."""
        return Arrival(self)


class Arrival(asyncio.Protocol):
    """One of them. Counts among the door's connections for as long as it is one."""

    __slots__ = ("_arrivals", "_buffer", "_door", "_entered", "_peer", "_place", "_secure", "_trusted", "due", "slot", "transport")

    transport: asyncio.Transport

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._door = arrivals.door
        self._buffer = bytearray()
        self._peer = ""
        self._secure = False
        self._trusted = False
        self._place: Place = ""
        self._entered = False
        self.due = 0.0
        self.slot = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from asyncio's
        door = self._door
        door.stats.accepted += 1
        self._peer = peer_of(transport)
        self._trusted = door.trusted.trusts(self._peer)
        if self._peer == UNKNOWN:
            self.transport.abort()  # it is gone: load balancers look in like this to see whether we live
        elif door.full:
            door.no_room()
            self.transport.abort()
        elif self._trusted or not self._arrivals.preamble:
            door.connections.add(self)
            door.clock.arm(self, door.limits.head_s)
            if not self._arrivals.preamble:
                self._enter(self._peer)
        else:
            self._refuse("only a load balancer in trusted_proxies may connect while proxy_protocol is on")

    def data_received(self, data: bytes) -> None:
        if self._entered or self.transport.is_closing():
            return
        self._buffer += data
        try:
            preamble = parse_preamble(self._buffer)
        except BadPreambleError as error:
            self._refuse(str(error))
            return
        if preamble is not None:
            del self._buffer[: preamble.size]
            # An address that was not told stays the load balancer's, but then it is not the load balancer who speaks.
            self._trusted = preamble.local or (bool(preamble.address) and self._door.trusted.trusts(preamble.address))
            self._peer = preamble.address or self._peer
            self._secure = preamble.secure
            self._enter(preamble.address)

    def _enter(self, address: str) -> None:
        """Count who comes, then go on to TLS if there is any."""
        self._entered = True
        self._place, room = ("", True) if self._trusted else self._door.crowding.enter(address)
        certificates = self._arrivals.certificates
        if certificates is None:
            client = self._hand_over(self.transport, room)
            if self._buffer:
                client.data_received(bytes(self._buffer))
        elif room:
            secure = TlsTransport(self.transport, self, certificates.context_for(self.transport), self._hand_over)
            if self._buffer:
                secure.data_received(bytes(self._buffer))
        else:
            self._door.crowded(self._peer)
            self.transport.abort()

    def _hand_over(self, transport: asyncio.Transport, room: bool = True) -> ClientConnection:
        place, self._place = self._place, ""
        self._gone()
        client = ClientConnection(self._door)
        transport.set_protocol(client)
        client.begin(transport, self._peer, self._trusted, place, room=room, secure=self._secure)
        return client

    def _refuse(self, why: str) -> None:
        self._door.stats.refused_preamble += 1
        self._door.strangers.warn(self._door.clock.now, "a connection from %s is closed: %s", self._peer or "a unix socket", why)
        self.transport.abort()

    def _gone(self) -> None:
        """No longer one of those that wait; nothing if it was not before."""
        place, self._place = self._place, ""
        self._door.crowding.leave(place)
        self._door.leave(self)
        self._door.clock.drop(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why does not matter: nobody is there any more
        self._gone()

    def expired(self) -> None:
        self._door.stats.timeouts += 1
        self.transport.abort()

    @property
    def busy(self) -> bool:
        return False

    def drain(self, *, gently: bool) -> None:
        if not gently:
            self.transport.abort()

    def abort(self) -> None:
        self.transport.abort()
