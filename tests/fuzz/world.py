"""A door with its pool and its clock, and nothing real around it."""

import logging
from contextlib import ExitStack
from typing import Final, Self
from unittest import mock

from perijove.proxy import deadlines
from perijove.proxy.deadlines import Deadlines
from perijove.proxy.door import Door
from perijove.proxy.driver import ClientConnection
from perijove.proxy.settings import Limits, ProxySettings
from perijove.proxy.stats import Stats
from perijove.proxy.table import Entry, Table
from perijove.proxy.upstreams import Origin, Upstreams
from perijove.wire.feed import Route

from .memory import MemoryLoop, MemoryTransport

LIMITS: Final = Limits(
    head_s=5, idle_s=10, body_s=8, connect_s=4, response_s=20, send_s=6, tunnel_idle_s=30, half_close_s=3, pool_idle_s=7, buffer_bytes=1000, max_head_bytes=4096,
    pool_per_target=2, max_connections=6, max_connections_per_address=5,
)  # fmt: skip
HUB: Final = "http://hub:1"
ALICE: Final = "http://alice:2"
_LOG: Final = logging.getLogger("perijove.proxy")


class _Errors(logging.Handler):
    """Some exceptions end up in the log alone."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(self.format(record))


class World:
    """Use within `with`. /user/alice/ is a server's, all else the hub's."""

    def __init__(self, hub: bool = True, access_log: str = "") -> None:
        self.loop = MemoryLoop()
        self.clients: list[MemoryTransport] = []
        self.servers: list[MemoryTransport] = []
        self.settings = ProxySettings(
            limits=LIMITS, hubs=(HUB,) if hub else (), access_log="json" if access_log else "off", access_log_file=access_log or "/dev/null"
        )
        self._errors = _Errors()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.loop)
        self._stack.enter_context(mock.patch.object(deadlines, "time", mock.Mock(monotonic=self.loop.time, time=self.loop.time)))
        self._stack.callback(_LOG.setLevel, _LOG.level)
        self._stack.callback(setattr, _LOG, "propagate", _LOG.propagate)
        self._stack.callback(_LOG.removeHandler, self._errors)
        _LOG.addHandler(self._errors)
        _LOG.setLevel(logging.ERROR)
        _LOG.propagate = False
        self.clock = Deadlines()
        self.stats = Stats()
        self.upstreams = Upstreams(LIMITS, self.clock, self.stats)
        table: Table[Origin] = Table()
        table.set(Entry(Route("/user/alice/", ALICE), self.upstreams.origin(ALICE)))
        self.door = Door(self.settings, table, self.upstreams, self.clock, self.stats)
        return self

    def __exit__(self, *_: object) -> None:
        if self.door.access_log is not None:
            self.door.access_log.flush()
            self.door.access_log.close()
        self._stack.close()

    def connect(self) -> MemoryTransport:
        """A new client."""
        connection = ClientConnection(self.door)
        transport = MemoryTransport(self.loop, connection, f"client {len(self.clients)}")
        self.clients.append(transport)
        connection.connection_made(transport)
        return transport

    def accept(self, at: int = 0) -> MemoryTransport | None:
        """A server takes the connection of the proxy that waits at this place; None if the proxy has given up."""
        server = self.loop.connected(at, f"server {len(self.servers)}")
        if server is not None:
            self.servers.append(server)
        return server

    def wait(self, seconds: float) -> None:
        self.loop.now += seconds
        self.clock.tick()
        self.upstreams.sweep()
        self.loop.settle()

    def check_errors(self) -> None:
        """Nothing may have been raised where nobody sees it."""
        assert not self._errors.seen, self._errors.seen
        assert not self.loop.errors, self.loop.errors

    def check_empty(self) -> None:
        """Nothing may be left of anybody."""
        self.check_errors()
        assert not self.door.connections, "clients are left"
        assert not self.door.tunnels, "tunnels are left"
        assert not self.door.crowding.counts, "places are left"
        assert not self.upstreams._connecting, "somebody still connects"
        assert self.upstreams.open_count == 0, "connections to servers are left"
        assert not any(origin.idle for origin in self.upstreams.origins()), "connections are still kept"
        assert not any(self.clock._slots.values()), "deadlines are left"
        for transport in (*self.clients, *self.servers):
            assert transport.lost, f"{transport.name} is still open"
