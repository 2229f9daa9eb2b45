"""Following a hub: the whole table once, then its numbered changes, for as long as this worker lives."""

import asyncio
import contextlib
import logging
import random  # noqa: TID251 - spreads load, guards nothing
import ssl
import time
from collections.abc import AsyncIterable, Callable
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from perijove.proxy.hubclient import HubAnswerError, HubClient
from perijove.proxy.routebook import RouteBook, iso
from perijove.proxy.settings import ProxySettings
from perijove.proxy.stats import Stats
from perijove.proxy.table import Entry
from perijove.proxy.upstreams import Origin
from perijove.wire.feed import Changes, Report, Route, UnreadSnapshot

_log = logging.getLogger("perijove.proxy.feed")
_SILENCE_S: Final = 6.5
"""Heartbeats come every 2 s; a hub that says nothing for so long is left for another."""
_BEGIN_S: Final = 3.0
"""A hub says at once that it begins: one that is paused must not keep us from the others."""
_FIRST_PAUSE_S: Final = 0.1
_MAX_PAUSE_S: Final = 5.0
_PATIENT_S: Final = 1.0
"""Pauses shorter than this are those of a start."""
_LEAVE_S: Final = 1.0
_AGAIN_S: Final = 0.5
_MAX_AGAIN_S: Final = 2.0
"""Hubs wait for reports before they say that a server is ready, so not long."""
_GONE: Final = 410
_decode_snapshot = msgspec.json.Decoder(UnreadSnapshot).decode
_decode_route = msgspec.json.Decoder(Route).decode
_decode_changes = msgspec.json.Decoder(Changes).decode


class Feed:
    """Run `run` as a task; it ends only by being cancelled."""

    def __init__(
        self,
        settings: ProxySettings,
        proxy_id: str,
        book: RouteBook,
        stats: Stats,
        tls: ssl.SSLContext | None,
        changed: Callable[[], None],
        unwell: Callable[[str], bool],
    ) -> None:
        """`changed` is called after the table has changed; `unwell` says of a hub's address that there is little hope."""
        self._settings = settings
        self._path = f"{settings.base_url}hub/perijove/"
        self._report_path = f"{self._path}proxies/{quote(proxy_id, safe='')}"
        self._proxy_id = proxy_id
        self._sources = settings.feeds or settings.hubs
        self.followed = asyncio.Event()
        """Set once the table is what a hub says."""
        self._book = book
        self._stats = stats
        self._tls = tls
        self._changed = changed
        self._unwell = unwell
        self._applied = asyncio.Event()
        self._asked = False
        """Whether a hub wants to know now who used which routes."""
        self._pause_s = _FIRST_PAUSE_S
        self._again_s = _AGAIN_S
        self._trouble = ""
        """Why the last report was not taken; empty: it was."""

    async def run(self) -> None:
        hubs = list(self._sources)
        random.shuffle(hubs)  # many workers spread over many hubs
        while True:
            left = hubs.copy()
            while left:
                url = min(left, key=self._unwell)
                left.remove(url)
                client = HubClient(url, self._settings.token, self._tls)
                try:
                    await self._follow(client)
                except* (OSError, EOFError, HubAnswerError, msgspec.MsgspecError) as group:
                    why = "; ".join(str(error) or type(error).__name__ for error in group.exceptions)
                    self._complain(url, why)
                finally:
                    self._stats.feed_connected = 0
                    client.close()
            await asyncio.sleep(self._pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - spreads the load, keeps no secret
            self._pause_s = min(_MAX_PAUSE_S, self._pause_s * 2)

    def _complain(self, url: str, why: str) -> None:
        """A hub that starts beside us need not be there in the first second."""
        if self.followed.is_set():
            _log.warning("lost the route feed of %s: %s; servers are reached by the last known routes", url, why)
        else:
            level = logging.INFO if self._pause_s < _PATIENT_S else logging.WARNING
            _log.log(level, "no routes from %s yet: %s; is the hub running there? Servers are reached by the last known routes", url, why)

    async def _follow(self, client: HubClient) -> None:
        """Until the hub is lost; raises what HubClient raises, in a group once it is followed."""
        if not self._book.epoch:
            await self._resync(client)
        self._applied.set()  # what is on disk or was followed at another hub counts for this one too
        async with asyncio.TaskGroup() as group:
            reporting = group.create_task(self._report(client), name="report")
            if await self._stream(client):
                await self._resync(client)
                if await self._stream(client):
                    raise HubAnswerError(_GONE, f"{client.url} does not know the changes after its own snapshot")
            reporting.cancel()

    async def _stream(self, client: HubClient) -> bool:
        """Apply changes until the stream ends. True if the hub does not know the changes after our revision."""
        query = urlencode({"epoch": self._book.epoch, "after": self._book.revision, "proxy": self._proxy_id})
        try:
            async with contextlib.aclosing(client.lines(f"{self._path}routes/changes?{query}", _SILENCE_S, _BEGIN_S)) as lines:
                await self._apply(client, lines)
        except HubAnswerError as error:
            if error.status != _GONE:
                raise
            _log.info("%s no longer knows the changes after revision %d: taking the whole table", client.url, self._book.revision)
            return True
        return False

    async def _resync(self, client: HubClient) -> None:
        status, body = await client.request("GET", f"{self._path}routes")
        if status != 200:
            raise HubAnswerError(status, f"{client.url} refused the routes with status {status}{_advice(status)}")
        snapshot = _decode_snapshot(body)
        await self._book.replace(snapshot.epoch, snapshot.revision, map(_decode_route, snapshot.routes))
        self._stats.feed_snapshots += 1
        self._stats.feed_revision = snapshot.revision
        self._changed()
        self._applied.set()

    async def _apply(self, client: HubClient, lines: AsyncIterable[bytes]) -> None:
        async for line in lines:
            if not self._stats.feed_connected:
                self._pause_s = _FIRST_PAUSE_S
                self._stats.feed_connected = 1
                self.followed.set()
                _log.info("following the routes of %s from revision %d", client.url, self._book.revision)
            batch = _decode_changes(line)
            if batch.report:
                self._asked = True
                self._applied.set()
            if batch.changes:
                self._book.apply(batch.changes, batch.revision)
                self._stats.feed_changes += len(batch.changes)
                self._changed()
                self._applied.set()
            self._book.revision = self._stats.feed_revision = batch.revision

    async def _report(self, client: HubClient) -> None:
        """Tell what was applied as soon as it is, and who used which route every so often."""
        now = asyncio.get_running_loop().time
        due = now()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._applied.wait()
            self._applied.clear()
            activity: dict[str, str] = {}
            news: list[tuple[Entry[Origin], float]] = []
            if self._asked or now() >= due:  # not with each change: it means a look at every route
                self._asked = False
                due = now() + self._settings.report_interval_s
                activity, news = await self._book.activity()
            report = self._report_of(activity)
            try:
                status, _ = await client.request("POST", self._report_path, msgspec.json.encode(report))
            except (OSError, EOFError, HubAnswerError) as error:
                await self._again(logging.WARNING, f"a report to {client.url} was lost and comes again: {str(error) or type(error).__name__}")
                continue
            if status // 100 != 2:
                await self._again(logging.ERROR, f"{client.url} refused a report with status {status}{_advice(status)}")
                continue
            if self._trouble:
                _log.info("%s has taken a report again", client.url)
                self._trouble, self._again_s = "", _AGAIN_S
            self._stats.feed_reports += 1
            self._book.reported(news)

    def _report_of(self, activity: dict[str, str], *, leaving: bool = False) -> Report:
        return Report(epoch=self._book.epoch, revision=self._book.revision, activity=activity, now=iso(time.time()), leaving=leaving)  # noqa: TID251 - the proxy has no Clock port

    async def leave(self) -> None:
        """Tell a hub that this worker ends, and what it has not yet told of activity. Call it when `run` has ended."""
        activity, _ = await self._book.activity()
        report = msgspec.json.encode(self._report_of(activity, leaving=True))
        for url in self._sources if self._book.epoch else ():
            client = HubClient(url, self._settings.token, self._tls, timeout_s=_LEAVE_S)
            try:
                status, _ = await client.request("POST", self._report_path, report)
                if status // 100 == 2:
                    return
            except (OSError, EOFError, HubAnswerError) as error:
                _log.info("%s was not told that this worker ends: %s", url, str(error) or type(error).__name__)
            finally:
                client.close()

    async def _again(self, level: int, trouble: str) -> None:
        """Said once, for the log may be on the very disk that is full."""
        if trouble != self._trouble:
            _log.log(level, "%s", trouble)
        self._trouble, self._asked = trouble, True
        await asyncio.sleep(self._again_s)
        self._again_s = min(_MAX_AGAIN_S, self._again_s * 2)
        self._applied.set()


def _advice(status: int) -> str:
    return ": the proxy token (PERIJOVE_PROXY_TOKEN) of hub and proxy must be the same" if status in {401, 403} else ""
