"""The routes of one worker: applies what the hub says to the table, and keeps what belongs to a route with it."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final, TypeVar

from perijove.proxy.stats import Stats
from perijove.proxy.table import Entry, Table
from perijove.proxy.upstreams import Origin, Upstreams
from perijove.wire.feed import Change, Route
from perijove.wire.routespec import BadRouteSpecError, parse_routespec
from perijove.wire.target import BadTargetError

_log = logging.getLogger("perijove.proxy.routes")
_AT_ONCE: Final = 100
T = TypeVar("T")


async def in_turns(routes: Iterable[T], at_once: int = _AT_ONCE) -> AsyncIterator[T]:
    """The same, but requests get their turn every hundred."""
    async for some in by_hundreds(routes, at_once):
        for route in some:
            yield route


async def by_hundreds(routes: Iterable[T], at_once: int = _AT_ONCE) -> AsyncIterator[tuple[T, ...]]:
    """The same in pieces, between which requests get their turn; for work on each that is so little that a turn of the loop would be much."""
    rest = iter(routes)
    while some := tuple(islice(rest, at_once)):
        yield some
        await asyncio.sleep(0)


class RouteBook:
    """The table, and up to where it follows the hub's numbering."""

    def __init__(self, upstreams: Upstreams, stats: Stats, fixed: Sequence[Route] = ()) -> None:
        """`fixed`: routes that are there whatever the hubs say, and that they do not hear of."""
        self.table: Table[Origin] = Table()
        self._fixed = {route.spec: route for route in fixed}
        self.epoch = ""
        """Empty: nothing is known yet."""
        self.revision = 0
        self._upstreams = upstreams
        self._stats = stats
        for route in fixed:
            self._set(self.table, route)

    async def replace(self, epoch: str, revision: int, routes: Iterable[Route]) -> None:
        """Make the table what a snapshot says. Requests are served from the old table meanwhile; if reading `routes` fails, it stays."""
        fresh: Table[Origin] = Table()
        try:
            async for some in by_hundreds(routes):
                for route in some:
                    self._set(fresh, route)
            for route in self._fixed.values():
                self._set(fresh, route)
        except BaseException:
            self._forget(entry for entry in fresh if self.table.get(entry.route.spec) is not entry)
            raise
        gone = [entry async for entry in in_turns(self.table) if fresh.get(entry.route.spec) is not entry] if self.table else []
        self.table.become(fresh)
        self.epoch, self.revision = epoch, revision
        self._count()
        async for entry in in_turns(gone):
            self._forget((entry,))
        gc.freeze()  # the collector need not look through all of them time and again: tens of milliseconds each

    def _count(self) -> None:
        self._stats.routes = len(self.table) - len(self._fixed)

    def _forget(self, entries: Iterable[Entry[Origin]]) -> None:
        for entry in entries:
            self._upstreams.forget(entry.place)

    def apply(self, changes: Iterable[Change], revision: int) -> None:
        for change in changes:
            if change.route is not None:
                self._set(self.table, change.route)
            elif change.spec is not None:
                self._delete(change.spec)
        self.revision = revision
        self._count()

    def routes(self) -> Iterator[Route]:
        """All of them, for a reader that takes its time: see `Table.__iter__`."""
        return (entry.route for entry in self.table if entry.route.spec not in self._fixed)

    async def activity(self) -> tuple[dict[str, str], list[tuple[Entry[Origin], float]]]:
        """When routes were last used, as far as it was not reported; give the second part to `reported` when it has arrived."""
        news = [(entry, entry.last) async for entry in in_turns(self.table) if entry.last > entry.reported and entry.route.spec not in self._fixed]
        return {entry.route.spec: iso(last) for entry, last in news}, news

    def reported(self, news: list[tuple[Entry[Origin], float]]) -> None:
        for entry, last in news:
            entry.reported = last

    def _set(self, table: Table[Origin], route: Route) -> None:
        try:
            # The same object for the same target: what runs on it goes on to count as its activity.
            spec = parse_routespec(route.spec)
            known = self.table.at(spec) if self.table else None
            if known is not None and known.route.target == route.target:
                known.route = route
                if table is not self.table:
                    table.put(spec, known)
                return
            before = table.put(spec, Entry(route, self._upstreams.origin(route.target)))
        except (BadRouteSpecError, BadTargetError) as error:
            _log.error("a route of the hub cannot be used: %s", error)
            return
        if before is not None:
            self._upstreams.forget(before.place)

    def _delete(self, spec: str) -> None:
        try:
            gone = self.table.delete(spec)
        except BadRouteSpecError as error:
            _log.error("a route of the hub cannot be deleted: %s", error)
            return
        if gone is not None:
            self._upstreams.forget(gone.place)


def iso(moment: float) -> str:
    """Seconds since the epoch as ISO 8601, UTC."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
