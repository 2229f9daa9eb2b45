"""The routes of one worker: applies what the hub says to the table, and keeps what belongs to a route with it."""

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from perijove.proxy.stats import Stats
from perijove.proxy.table import Entry, Table
from perijove.proxy.upstreams import Origin, Upstreams
from perijove.wire.feed import Change, Route, Snapshot
from perijove.wire.routespec import BadRouteSpecError
from perijove.wire.target import BadTargetError

_log = logging.getLogger("perijove.proxy.routes")
_AT_ONCE: Final = 200
"""Routes taken from a snapshot before requests get their turn."""


class RouteBook:
    """The table, and up to where it follows the hub's numbering."""

    def __init__(self, upstreams: Upstreams, stats: Stats) -> None:
        self.table: Table[Origin] = Table()
        self.epoch = ""
        """Empty: nothing is known yet."""
        self.revision = 0
        self._upstreams = upstreams
        self._stats = stats

    async def replace(self, snapshot: Snapshot) -> None:
        """Make the table what a snapshot says. Requests are served from the old table meanwhile."""
        fresh: Table[Origin] = Table()
        for at, route in enumerate(snapshot.routes):
            self._set(fresh, route)
            if at % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
        kept = {id(entry) for entry in fresh}
        gone = [entry for entry in self.table if id(entry) not in kept]
        self.table.become(fresh)
        for entry in gone:
            self._upstreams.forget(entry.place)
        self.epoch, self.revision = snapshot.epoch, snapshot.revision
        self._stats.routes = len(self.table)

    def apply(self, changes: Iterable[Change], revision: int) -> None:
        for change in changes:
            if change.route is not None:
                self._set(self.table, change.route)
            elif change.spec is not None:
                self._delete(change.spec)
        self.revision = revision
        self._stats.routes = len(self.table)

    def snapshot(self) -> Snapshot:
        return Snapshot(epoch=self.epoch, revision=self.revision, routes=tuple(entry.route for entry in self.table))

    def activity(self) -> tuple[dict[str, str], list[tuple[Entry[Origin], float]]]:
        """When routes were last used, as far as it was not reported; give the second part to `reported` when it has arrived."""
        news = [(entry, entry.last) for entry in self.table if entry.last > entry.reported]
        return {entry.route.spec: _iso(last) for entry, last in news}, news

    def reported(self, news: list[tuple[Entry[Origin], float]]) -> None:
        for entry, last in news:
            entry.reported = last

    def _set(self, table: Table[Origin], route: Route) -> None:
        try:
            # The same object for the same target: what runs on it goes on to count as its activity.
            known = self.table.get(route.spec)
            if known is not None and known.route.target == route.target:
                known.route = route
                if table is not self.table:
                    table.set(known)
                return
            before = table.set(Entry(route, self._upstreams.origin(route.target)))
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


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
