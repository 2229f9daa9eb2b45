"""Observer that writes the event log: one JSON object a line, to a file, to standard output, or both."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import structlog

from perijove.domain.errors import SettingsError
from perijove.domain.lifecycle import Event, Transition
from perijove.domain.server import Phase
from perijove.ports.observer import AuditEvent
from perijove.telemetry.event_schemas import AUDIT, METADATA_VERSION, SERVER_ACTION, EventSchema

_log = structlog.get_logger("perijove.events")
_STOPPED = frozenset({Event.GONE, Event.GONE_AGAIN})


class EventLog:
    """Close it at the end. A file that was moved away or deleted is made anew with the next event, one that was cut short is appended to;
    so any way of rotating it will do. An event that cannot be written is told in the hub's log, and lost."""

    def __init__(self, path: Path | None, *, stdout: bool = False, server_actions: bool = True, audit: bool = True) -> None:
        """Raises SettingsError if the file cannot be written."""
        self._path = path
        self._stdout = stdout
        self._server_actions = server_actions
        self._audit = audit
        self._file: int | None = None
        self._failing = False
        if path is not None:
            try:
                self._file = _open(path)
            except OSError as error:
                raise SettingsError(
                    f"The event log {path} cannot be written: {error.strerror}.", "Set file in [events] to a place where the hub may write."
                ) from None

    def transition(self, transition: Transition, at: datetime) -> None:
        if not self._server_actions:
            return
        before, after, event = transition.before, transition.after, transition.event
        if event is Event.ROUTED and after.phase is Phase.READY and before.ready_at is None:
            action = "start"
        elif event in _STOPPED:
            action = "stop"
        else:
            return
        self._write(SERVER_ACTION, at, {"action": action, "username": after.user_name, "servername": after.name})

    def audit(self, event: AuditEvent) -> None:
        if self._audit:
            content = {name: getattr(event, name) for name in AUDIT.properties}
            self._write(AUDIT, event.at, {**content, "detail": dict(event.detail)})

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, schema: EventSchema, at: datetime, content: Mapping[str, Any]) -> None:
        moment = at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        stamps = {"__timestamp__": moment, "__schema__": schema.id, "__schema_version__": schema.version, "__metadata_version__": METADATA_VERSION}
        line = msgspec.json.encode({**stamps, **content}, enc_hook=str) + b"\n"
        if self._stdout:
            with suppress(OSError, ValueError):  # nobody reads it any more
                sys.stdout.write(line.decode())
                sys.stdout.flush()
        if self._path is not None:
            self._append(self._path, line)

    def _append(self, path: Path, line: bytes) -> None:
        try:
            if self._file is None or _moved(self._file, path):
                self.close()
                self._file = _open(path)
            os.write(self._file, line)
            self._failing = False
        except OSError as error:
            if not self._failing:
                _log.error("events are lost: the event log cannot be written", file=str(path), reason=error.strerror)
            self._failing = True


@contextmanager
def event_logs(path: Path | None, *, stdout: bool, server_actions: bool, audit: bool) -> Iterator[Sequence[EventLog]]:
    """One, or none if it is to be written nowhere. Raises SettingsError."""
    if path is None and not stdout:
        yield ()
        return
    with closing(EventLog(path, stdout=stdout, server_actions=server_actions, audit=audit)) as log:
        yield (log,)


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


def _moved(file: int, path: Path) -> bool:
    try:
        return not os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return True
