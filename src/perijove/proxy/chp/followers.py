"""The keeper's side of the feed: the workers that follow, and how far each has come."""

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qs, unquote

import msgspec

from perijove.proxy.chp.httpserver import Ask, Connection, answer
from perijove.proxy.chp.routes import Routes
from perijove.wire.feed import Change, Changes, Report

_log = logging.getLogger("perijove.proxy.chp")
FEED_PATH: Final = "/hub/perijove/"
_APPLIED_S: Final = 2.0
"""How long a change waits for workers; one that hangs must not stop the hub."""
_FRESH_S: Final = 0.2
HEARTBEAT_S: Final = 5.0
_decode_report = msgspec.json.Decoder(Report).decode


class Followers:
    """A handler for `HttpServer`."""

    def __init__(self, routes: Routes, token: str, used: Callable[[dict[str, str]], None]) -> None:
        """`used` takes the activity of a report: ISO time by spec."""
        self._routes = routes
        self._token = token.encode()
        self._used = used
        self._streams: dict[Connection, str] = {}
        self._applied: dict[str, int] = {}
        """Worker -> revision"""
        self._told: dict[str, int] = {}
        """Worker -> the question for activity that it answered last"""
        self._question = 0
        self._waiting: set[asyncio.Event] = set()

    def admit(self, ask: Ask) -> bytes | None:
        scheme, _, given = ask.authorization.partition(b" ")
        return None if scheme == b"token" and hmac.compare_digest(given, self._token) else answer(403)

    def serve(self, ask: Ask, connection: Connection) -> bytes | Awaitable[bytes] | None:
        what = ask.path.removeprefix(FEED_PATH)
        if ask.method == "GET" and what == "routes":
            return answer(200, self._routes.snapshot(), "application/json")
        if ask.method == "GET" and what == "routes/changes":
            return self._follow(parse_qs(ask.query), connection)
        if ask.method == "POST" and what.startswith("proxies/"):
            return self._report(unquote(what.removeprefix("proxies/")), ask.body)
        return answer(404)

    def _follow(self, query: dict[str, list[str]], connection: Connection) -> bytes | None:
        after, worker = int(query["after"][0]), query["proxy"][0]
        missed = self._routes.since(query["epoch"][0], after)
        if missed is None:
            return answer(410)
        connection.stream(lambda: self._lost(connection))
        self._streams[connection] = worker
        self._applied[worker] = after
        connection.line(msgspec.json.encode(Changes(self._routes.revision, missed)))
        return None

    def _lost(self, connection: Connection) -> None:
        worker = self._streams.pop(connection, None)
        if worker is not None and worker not in self._streams.values():
            self._applied.pop(worker, None)
            self._told.pop(worker, None)
        self._wake()

    def _report(self, worker: str, body: bytes) -> bytes:
        report = _decode_report(body)
        if report.epoch == self._routes.epoch and worker in self._applied:
            self._applied[worker] = max(self._applied[worker], report.revision)
            self._told[worker] = self._question
        if report.activity:
            self._used(report.activity)
        self._wake()
        return answer(204)

    def tell(self, *changes: Change) -> None:
        """Send changes, or without any a heartbeat."""
        text = msgspec.json.encode(Changes(self._routes.revision, changes))
        for connection in self._streams:
            connection.line(text)

    async def applied(self, revision: int) -> None:
        """Wait until all workers have it, within reason."""
        if not await self._until(lambda: all(self._applied[worker] >= revision for worker in self._streams.values()), _APPLIED_S):
            _log.warning("not every worker has applied the change in %g s: it may be busy", _APPLIED_S)

    async def refresh(self) -> None:
        """Have all workers tell who used which routes until now."""
        self._question = question = self._question + 1
        text = msgspec.json.encode(Changes(self._routes.revision, (), report=True))
        for connection in self._streams:
            connection.line(text)
        await self._until(lambda: all(self._told.get(worker, 0) >= question for worker in self._streams.values()), _FRESH_S)

    async def _until(self, condition: Callable[[], bool], within_s: float) -> bool:
        if condition():
            return True
        changed = asyncio.Event()
        self._waiting.add(changed)
        try:
            async with asyncio.timeout(within_s):
                while not condition():
                    await changed.wait()
                    changed.clear()
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(changed)
        return True

    def _wake(self) -> None:
        for changed in self._waiting:
            changed.set()
