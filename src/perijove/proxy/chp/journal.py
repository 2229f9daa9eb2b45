"""The routes on disk, so that they outlive the keeper: every change is a line, and the file is written anew when it has too many.

What is written survives the end of processes, however sudden. It is not forced to the medium: after a power cut the last changes may be
missing, and a hub that checks its routes puts them back.
"""

import logging
import os
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec

from perijove.proxy.chp.routes import Kept, Routes
from perijove.wire.routespec import BadRouteSpecError
from perijove.wire.target import BadTargetError

_log = logging.getLogger("perijove.proxy.chp")
_FORMAT: Final = 1
_SLACK: Final = 4 * 1024 * 1024
"""Bytes that the file may have in any case, and beyond four times what it had when it was written anew."""


class _Line(msgspec.Struct, omit_defaults=True):
    """One of: the head, a route set, a route deleted, times of use."""

    format: int = 0
    epoch: str = ""
    default_target: str | None = None
    revision: int = 0
    path: str | None = None
    target: str | None = None
    data: dict[str, Any] = msgspec.field(default_factory=dict)
    last: float = 0.0
    used: dict[str, float] = msgspec.field(default_factory=dict)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Line).decode


class Journal:
    """Use `load` once, then the others; none of them raises: a failure is logged, and the routes are in memory all the same."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._file = -1
        self._size = 0
        self._most = _SLACK
        self._torn = False
        self.default_target: str | None = None
        """That of the command line when the file was written; None: there was no file."""

    def load(self, routes: Routes) -> None:
        """Put into `routes` what the file says."""
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        except OSError as error:
            _log.error("the routes in %s cannot be read: %s. They come again from the hub.", self._path, error)
            return
        bad = revision = 0
        epoch = ""
        for number, text in enumerate(lines):
            try:
                line = _decode(text) if text else None
            except msgspec.MsgspecError:
                line, bad = None, bad + 1
            if number == 0 and (line is None or line.format != _FORMAT):
                if text:
                    _log.error("%s is not a file of routes, or of another version: it is written anew", self._path)
                return
            if line is not None:
                self._replay(line, routes)
                epoch = line.epoch or epoch
                revision = max(revision, line.revision)
        routes.restored(epoch, revision)
        if bad:
            _log.warning("%d lines of %s cannot be read, as after a full disk: the hub sets missing routes again", bad, self._path)

    def _replay(self, line: _Line, routes: Routes) -> None:
        if line.format:
            self.default_target = line.default_target or ""
        elif line.path is not None and line.target is not None:
            try:
                routes.put(line.path, line.target, line.data, line.last)
            except (BadRouteSpecError, BadTargetError) as error:
                _log.warning("a route in %s cannot be used: %s", self._path, error)
        elif line.path is not None:
            routes.delete(line.path)
        for path, last in line.used.items():
            if (kept := routes.by_path.get(path)) is not None:
                kept.last = max(kept.last, last)

    def rewrite(self, routes: Routes, default_target: str) -> None:
        """Replace the file by one with each route once."""
        self.default_target = default_target
        head = _Line(format=_FORMAT, epoch=routes.epoch, default_target=default_target, revision=routes.revision)
        text = b"".join(_encode(line) + b"\n" for line in (head, *map(_set_line, routes.by_path.values())))
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=self._path.name, suffix=".new", dir=self._path.parent)  # readable by us alone
            try:
                with os.fdopen(handle, "wb", closefd=False) as file:
                    file.write(text)
                os.fsync(handle)
                Path(name).replace(self._path)
            except OSError:
                os.close(handle)
                raise
            finally:
                Path(name).unlink(missing_ok=True)
        except OSError as error:
            self._failed(error)
            return
        self.close()
        self._file, self._size, self._most = handle, len(text), _SLACK + 4 * len(text)

    def put(self, kept: Kept, revision: int) -> None:
        line = _set_line(kept)
        line.revision = revision
        self._append(line)

    def delete(self, path: str, revision: int) -> None:
        self._append(_Line(path=path, revision=revision))

    def used(self, news: list[Kept]) -> None:
        if news:
            self._append(_Line(used={kept.path: kept.last for kept in news}))

    @property
    def too_long(self) -> bool:
        """Whether it is time for `rewrite`."""
        return self._size > self._most

    def _append(self, line: _Line) -> None:
        if self._file < 0:
            return
        text = (b"\n" if self._torn else b"") + _encode(line) + b"\n"
        try:
            written = os.write(self._file, text)
        except OSError as error:
            self._torn = True
            self._failed(error)
            return
        self._size += written
        if written != len(text):
            self._torn = True
            self._failed(OSError("the disk is full"))
        else:
            self._torn = False

    def _failed(self, error: OSError) -> None:
        _log.error("routes cannot be kept in %s: %s. The proxy goes on; the hub would have to set them after a restart.", self._path, error)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _set_line(kept: Kept) -> _Line:
    return _Line(path=kept.path, target=kept.target, data=kept.data, last=kept.last)
