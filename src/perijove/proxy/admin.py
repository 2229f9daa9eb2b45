"""Status and metrics, at an address of their own. Any worker tells for all of them; what is one worker's own is called so."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from perijove.proxy.exposition import expose
from perijove.proxy.http1 import Refused, RequestFields, parse_request_line
from perijove.proxy.status import Status
from perijove.proxy.statuspage import CSP, render_status

_TIMEOUT_S: Final = 10.0
_ROUTES_SHOWN: Final = 100
_MOST_ROUTES: Final = 1000
_PATHS: Final = "/health, /status, /routes?prefix=&offset=&limit= or /metrics, or / with a browser"


class Admin:
    """Serves GET /, /health, /status, /routes and /metrics."""

    def __init__(self, status: Status, refresh: Callable[[], int]) -> None:
        """`refresh` brings this worker's row up to date, and returns the worker's process id."""
        self._status = status
        self._refresh = refresh

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection; for asyncio.start_server."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                data = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._respond(data))
                await writer.drain()
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass  # whoever asked went away, or is no HTTP client
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _respond(self, data: bytes) -> bytes:
        try:
            method, target, _ = parse_request_line(data).groups()
            RequestFields(data[data.find(b"\r\n") + 2 : -2], 0, 128)
        except Refused as refused:
            return _answer(f"{refused.status} Refused", "text/plain", refused.reason.encode())
        if method not in {b"GET", b"HEAD"}:
            return _answer("405 Method Not Allowed", "text/plain", b"Only GET is possible.\n")
        answer = await self._look(*target.decode("latin-1").partition("?")[::2])
        return answer[: answer.find(b"\r\n\r\n") + 4] if method == b"HEAD" else answer

    async def _look(self, path: str, query: str) -> bytes:
        pid = self._refresh()
        status = self._status
        if path == "/health":
            return _json({"status": "ok"})
        if path == "/metrics":
            return _answer("200 OK", "text/plain; version=0.0.4; charset=utf-8", expose(status.totals()).encode())
        if path == "/status":
            pools = await status.pools()
            return _json({"totals": status.totals(), "workers": status.workers(), "answered_by": pid, "pools_of_this_worker": pools})
        if path == "/routes":
            try:
                prefix, offset, limit = _page(query)
            except ValueError:
                return _answer("400 Bad Request", "text/plain", f"offset and limit are numbers, limit at most {_MOST_ROUTES}.\n".encode())
            return _json({"answered_by": pid, **await status.routes(prefix, offset, limit)})
        if path == "/":
            page = render_status(status.totals(), status.workers(), await status.pools(), pid)
            return _answer("200 OK", "text/html; charset=utf-8", page, f"Content-Security-Policy: {CSP}\r\n")
        return _answer("404 Not Found", "text/plain", f"Try {_PATHS}.\n".encode())


def _page(query: str) -> tuple[str, int, int]:
    """Raises ValueError."""
    asked = parse_qs(query, max_num_fields=10)
    prefix, offset, limit = (asked.get(name, [usual])[-1] for name, usual in (("prefix", ""), ("offset", "0"), ("limit", str(_ROUTES_SHOWN))))
    if not (offset.isdecimal() and limit.isdecimal() and len(offset) < 10 and int(limit) <= _MOST_ROUTES):
        raise ValueError
    return prefix, int(offset), int(limit)


def _json(value: dict[str, Any]) -> bytes:
    return _answer("200 OK", "application/json", msgspec.json.encode(value) + b"\n")


def _answer(status: str, kind: str, body: bytes, more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nCache-Control: no-store\r\n"
        f"X-Content-Type-Options: nosniff\r\n{more}Connection: close\r\n\r\n"
    )
    return head.encode() + body
