"""Log lines, where the caller has not set up logging of its own."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final

_PLAIN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
            "logger": record.name,
            **{name: value for name, value in vars(record).items() if name not in _PLAIN},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class Seldom:
    """Warnings that strangers can cause as often as they like: one in a few seconds, which says how many there were."""

    def __init__(self, log: logging.Logger, every_s: float = 5.0) -> None:
        self._log = log
        self._every_s = every_s
        self._next = 0.0
        self._silent = 0

    def warn(self, now: float, text: str, *values: object) -> None:
        """`now`: seconds of any clock that only goes forward."""
        if now < self._next:
            self._silent += 1
            return
        self._next = now + self._every_s
        silent, self._silent = self._silent, 0
        self._log.warning(text + (" (and %d more like this since the line before)" if silent else ""), *values, *([silent] if silent else []))


def set_up_logs(level: str, form: str) -> None:
    """Send log lines to standard error, as JSON or for reading ("console"); nothing if there are handlers already."""
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    root.setLevel(level.upper())
