"""What one worker can tell about the whole proxy, and about itself."""

import heapq
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from perijove.proxy.deadlines import Deadlines
from perijove.proxy.routebook import RouteBook, in_turns
from perijove.proxy.stats import COUNTERS, GAUGES, Board
from perijove.proxy.upstreams import Origin, Upstreams

_NOT_SUMMED: Final = frozenset({"pid", "routes", "feed_connected", "feed_revision", "started_at"})
_SORTED_AT_ONCE: Final = 500
MOST_POOLS: Final = 1000


class Status:
    """Of a worker and those beside it."""

    def __init__(self, board: Board, clock: Deadlines, book: RouteBook, upstreams: Upstreams) -> None:
        self._board = board
        self._clock = clock
        self._book = book
        self._upstreams = upstreams

    def totals(self) -> dict[str, int]:
        """Over all workers: the sum, or for what every worker has of its own what tells the state best."""
        rows = list(self._board.rows())
        past = self._board.past()
        totals = {name: sum(row[name] for row in rows) + past[name] for name in GAUGES + COUNTERS if name not in _NOT_SUMMED}
        totals["routes"] = max(row["routes"] for row in rows)
        totals["feed_connected"] = sum(row["feed_connected"] for row in rows)
        totals["feed_revision"] = min(row["feed_revision"] for row in rows)
        totals["started_at"] = min(row["started_at"] for row in rows)
        totals["uptime_s"] = max(0, int(self._clock.wall) - totals["started_at"])
        return totals

    def workers(self) -> list[dict[str, int]]:
        return list(self._board.rows())

    async def pools(self) -> list[dict[str, Any]]:
        """Addresses that this worker has connections to, or that refused one just now; the busiest first."""
        busy: Counter[Origin] = Counter()
        async for connection in in_turns(self._upstreams.connections()):
            busy[connection.origin] += 1
        found = [
            _pool(origin, busy[origin], self._clock.now)
            async for origin in in_turns(self._upstreams.origins())
            if busy[origin] or origin.down_until > self._clock.now
        ]
        return heapq.nlargest(MOST_POOLS, found, key=lambda pool: pool["in_use"] + pool["idle"])

    async def routes(self, prefix: str, offset: int, limit: int) -> dict[str, Any]:
        """Those that begin with `prefix`, in the order of their specs, `limit` of them from `offset` on. Requests get their turn meanwhile."""
        found = [entry async for entry in in_turns(self._book.table) if entry.route.spec.startswith(prefix)]
        # In pieces: to sort tens of thousands at once would keep requests waiting for tens of milliseconds.
        pieces = [
            sorted((entry.route.spec, at) for at, entry in enumerate(found[begin : begin + _SORTED_AT_ONCE], begin))
            async for begin in in_turns(range(0, len(found), _SORTED_AT_ONCE), 1)
        ]
        ordered: Iterable[tuple[str, int]] = heapq.merge(*pieces)
        shown = []
        number = 0
        async for _, at in in_turns(ordered):
            if number >= offset + limit:
                break
            if number >= offset:
                entry = found[at]
                last = datetime.fromtimestamp(entry.last, UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if entry.last else None
                shown.append({"spec": entry.route.spec, "target": entry.route.target, "last_activity_at_this_worker": last})
            number += 1
        return {"total": len(found), "offset": offset, "limit": limit, "routes_of_this_worker": shown}


def _pool(origin: Origin, connections: int, now: float) -> dict[str, Any]:
    idle = len(origin.idle)
    return {"target": origin.text, "in_use": max(0, connections - idle), "idle": idle, "down": origin.down_until > now}
