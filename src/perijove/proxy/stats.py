"""Counters of the workers, in memory they share: whoever is asked can tell the sum."""

import mmap
from array import array
from collections.abc import Iterator
from typing import Final

GAUGES: Final = (
    "pid", "connections", "exchanges", "tunnels", "upstream_idle", "upstream_open", "routes", "feed_connected", "feed_revision", "started_at",
)  # fmt: skip
COUNTERS: Final = (
    "accepted", "shed", "shed_address", "requests", "answered_1xx", "answered_2xx", "answered_3xx", "answered_4xx", "answered_5xx",
    "refused", "refused_malformed", "refused_too_large", "refused_unsupported", "refused_preamble",
    "tunnels_opened", "upstream_connects", "upstream_failures", "upstream_retries", "timeouts", "client_aborts", "feed_snapshots", "feed_changes", "feed_reports",
)  # fmt: skip
_NAMES: Final = GAUGES + COUNTERS
_STATUSES: Final = 1000


class Stats:
    """One worker's own numbers: plain attributes, so that counting costs nothing."""

    __slots__ = ("answered", *_NAMES)

    pid: int
    accepted: int
    shed: int
    shed_address: int
    requests: int
    answered_1xx: int
    answered_2xx: int
    answered_3xx: int
    answered_4xx: int
    answered_5xx: int
    refused: int
    refused_malformed: int
    refused_too_large: int
    refused_unsupported: int
    refused_preamble: int
    tunnels_opened: int
    upstream_connects: int
    upstream_failures: int
    upstream_retries: int
    timeouts: int
    client_aborts: int
    feed_snapshots: int
    feed_changes: int
    feed_reports: int
    connections: int
    exchanges: int
    tunnels: int
    upstream_idle: int
    upstream_open: int
    routes: int
    feed_connected: int
    feed_revision: int
    started_at: int

    def __init__(self) -> None:
        for name in _NAMES:
            setattr(self, name, 0)
        self.answered = [0] * _STATUSES
        """Answers by their status."""

    def refuse(self, status: int) -> None:
        """Count a request refused with `status`."""
        self.refused += 1
        if status == 400:
            self.refused_malformed += 1
        elif status in {413, 414, 431}:
            self.refused_too_large += 1
        else:
            self.refused_unsupported += 1


class Board:
    """Rows of numbers, one for each worker that there may be at once, and one for those that have ended. Make it before forking."""

    def __init__(self, rows: int) -> None:
        self.size = rows
        self._memory = mmap.mmap(-1, (rows + 1) * len(_NAMES) * 8)
        self._cells = memoryview(self._memory).cast("q")
        self._answered = memoryview(mmap.mmap(-1, (rows + 1) * _STATUSES * 8)).cast("q")

    def publish(self, row: int, stats: Stats) -> None:
        for hundreds in range(1, 6):
            setattr(stats, f"answered_{hundreds}xx", sum(stats.answered[hundreds * 100 : hundreds * 100 + 100]))
        self._answered[row * _STATUSES : (row + 1) * _STATUSES] = array("q", stats.answered)
        begin = row * len(_NAMES)
        for at, name in enumerate(_NAMES):
            self._cells[begin + at] = getattr(stats, name)

    def bury(self, row: int) -> None:
        """The worker has ended: what it counted stays counted, the row is free."""
        begin, past = row * len(_NAMES), self.size * len(_NAMES)
        for at, name in enumerate(_NAMES):
            if name in COUNTERS:
                self._cells[past + at] += self._cells[begin + at]
            self._cells[begin + at] = 0
        for status in range(_STATUSES):
            self._answered[self.size * _STATUSES + status] += self._answered[row * _STATUSES + status]
            self._answered[row * _STATUSES + status] = 0

    def answers(self) -> dict[int, int]:
        """Of all workers, also those that have ended: how many by status."""
        counts = (sum(self._answered[status::_STATUSES].tolist()) for status in range(_STATUSES))
        return {status: count for status, count in enumerate(counts) if count}

    def row(self, row: int) -> dict[str, int]:
        begin = row * len(_NAMES)
        return dict(zip(_NAMES, self._cells[begin : begin + len(_NAMES)].tolist(), strict=True))

    def rows(self) -> Iterator[dict[str, int]]:
        """Of the workers that there are."""
        return (row for row in map(self.row, range(self.size)) if row["started_at"])

    def past(self) -> dict[str, int]:
        """What workers counted that have ended."""
        return self.row(self.size)
