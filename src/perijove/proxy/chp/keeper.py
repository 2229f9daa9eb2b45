"""The process that holds the routes: answers the API, tells the workers, writes everything down."""

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Coroutine
from pathlib import Path
from shutil import rmtree
from typing import Any, Final

import uvloop

from perijove.proxy.certfiles import CertificateFiles
from perijove.proxy.certificates import Certificates
from perijove.proxy.chp.api import Api, wall
from perijove.proxy.chp.followers import HEARTBEAT_S, Followers
from perijove.proxy.chp.httpserver import HttpServer
from perijove.proxy.chp.journal import Journal
from perijove.proxy.chp.metrics import Metrics
from perijove.proxy.chp.routes import Kept, Routes
from perijove.proxy.chp.settings import KeeperSettings
from perijove.proxy.stats import Board
from perijove.proxy.workerprocess import SIGNALS
from perijove.wire.routespec import BadRouteSpecError
from perijove.wire.target import BadTargetError

_log = logging.getLogger("perijove.proxy.chp")
_WRITE_USED_S: Final = 10.0
"""How often times of use are written down."""
_RENEW_S: Final = 30.0
"""How often the API's certificate is looked at."""


class Keeper:
    """Everything the API changes goes through here."""

    def __init__(self, settings: KeeperSettings, board: Board) -> None:
        """Raises BadRouteSpecError or BadTargetError for a default target that cannot be one."""
        self._settings = settings
        self.routes = Routes(settings.host_routing)
        self.followers = Followers(self.routes, settings.feed_token, self._used)
        self.api = Api(self, settings.token)
        self.metrics = Metrics(board, self.api)
        self._journal = Journal(settings.journal)
        self._unwritten: dict[str, Kept] = {}
        self._journal.load(self.routes)
        if settings.default_target and self._journal.default_target != settings.default_target:
            # Not if it stood there already: the hub may have set another since.
            self.routes.put("/", settings.default_target, {}, wall())
        self._journal.rewrite(self.routes, settings.default_target)

    async def put(self, path: str, target: str, data: dict[str, Any]) -> None:
        """Returns when all workers use the route. Raises BadRouteSpecError or BadTargetError."""
        kept, change = self.routes.put(path, target, data, wall())
        revision = self.routes.revision
        self._journal.put(kept, revision)
        self.followers.tell(change)
        await self.followers.applied(revision)

    async def delete(self, path: str) -> bool:
        """Returns when no worker uses the route any more; False if there was none."""
        change = self.routes.delete(path)
        if change is None:
            return False
        revision = self.routes.revision
        self._journal.delete(path, revision)
        self._unwritten.pop(path, None)
        self.followers.tell(change)
        await self.followers.applied(revision)
        return True

    async def refresh(self) -> None:
        await self.followers.refresh()

    def _used(self, activity: dict[str, str]) -> None:
        self._unwritten.update((kept.path, kept) for kept in self.routes.used(activity))

    async def tend(self) -> None:
        """Run as a task: heartbeats, and the journal's upkeep."""
        written = 0.0
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            self.followers.tell()
            now = asyncio.get_running_loop().time()
            if now - written >= _WRITE_USED_S:
                written = now
                self._write_used()
            if self._journal.too_long:
                self._journal.rewrite(self.routes, self._settings.default_target)

    def _write_used(self) -> None:
        self._journal.used(list(self._unwritten.values()))
        self._unwritten.clear()

    def close(self) -> None:
        self._write_used()
        self._journal.close()


def api_certificates(settings: KeeperSettings) -> Certificates | None:
    """Raises UnusableFilesError if its files cannot be used."""
    tls = settings.tls
    return None if tls is None else Certificates((CertificateFiles(cert=tls.cert, key=tls.key, password=tls.password),), tls.demands, wall())


async def _renew(certificates: Certificates | None) -> None:
    """Run as a task."""
    while certificates is not None:
        await asyncio.sleep(_RENEW_S)
        certificates.reload(wall())


class KeeperPost:
    """What the keeper's process is started with, and started again with should it die: a Companion of the supervisor."""

    def __init__(self, settings: KeeperSettings, feed: socket.socket, api: list[socket.socket], metrics: list[socket.socket], folder: str) -> None:
        """`folder` is removed when the parent is gone."""
        self._settings = settings
        self._feed = feed
        self._api = api
        self._metrics = metrics
        self._folder = folder

    def close(self) -> None:
        for sock in (self._feed, *self._api, *self._metrics):
            sock.close()

    def work(self, board: Board, life: int) -> int:
        try:
            return uvloop.run(self._serve(board, life))
        except (BadRouteSpecError, BadTargetError) as error:
            _log.critical("the default target cannot be used: %s", error)
            return 1

    async def _serve(self, board: Board, life: int) -> int:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        orphaned = False

        def abandoned() -> None:
            nonlocal orphaned
            orphaned = True
            loop.remove_reader(life)
            stop.set()

        loop.add_signal_handler(signal.SIGTERM, stop.set)
        # Ctrl-C reaches everybody at once: the workers end first, and still have something to tell.
        for number in SIGNALS - {signal.SIGTERM, signal.SIGCHLD}:
            loop.add_signal_handler(number, lambda: None)
        loop.add_reader(life, abandoned)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        keeper = Keeper(self._settings, board)
        certificates = api_certificates(self._settings)
        servers = [HttpServer(keeper.followers), HttpServer(keeper.api), HttpServer(keeper.metrics)]
        await servers[0].listen([self._feed])
        await servers[1].listen(self._api, certificates.context if certificates is not None else None)
        await servers[2].listen(self._metrics)
        if keeper.routes.by_path:
            _log.info("keeping %d routes", len(keeper.routes.by_path))
        gc.collect()
        gc.freeze()
        async with asyncio.TaskGroup() as group:
            work: list[Coroutine[None, None, None]] = [keeper.tend(), _renew(certificates), *(server.sweep() for server in servers)]
            tasks = [group.create_task(each) for each in work]
            await stop.wait()
            for task in tasks:
                task.cancel()
        for server in servers:
            server.close()
        keeper.close()
        if orphaned:
            rmtree(Path(self._folder), ignore_errors=True)
        return 0
