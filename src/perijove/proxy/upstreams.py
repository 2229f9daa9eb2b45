"""Connections to servers and hubs: made, kept for the next request, and dropped."""

import asyncio
import contextlib
import errno
import logging
import ssl
from collections.abc import Callable, Sequence
from typing import Final, Protocol, cast

from perijove.proxy.deadlines import Deadlines
from perijove.proxy.gateways import Gateways
from perijove.proxy.settings import Limits
from perijove.proxy.stats import Stats
from perijove.proxy.tlsclient import connect_tls
from perijove.wire.target import Target, parse_target

_log = logging.getLogger("perijove.proxy.upstreams")
_DOWN_S = 0.5
_RECENT_S = 10.0
_AGAIN_S = 0.1
"""How long an address that refused is not tried again where waiting or another address is as good."""
OUR_LIMITS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})
"""Connecting failed for want of something on this machine: nothing is known of the server."""


class Origin:
    """One address of a server, with the connections kept open to it. Requests, routes and the hub list share them."""

    __slots__ = ("authority", "down_until", "idle", "prefix", "target", "text", "up_at", "users")

    def __init__(self, text: str) -> None:
        """Raises BadTargetError."""
        self.text = text
        self.target: Target = parse_target(text)
        self.authority = self.target.authority
        self.prefix = self.target.prefix
        self.idle: list[UpstreamConnection] = []
        self.users = 0
        self.down_until = 0.0
        self.up_at = -1e9
        """When an answer from there was complete, on the coarse clock."""


class Waiting(Protocol):
    """An exchange, as a connection to its server sees it."""

    def connected(self, connection: "UpstreamConnection") -> None: ...
    def unreachable(self, error: Exception) -> None: ...
    def response_data(self, data: bytes) -> None: ...
    def upstream_lost(self, error: Exception | None) -> None: ...
    def upstream_writable(self, writable: bool) -> None: ...
    def move_on(self, origins: "Sequence[Origin]") -> None: ...


class UpstreamConnection(asyncio.Protocol):
    """One connection to a server; serves one exchange at a time."""

    __slots__ = ("closing", "exchange", "origin", "pool", "since", "transport", "used")

    transport: asyncio.Transport

    def __init__(self, pool: "Upstreams", origin: Origin) -> None:
        self.pool = pool
        self.origin = origin
        self.exchange: Waiting | None = None
        self.closing = False
        self.used = False
        """Whether it has served an exchange before: its end may then be the server's idle limit, not a failure."""
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from asyncio's

    def data_received(self, data: bytes) -> None:
        if self.exchange is not None:
            self.exchange.response_data(data)
        else:
            # Bytes nobody asked for: they must never become the answer to somebody's next request.
            self.drop()

    def eof_received(self) -> bool:
        self.closing = True
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # it answers no more: closing would wait until it has taken the rest of the request
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.closing = True
        self.pool.lost(self)
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.upstream_lost(exc)

    def pause_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.upstream_writable(False)

    def resume_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.upstream_writable(True)

    def drop(self) -> None:
        """Close at once, so that the server sees that nobody waits any more."""
        self.closing = True
        self.exchange = None
        self.transport.abort()


class Upstreams:
    """The pool."""

    def __init__(
        self, limits: Limits, deadlines: Deadlines, stats: Stats, tls: ssl.SSLContext | None = None, gateways: Gateways | None = None
    ) -> None:
        self._limits = limits
        self._clock = deadlines
        self.stats = stats
        self._tls = tls
        self._gateways = gateways or Gateways((), "")
        self._origins: dict[str, Origin] = {}
        self._connecting: set[asyncio.Task[None]] = set()
        self._open: set[UpstreamConnection] = set()

    def origin(self, text: str) -> Origin:
        """The origin of a target, to be given back with `forget`. Raises BadTargetError."""
        origin = self._origins.get(text)
        if origin is None:
            origin = self._origins[text] = Origin(text)
        origin.users += 1
        return origin

    def forget(self, origin: Origin) -> None:
        """No route leads there any more, for this caller; exchanges that run go on."""
        origin.users -= 1
        if origin.users == 0:
            del self._origins[origin.text]
            for connection in tuple(origin.idle):
                connection.drop()

    def take(self, origin: Origin, repeatable: bool) -> UpstreamConnection | None:
        """A kept connection, the one used last first. One that has been idle for longer may just be closing on the other side,
        so it is only for requests that can be repeated."""
        idle = origin.idle
        while idle:
            connection = idle[-1]
            if connection.closing:
                idle.pop().drop()
                continue
            if not repeatable and connection.since < self._clock.now - self._limits.pool_fresh_s:
                return None
            idle.pop()
            return connection
        return None

    def park(self, connection: UpstreamConnection) -> None:
        """Keep a connection whose exchange ended in good order."""
        origin = connection.origin
        connection.exchange = None
        if connection.closing or not origin.users or len(origin.idle) >= self._limits.pool_per_target:
            connection.drop()
            return
        connection.used = True
        connection.since = origin.up_at = self._clock.now
        origin.idle.append(connection)

    def connect(self, exchange: Waiting, origins: Sequence[Origin], patience_s: float = 0.0) -> asyncio.Task[None]:
        """Open a connection to the first of `origins` that answers; `exchange` is told how it went. `patience_s`: for how long one that
        answered a moment ago is tried again, for it may just be starting anew."""
        task = asyncio.create_task(self._connect(exchange, origins, patience_s), name="connect")  # noqa: TID251 - the exchange cancels it, or aclose
        self._connecting.add(task)
        task.add_done_callback(self._connected)
        return task

    def _connected(self, task: asyncio.Task[None]) -> None:
        self._connecting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a request could not be sent on", exc_info=error)

    async def _connect(self, exchange: Waiting, origins: Sequence[Origin], patience_s: float) -> None:
        failure: Exception = OSError("there is no address to connect to")
        if patience_s and any(origin.up_at > self._clock.now - _RECENT_S for origin in origins):
            until = self._clock.now + patience_s
            while self._clock.now < until:
                for origin in origins:
                    with contextlib.suppress(OSError, UnicodeError):
                        async with asyncio.timeout(self._limits.connect_s):
                            connection = await self._open_connection(origin)
                        self._has_connected(exchange, connection)
                        return
                await asyncio.sleep(_AGAIN_S)
        for origin in origins:
            try:
                async with asyncio.timeout(self._limits.connect_s):
                    connection = await self._open_connection(origin)
            except (OSError, UnicodeError) as error:
                self.stats.upstream_failures += 1
                failure = error
                if not (isinstance(error, OSError) and error.errno in OUR_LIMITS):
                    origin.down_until = self._clock.now + _DOWN_S
                continue
            self._has_connected(exchange, connection)
            return
        exchange.unreachable(failure)

    def _has_connected(self, exchange: Waiting, connection: UpstreamConnection) -> None:
        connection.origin.down_until = 0.0
        self.stats.upstream_connects += 1
        exchange.connected(connection)

    async def _open_connection(self, origin: Origin) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        target = origin.target
        make: Callable[[], UpstreamConnection] = lambda: UpstreamConnection(self, origin)  # noqa: E731
        if target.start_id:
            connection = make()
            await self._gateways.connect(target.start_id, connection)
        elif target.path:
            _, connection = await loop.create_unix_connection(make, target.path)
        elif target.tls:
            connection = make()
            await connect_tls(connection, target.host, target.port, self._tls or ssl.create_default_context())
        else:
            _, connection = await loop.create_connection(make, target.host, target.port)
        connection.transport.set_write_buffer_limits(high=self._limits.buffer_bytes)
        if connection.closing:
            connection.drop()
            raise ConnectionResetError("the server closed the connection at once")
        self._open.add(connection)
        return connection

    def move_on(self, origin: Origin, origins: Sequence[Origin]) -> None:
        """Nothing answers at `origin`, though it takes connections: whoever may ask anew asks `origins`."""
        for connection in tuple(self._open):
            if connection.origin is origin and connection.exchange is not None:
                connection.exchange.move_on(origins)

    def lost(self, connection: UpstreamConnection) -> None:
        self._open.discard(connection)
        idle = connection.origin.idle
        if connection in idle:
            idle.remove(connection)

    def detach(self, connection: UpstreamConnection) -> None:
        """The connection became a tunnel and is counted there."""
        self._open.discard(connection)

    @property
    def open_count(self) -> int:
        """Connections to servers, tunnels not counted."""
        return len(self._open)

    def connections(self) -> tuple[UpstreamConnection, ...]:
        """Open ones to servers, tunnels not among them."""
        return tuple(self._open)

    def origins(self) -> tuple[Origin, ...]:
        """All addresses that routes lead to."""
        return tuple(self._origins.values())

    def sweep(self) -> None:
        """Drop what has been idle for too long; called every few seconds."""
        before = self._clock.now - self._limits.pool_idle_s
        count = 0
        for origin in self._origins.values():
            idle = origin.idle
            while idle and idle[0].since < before:
                idle.pop(0).drop()
            count += len(idle)
        self.stats.upstream_idle = count

    async def aclose(self) -> None:
        """Drop everything, also what is just connecting."""
        for task in tuple(self._connecting):
            task.cancel()
        if self._connecting:
            await asyncio.wait(self._connecting)
        for connection in tuple(self._open):
            connection.drop()
        while self._open:  # noqa: ASYNC110 - dropped ones are told so in the loop's next turns
            await asyncio.sleep(0)
