"""Connections that are not clients yet: a load balancer has still to say who comes, or TLS has still to begin."""

import asyncio
import logging
from typing import Final, cast

from perijove.proxy.certificates import Certificates
from perijove.proxy.crowding import Place
from perijove.proxy.door import Door, peer_of
from perijove.proxy.driver import ClientConnection
from perijove.proxy.hops import UNKNOWN
from perijove.proxy.proxyprotocol import BadPreambleError, parse_preamble

_log = logging.getLogger("perijove.proxy")
_MOST_EARLY: Final = 128 * 1024
"""Bytes that may come before TLS has begun, or decrypted before the client's connection takes over: what one read can bring."""


class Arrivals:
    """Makes an arrival of each connection; cancel what still shakes hands with `aclose`."""

    def __init__(self, door: Door, certificates: Certificates | None, preamble: bool) -> None:
        """`preamble`: a load balancer speaks first; `certificates`: then comes TLS."""
        self.door = door
        self.certificates = certificates
        self.preamble = preamble
        self._shaking: set[asyncio.Task[None]] = set()

    def __call__(self) -> "Arrival":
        """For create_server."""
        return Arrival(self)

    def shake_hands(self, arrival: "Arrival", early: bytes) -> None:
        """Begin TLS. `early`: what of it came with the preamble."""
        task = asyncio.create_task(arrival.secure(), name="handshake")  # noqa: TID251 - ends within head_s; aclose cancels it
        self._shaking.add(task)
        task.add_done_callback(self._shaken)
        if early:
            # start_tls's first step makes the transport's protocol one for TLS, and asks for two calls: that it begins, and that reading goes
            # on. This one is queued behind both, and before anything can be read: the loop only looks at sockets between its rounds.
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, _feed, arrival.transport, early)

    def _shaken(self, task: asyncio.Task[None]) -> None:
        self._shaking.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a connection could not be taken on", exc_info=error)

    async def aclose(self) -> None:
        tasks = tuple(self._shaking)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


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
        self._buffer += data
        if self._entered:  # it is kept until the client's own protocol is in place, which is in a moment
            if len(self._buffer) > _MOST_EARLY:
                self.transport.abort()
            return
        if self.transport.is_closing():
            return
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
        if self._arrivals.certificates is None:
            self._hand_over(self.transport, room)
        elif room:
            asyncio.get_running_loop().call_soon(self._begin_tls)  # a new connection cannot be paused before it has begun to read
        else:
            self._door.crowded(self._peer)
            self.transport.abort()

    def _begin_tls(self) -> None:
        if not self.transport.is_closing():
            self.transport.pause_reading()
            early = bytes(self._buffer)
            self._buffer.clear()  # from here on only what was decrypted comes into it
            self._arrivals.shake_hands(self, early)

    async def secure(self) -> None:
        """Shake hands, then become a client."""
        context = cast(Certificates, self._arrivals.certificates).context_for(self.transport)
        late_s = self._door.limits.head_s + 60  # long after our own clock
        loop = asyncio.get_running_loop()
        try:
            transport = await loop.start_tls(self.transport, self, context, server_side=True, ssl_handshake_timeout=late_s)
        except OSError:  # also what ssl raises: the client went away, or does not speak TLS
            transport = None
        if transport is None or transport.is_closing():
            self.transport.abort()
            self._gone()
        else:
            self._hand_over(transport, True)

    def _hand_over(self, transport: asyncio.Transport, room: bool) -> None:
        place, self._place = self._place, ""
        self._gone()
        client = ClientConnection(self._door)
        transport.set_protocol(client)
        client.begin(transport, self._peer, self._trusted, place, room=room, secure=self._secure)
        if self._buffer:
            client.data_received(bytes(self._buffer))

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


def _feed(transport: asyncio.Transport, data: bytes) -> None:
    """Give a protocol with a buffer of its own (asyncio.BufferedProtocol) what somebody else has read for it."""
    protocol = cast(asyncio.BufferedProtocol, transport.get_protocol())
    while data and not transport.is_closing():
        room = memoryview(protocol.get_buffer(len(data)))
        size = min(len(room), len(data))
        room[:size] = data[:size]
        protocol.buffer_updated(size)
        data = data[size:]
