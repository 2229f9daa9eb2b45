"""A line for each request, or for some of them: JSON, or Apache's combined format.

Queries are left out, also those of pages that led here: they may carry secrets. So are secrets in paths (wire/secretpaths.py).
"""

import contextlib
import json
import logging
import os
import random  # noqa: TID251 - picks a sample, guards nothing
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from perijove.proxy.deadlines import Deadlines
from perijove.wire.secretpaths import without_secrets

_log = logging.getLogger("perijove.proxy")
_AT_ONCE: Final = 64 * 1024
_WAITING_MOST: Final = 4 * 1024 * 1024
"""Bytes kept for a reader that does not take them."""
_STREAMS: Final = {"": 2, "-": 1}
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNSAFE: Final = re.compile(r'[^\x20-\x7e]|["\\]')


@dataclass(slots=True, kw_only=True)
class Entry:
    """One request. `status` 0: the client went before there was an answer. `began`: monotonic seconds; 0: just now."""

    client: str
    method: bytes = b""
    target: bytes = b""
    minor: int = 1
    host: bytes = b""
    status: int
    sent: int
    """Bytes of the answer's body."""
    began: float = 0.0
    route: str = ""
    """Empty: the hub."""
    request_id: bytes = b""
    referer: bytes = b""
    agent: bytes = b""


class AccessLog:
    """Collects lines; `flush` writes them, and is to be called often."""

    def __init__(self, form: str, sample: float, path: str, clock: Deadlines) -> None:
        """`form`: "json" or "combined"; `sample`: the share of requests that is logged, answers from 500 up always; `path`: of the file, empty for
        standard error, "-" for standard output. Raises OSError."""
        self._line = _json if form == "json" else _combined
        self._sample = sample
        self._path = path
        self._clock = clock
        self._waiting: list[bytes] = []
        self._size = 0
        self._lost = 0
        self._file: int | None = None
        if path not in _STREAMS:
            os.close(self._open())  # complains now rather than at the first line

    def wants(self, status: int) -> bool:
        """Whether a request answered so is to be logged."""
        return status >= 500 or self._sample >= 1.0 or random.random() < self._sample  # noqa: S311 - no secret

    def add(self, entry: Entry) -> None:
        if self._size > _WAITING_MOST:
            self._lost += 1
            return
        now = time.monotonic()
        at = datetime.fromtimestamp(self._clock.wall + now - self._clock.now, UTC)
        line = self._line(entry, at, now - entry.began if entry.began else 0.0)
        self._waiting.append(line)
        self._size += len(line)
        if self._size > _AT_ONCE:
            self.flush()

    def flush(self) -> None:
        if not self._waiting:
            return
        data = b"".join(self._waiting)
        self._waiting.clear()
        try:
            if self._file is None:
                self._file = _STREAMS[self._path] if self._path in _STREAMS else self._open()
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
            if self._lost:
                _log.error("the access log lost %d lines: it could not be written", self._lost)
                self._lost = 0
            data = b""
        except BlockingIOError:
            data = data[written:]  # a pipe whose reader is slow
        except OSError as error:
            # The disk may be full: serving goes on, and so do lines once there is room.
            self._lost += data.count(b"\n")
            data = b""
            _log.error("the access log cannot be written to %s: %s", self._path or "standard error", error)
        if data:
            self._waiting.append(data)
        self._size = len(data)

    def reopen(self) -> None:
        """Go on in a new file under the same name: the old one was moved away."""
        self.flush()
        self.close()

    def close(self) -> None:
        if self._file is not None and self._path not in _STREAMS:
            with contextlib.suppress(OSError):
                os.close(self._file)
        self._file = None

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


def _path(target: bytes) -> str:
    return without_secrets(target.partition(b"?")[0]).decode("latin-1")


def _json(entry: Entry, at: datetime, duration_s: float) -> bytes:
    line = {
        "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "logger": "perijove.proxy.access",
        "client": entry.client,
        "method": entry.method.decode("latin-1"),
        "path": _path(entry.target),
        "host": entry.host.decode("latin-1"),
        "status": entry.status,
        "bytes": entry.sent,
        "ms": round(duration_s * 1000, 1),
        "route": entry.route,
        "request_id": entry.request_id.decode("latin-1"),
    }
    return json.dumps(line).encode() + b"\n"


def _combined(entry: Entry, at: datetime, duration_s: float) -> bytes:  # noqa: ARG001 - the format has no place for it
    moment = f"{at.day:02}/{_MONTHS[at.month - 1]}/{at.year}:{at:%H:%M:%S} +0000"
    first = f"{_quotable(entry.method)} {_safe(_path(entry.target))} HTTP/1.{entry.minor}" if entry.method and entry.target else "-"
    referer = _safe(_path(entry.referer)) or "-"
    return (
        f'{entry.client or "-"} - - [{moment}] "{first}" {entry.status or 499} {entry.sent or "-"} "{referer}" "{_quotable(entry.agent) or "-"}"\n'
    ).encode()


def _quotable(text: bytes) -> str:
    return _safe(text.decode("latin-1"))


def _safe(text: str) -> str:
    return _UNSAFE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
