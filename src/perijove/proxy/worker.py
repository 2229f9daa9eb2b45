"""One worker: a door, a pool, a route table that follows the hubs. Needs nothing but its settings and its sockets."""

import asyncio
import contextlib
import logging
import os
import resource
import socket
import time
from collections.abc import Coroutine, Sequence
from typing import Final

from perijove.proxy.admin import Admin
from perijove.proxy.arrivals import Arrivals
from perijove.proxy.certificates import Certificates
from perijove.proxy.deadlines import Deadlines
from perijove.proxy.door import Door
from perijove.proxy.driver import ClientConnection
from perijove.proxy.excuses import Excuses
from perijove.proxy.feed import Feed
from perijove.proxy.gateways import Gateways, agents_routes
from perijove.proxy.hubwatch import HubWatch
from perijove.proxy.listening import BACKLOG
from perijove.proxy.redirect import Redirect
from perijove.proxy.routebook import RouteBook
from perijove.proxy.settings import ProxySettings
from perijove.proxy.stats import Board, Stats
from perijove.proxy.status import Status
from perijove.proxy.tabledisk import TableDisk
from perijove.proxy.tls import upstream_context
from perijove.proxy.upstreams import Upstreams

_log = logging.getLogger("perijove.proxy")
_SWEEP_EVERY: Final = 10
_CERTIFICATE_EVERY: Final = 60
_SAVE_EVERY_S: Final = 1.0
_CLOSING_S: Final = 1.0
_OTHER_FILES: Final = 64
"""Descriptors that are not for clients and servers."""


class Worker:
    """Use as `await start(...)`, then `await drain()` to end in good order."""

    def __init__(
        self, settings: ProxySettings, *, index: int = 0, row: int = 0, board: Board | None = None, proxy_id: str = "proxy",
        certificates: Certificates | None = None,
    ) -> None:  # fmt: skip
        """`row`: its own on the board; `certificates`: if they have been read. Raises ValueError (also BadTargetError and UnusableFilesError) or
        OSError for settings that cannot be used."""
        self.settings = settings
        self.index = index
        self._row = row
        self.board = board or Board(1)
        self.stats = Stats()
        self.clock = Deadlines()
        self.stats.pid, self.stats.started_at = os.getpid(), int(self.clock.wall)
        tls = upstream_context(settings)
        self.certificates = certificates
        if settings.all_certificates and certificates is None:
            self.certificates = Certificates(settings.all_certificates, settings.tls_demands, self.clock.wall)
        self.upstreams = Upstreams(settings.limits, self.clock, self.stats, tls, Gateways(settings.gateways, settings.token))
        self._tls = tls
        self.book = RouteBook(self.upstreams, self.stats, agents_routes(settings.base_url, settings.gateways))
        self.door = Door(settings, self.book.table, self.upstreams, self.clock, self.stats)
        if settings.proxy_protocol and not settings.trusted_proxies:
            raise ValueError("proxy_protocol is on, but trusted_proxies names no load balancer that may use it")
        expected = settings.proxy_protocol or self.certificates is not None
        self._arrivals = Arrivals(self.door, self.certificates, settings.proxy_protocol) if expected else None
        self._redirect: Redirect | None = None
        if settings.chp is not None:
            self.door.excuses = Excuses(self.door, settings.chp)
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        # A client may need a connection to a server as well.
        self.door.max_connections = max(1, min(settings.limits.max_connections, (files - _OTHER_FILES) // 2))
        self._disk = TableDisk(settings.state_file) if settings.state_file else None
        self._dirty = asyncio.Event()
        self._feed = (
            Feed(settings, proxy_id, self.book, self.stats, tls, self._dirty.set, self._unwell)
            if settings.follow and (settings.feeds or settings.hubs) and settings.token
            else None
        )
        self._admin = Admin(Status(self.board, self.clock, self.book, self.upstreams), self._publish)
        self.failed = asyncio.Event()
        """Set when the worker can no longer do its work and should be replaced."""
        self._servers: list[asyncio.Server] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(
        self, sockets: Sequence[socket.socket], admin_sockets: Sequence[socket.socket] = (), plain_sockets: Sequence[socket.socket] = ()
    ) -> None:
        """Serve. The table on disk is there before the first request is. `plain_sockets`: from where people are sent to https."""
        if self._disk is not None and (saved := self._disk.load()) is not None:
            await self.book.replace(saved.epoch, saved.revision, saved.routes)
            self.stats.feed_revision = saved.revision
            _log.info("serving %d routes from %s until a hub tells more", len(self.book.table), self.settings.state_file)
        if self._feed is not None:
            self._begin(self._feed.run(), "feed")
            if self.settings.feeds:
                await self._feed.followed.wait()
        loop = asyncio.get_running_loop()
        client = self._arrivals or (lambda: ClientConnection(self.door))
        for sock in sockets:
            listen = loop.create_unix_server if sock.family == socket.AF_UNIX else loop.create_server
            server = await listen(client, sock=sock, backlog=BACKLOG)
            self._servers.append(server)
        if plain_sockets:
            settings = self.settings
            self._redirect = Redirect(
                settings.redirect_to or sockets[0].getsockname()[1], status=settings.redirect_status, acme_folder=settings.acme_folder
            )
            self._servers.extend([await loop.create_server(self._redirect, sock=sock, backlog=BACKLOG) for sock in plain_sockets])
        for sock in admin_sockets:
            start = asyncio.start_unix_server if sock.family == socket.AF_UNIX else asyncio.start_server
            self._servers.append(await start(self._admin.serve, sock=sock, limit=16 * 1024))
        self._begin(self._tick(), "clock")
        if len(self.door.hubs) > 1 and self.settings.follow:
            watched = dict(zip(self.settings.hubs, self.door.hubs, strict=True))
            self._begin(HubWatch(self.settings, watched, self.door.unwell, self._tls, self.door.silent).run(), "hubs")
        if self._disk is not None and self.index == 0:  # all workers know the same; one writes it down
            self._begin(self._save(self._disk), "disk")

    def _unwell(self, url: str) -> bool:
        """Whether a hub is known not to be well, for now."""
        return any(origin.text == url for origin in self.door.unwell)

    def _begin(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)  # noqa: TID251 - aclose cancels and awaits it
        task.add_done_callback(self._task_ended)
        self._tasks.append(task)

    async def drain(self, *, retire: bool = False) -> None:
        """Take no more, let running requests finish, then end: at most as long as the limits say. `retire`: another worker serves on, so
        upgraded connections may stay for long. May be cancelled and called again without."""
        limits = self.settings.limits
        for server in self._servers:
            server.close()
        self.door.drain(gently=retire)
        began = time.monotonic()
        await self.door.empty(self.door.connections, limits.drain_s)
        tunnels_s = limits.retire_tunnels_s if retire else limits.drain_tunnels_s
        await self.door.empty(self.door.tunnels, tunnels_s - (time.monotonic() - began))
        self.door.abort()
        await self.aclose()

    async def aclose(self) -> None:
        """End at once."""
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._feed is not None and not self.failed.is_set():
            await self._feed.leave()
        if self._redirect is not None:
            self._redirect.abort()
        self.door.abort()
        await self.door.empty(self.door.connections, _CLOSING_S)
        await self.door.empty(self.door.tunnels, _CLOSING_S)
        await self.upstreams.aclose()
        if self._disk is not None and self.index == 0 and self._dirty.is_set():
            await self._disk.save(self.book.epoch, self.book.revision, self.book.routes())
        self.reopen_log()
        self._publish()

    def reopen_log(self) -> None:
        """The access log's file was moved away."""
        if self.door.access_log is not None:
            self.door.access_log.reopen()

    def reload_certificates(self, *, anyway: bool = False) -> None:
        """If their files have changed. `anyway`: somebody asked for it, so complain again about what cannot be used."""
        if self.certificates is not None:
            self.certificates.reload(self.clock.wall, anyway=anyway)

    async def _tick(self) -> None:
        for beat in range(1, 1 << 62):
            try:
                self.clock.tick()
                self._publish()
                if self.door.access_log is not None:
                    self.door.access_log.flush()
                if beat % _SWEEP_EVERY == 0:
                    self.upstreams.sweep()
                if beat % _CERTIFICATE_EVERY == 0:
                    self.reload_certificates()
            except Exception:  # noqa: BLE001 - logged with its traceback
                # The clock must not stop for one connection that could not be ended.
                _log.exception("the clock stumbled")
            await asyncio.sleep(Deadlines.TICK_S)

    async def _save(self, disk: TableDisk) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            await disk.save(self.book.epoch, self.book.revision, self.book.routes())
            await asyncio.sleep(_SAVE_EVERY_S)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            _log.critical("the %s task of the proxy failed: this worker gives way to another", task.get_name(), exc_info=task.exception())
            self.failed.set()

    def _publish(self) -> int:
        """Bring this worker's row up to date; returns its process id."""
        door = self.door
        self.stats.connections = len(door.connections)
        self.stats.exchanges = sum(connection.busy for connection in door.connections)
        self.stats.upstream_open = self.upstreams.open_count
        self.stats.tunnels = len(door.tunnels)
        with contextlib.suppress(IndexError):
            self.board.publish(self._row, self.stats)
        return self.stats.pid
