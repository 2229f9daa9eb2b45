"""A hub as far as proxies know one."""

import asyncio
import contextlib

import msgspec

from perijove.wire.feed import Change, Changes, Report, Route, Snapshot

from .raw_http import Request, Server, hello, until


class FakeHub(Server):
    """A hub as far as proxies know one: pages, and the feed."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.epoch = "e1"
        self.revision = 1
        self.routes: dict[str, Route] = {}
        self.log: list[Changes] = []
        self.oldest = 1
        self.reports: list[tuple[str, Report]] = []
        self.snapshots = 0
        self.ready: int | None = 200
        """The status with which it says whether it is well; None: it says nothing, as one that is paused."""
        self.refusing = 0
        """So many reports more are refused, as by a hub whose database cannot write."""
        self.pages = True
        """Whether it answers what is not a proxy's question."""
        self._changed = asyncio.Event()

    def set(self, spec: str, target: str) -> None:
        self.routes[spec] = Route(spec, target, {"n": self.revision})
        self._record(Change("set", self.routes[spec]))

    def delete(self, spec: str) -> None:
        del self.routes[spec]
        self._record(Change("delete", spec=spec))

    def _record(self, change: Change) -> None:
        self.revision += 1
        self.log.append(Changes(self.revision, (change,)))
        self._changed.set()

    async def acknowledged(self) -> None:
        """Until a proxy has said that it has applied all."""
        await until(lambda: any(report.epoch == self.epoch and report.revision >= self.revision for _, report in self.reports))

    async def _answer(self, request: Request) -> bool | None:
        path, _, query = request.target.partition("?")
        if not path.startswith("/hub/perijove/"):
            if not self.pages:
                await asyncio.Event().wait()
            return await hello(request)
        if request.all("authorization") != ["token s3cret"]:
            return self._json(request, 403, b"{}")
        if path == "/hub/perijove/routes":
            self.snapshots += 1
            return self._json(request, 200, msgspec.json.encode(Snapshot(self.epoch, self.revision, tuple(self.routes.values()))))
        if path == "/hub/perijove/routes/changes":
            return await self._changes(request, dict(pair.split("=") for pair in query.split("&")))
        if path == "/hub/perijove/ready":
            if self.ready is None:
                await asyncio.Event().wait()
            return self._json(request, self.ready or 200, b"{}")
        assert request.method == "POST"
        if self.refusing:
            self.refusing -= 1
            return self._json(request, 503, b"{}")
        self.reports.append((path.removeprefix("/hub/perijove/proxies/"), msgspec.json.decode(request.body, type=Report)))
        request.writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        return True

    async def _changes(self, request: Request, query: dict[str, str]) -> bool | None:
        after = int(query["after"])
        if query["epoch"] != self.epoch or after < self.oldest:
            return self._json(request, 410, b'{"status":410,"message":"gone"}')
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            for batch in [batch for batch in self.log if batch.revision > after] or [Changes(after)]:
                line = msgspec.json.encode(batch) + b"\n"
                request.writer.write(b"%x\r\n%b\r\n" % (len(line), line))
                after = batch.revision
            await request.writer.drain()
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await self._changed.wait()

    def _json(self, request: Request, status: int, body: bytes) -> bool:
        request.writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)
        return True
