"""The part of a hub that proxies follow: a route table and its numbered changes (src/perijove/wire/feed.py), in a thread of its own."""

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import uvloop
from hubs import free_port

from perijove.wire.feed import Change, Changes, Report, Route, Snapshot

_LENGTH = re.compile(rb"(?i)\r\ncontent-length:\s*(\d+)")
_AFTER = re.compile(rb"after=(\d+)")
_PATIENCE_S = 60.0
_encode = msgspec.json.encode


class FeedHub:
    """All methods may be called from any thread but the hub's own."""

    def __init__(self) -> None:
        self.port = free_port()
        self.routes: dict[str, Route] = {}
        self.epoch = 1
        self.revision = 0
        self._log: list[Change] = []
        """One for each revision of this epoch after its first."""
        self._streams: set[asyncio.StreamWriter] = set()
        self._applied: dict[str, tuple[str, int]] = {}
        self._asked_at = 0.0
        self._loop = uvloop.new_event_loop()
        self._news = asyncio.Condition()
        self._serving = self._loop.create_task(self.serve())

    async def serve(self) -> None:
        server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)
        await server.serve_forever()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length[1])) if length else b""
                method, path = head.split(b" ", 2)[:2]
                if method == b"POST":
                    report = msgspec.json.decode(body, type=Report)
                    async with self._news:
                        self._applied[path.decode()] = (report.epoch, report.revision)
                        self._news.notify_all()
                    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                elif path.endswith(b"/routes"):
                    self._asked_at = time.perf_counter()
                    text = _encode(Snapshot(str(self.epoch), self.revision, tuple(self.routes.values())))
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
                elif f"epoch={self.epoch}&".encode() in path:
                    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    after = int(_AFTER.search(path)[1])  # type: ignore[index]
                    self._send(writer, Changes(self.revision, tuple(self._log[after - self.revision :] if after < self.revision else ())))
                    self._streams.add(writer)
                else:
                    writer.write(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")
        except (OSError, EOFError):
            self._streams.discard(writer)
            writer.close()

    def _send(self, writer: asyncio.StreamWriter, changes: Changes) -> None:
        line = _encode(changes) + b"\n"
        writer.write(b"%x\r\n%b\r\n" % (len(line), line))

    async def _all_have_it(self, workers: int) -> None:
        def known() -> bool:
            return sum(applied == (str(self.epoch), self.revision) for applied in self._applied.values()) >= workers

        async with asyncio.timeout(_PATIENCE_S), self._news:
            await self._news.wait_for(known)

    async def _set(self, route: Route, workers: int) -> float:
        began = time.perf_counter()
        change = Change("set", route)
        self.routes[route.spec] = route
        self.revision += 1
        self._log.append(change)
        for writer in self._streams:
            self._send(writer, Changes(self.revision, (change,)))
        await self._all_have_it(workers)
        return time.perf_counter() - began

    async def _replace(self, routes: list[Route], workers: int) -> float:
        self.routes = {route.spec: route for route in routes}
        self.epoch += 1
        self.revision = 1
        self._log.clear()
        for writer in tuple(self._streams):
            writer.transport.abort()
        self._streams.clear()
        await self._all_have_it(workers)
        return time.perf_counter() - self._asked_at

    def set(self, route: Route, workers: int = 1) -> float:
        """Change one route; the seconds until `workers` have said that they have applied it."""
        return asyncio.run_coroutine_threadsafe(self._set(route, workers), self._loop).result()

    def replace(self, routes: list[Route], workers: int = 1) -> float:
        """Another table; the seconds from the last worker's asking for it until all have said that they have applied it."""
        return asyncio.run_coroutine_threadsafe(self._replace(routes, workers), self._loop).result()

    def settled(self, workers: int = 1) -> None:
        """Wait until all follow."""
        asyncio.run_coroutine_threadsafe(self._all_have_it(workers), self._loop).result()

    def forget(self) -> None:
        """The proxy that followed is gone."""
        self._loop.call_soon_threadsafe(self._applied.clear)

    def run(self) -> None:
        asyncio.set_event_loop(self._loop)
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._serving)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._serving.cancel)


@contextmanager
def feed_hub() -> Iterator[FeedHub]:
    hub = FeedHub()
    thread = threading.Thread(target=hub.run, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.stop()
        thread.join(5)
