"""Status and metrics, at an address of their own. Any worker tells for all of them."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import msgspec

from perijove.proxy.deadlines import Deadlines
from perijove.proxy.http1 import Refused, RequestFields, parse_request_line
from perijove.proxy.stats import COUNTERS, GAUGES, Board

_TIMEOUT_S: Final = 10.0
_NOT_SUMMED: Final = frozenset({"routes", "feed_connected", "feed_revision", "started_at"})
_HELP: Final = {
    "connections": "Open client connections",
    "exchanges": "Requests being served",
    "tunnels": "Open upgraded connections",
    "upstream_idle": "Connections to servers kept for the next request",
    "upstream_open": "Open connections to servers",
    "routes": "Routes in the table",
    "feed_connected": "Workers that follow a hub just now",
    "feed_revision": "Revision of the route table, of the worker that is furthest behind",
    "started_at": "When the worker that runs longest began, seconds since the epoch",
    "accepted": "Client connections accepted",
    "shed": "Client connections turned away because there were too many",
    "shed_address": "Client connections turned away because there were too many of one address",
    "refused_preamble": "Connections closed because no trusted load balancer introduced them by PROXY protocol",
    "requests": "Requests begun",
    "refused": "Requests refused as malformed or not allowed",
    "tunnels_opened": "Connections upgraded",
    "upstream_connects": "Connections to servers made",
    "upstream_failures": "Connections to servers that could not be made",
    "upstream_retries": "Requests repeated because a kept connection had just been closed",
    "timeouts": "Requests and connections that ran out of time",
    "client_aborts": "Requests given up by the client",
    "feed_snapshots": "Whole route tables taken from a hub",
    "feed_changes": "Route changes taken from a hub",
    "feed_reports": "Reports taken by a hub",
}


class Admin:
    """Serves GET /health, /status and /metrics; close what `start` returns to end it."""

    def __init__(self, board: Board, clock: Deadlines, refresh: Callable[[], None]) -> None:
        """`refresh` brings this worker's row up to date."""
        self._board = board
        self._clock = clock
        self._refresh = refresh

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection; for asyncio.start_server."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                data = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._respond(data))
                await writer.drain()
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass  # whoever asked went away, or is no HTTP client
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _respond(self, data: bytes) -> bytes:
        try:
            method, target, _ = parse_request_line(data).groups()
            RequestFields(data[data.find(b"\r\n") + 2 : -2], 0, 128)
        except Refused as refused:
            return _answer(f"{refused.status} Refused", "text/plain", refused.reason.encode())
        if method not in {b"GET", b"HEAD"}:
            return _answer("405 Method Not Allowed", "text/plain", b"Only GET is possible.\n")
        self._refresh()
        path = target.partition(b"?")[0]
        if path == b"/health":
            return _answer("200 OK", "application/json", b'{"status":"ok"}\n')
        if path == b"/status":
            return _answer("200 OK", "application/json", msgspec.json.encode({"totals": self.totals(), "workers": list(self._board.rows())}))
        if path == b"/metrics":
            return _answer("200 OK", "text/plain; version=0.0.4; charset=utf-8", self.metrics().encode())
        return _answer("404 Not Found", "text/plain", b"Try /health, /status or /metrics.\n")

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

    def metrics(self) -> str:
        """Prometheus' text format."""
        totals = self.totals()
        lines = []
        for name in GAUGES:
            lines += [f"# HELP perijove_proxy_{name} {_HELP[name]}", f"# TYPE perijove_proxy_{name} gauge", f"perijove_proxy_{name} {totals[name]}"]
        lines += ["# HELP perijove_proxy_responses_total Answers sent, by status", "# TYPE perijove_proxy_responses_total counter"]
        lines += [f'perijove_proxy_responses_total{{code="{hundreds}xx"}} {totals[f"answered_{hundreds}xx"]}' for hundreds in range(1, 6)]
        for name in COUNTERS:
            if not name.startswith("answered_"):
                full = f"perijove_proxy_{name}_total"
                lines += [f"# HELP {full} {_HELP[name]}", f"# TYPE {full} counter", f"{full} {totals[name]}"]
        return "\n".join(lines) + "\n"


def _answer(status: str, kind: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    return head.encode() + body
