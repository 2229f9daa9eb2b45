"""One part of a site, the hub or the proxy: a child that is started, and started again with growing pauses when it dies early and often."""

import signal
import socket
import time
from collections.abc import Sequence
from typing import Final

import click

from perijove.cli.children import Child
from perijove.cli.doors import Doors
from perijove.cli.handover import HandedChild, HandedPart
from perijove.domain.errors import SettingsError
from perijove.web.ending import ASKED, ASKED_HUB_ALONE

_FIRST_S: Final = 15.0
_STEADY_S: Final = 30.0
_MAX_PAUSE_S: Final = 30.0
_MAX_PAUSE_ONCE_READY_S: Final = 4.0
"""For one that came up before it died: it can be of use, so its site is not to be without it for long."""
_MOST_OLDER: Final = 3
"""Proxies, or gateways, that gave way and still have upgraded connections; beyond these the oldest ends."""


class Part:
    """`child` is the one that counts; `older` are proxies that gave way."""

    def __init__(self, name: str, words: Sequence[str], doors: Doors) -> None:
        self.name = name
        self._words = words
        self._doors = doors
        self._pause_s = 0.5
        self._again_at = 0.0
        self._lived = False
        self.child: Child | None = None
        self.older: list[Child] = []
        self.ended: int | None = None
        """The exit code of a child that is not to be started again, because somebody asked for its end."""

    def start(self, *, succeeds: bool = False) -> Child:
        """A new process, which does not count yet; `succeeds`: in the place of the one that does. Raises SettingsError if it has nowhere to listen."""
        self._doors.open()
        return Child.start(self._words, self._doors.of(self.name), succeeds=succeeds)

    def tend(self) -> bool:
        """Start it if it is due. False when it ended by itself with an error of configuration at its very first start. Raises SettingsError if it
        has nowhere to listen then."""
        self._bury()
        now = time.monotonic()
        if self.ended is not None:
            return True
        if self.child is not None:
            child, code = self.child, self.child.poll()
            if code is None:
                self._lived = self._lived or child.ready or now - child.began > _FIRST_S
                return True
            if not (self._lived or child.ready) and code == 1 and now - child.began < _FIRST_S:
                return False
            self.child = None
            if self.name == "hub":  # requests that come now are not to wait for a hub that may never come
                self._doors.refuse("hub")
            if code in {ASKED, ASKED_HUB_ALONE}:
                self.ended = code
                return True
            self._lived = True
            if now - child.began > _STEADY_S:
                self._pause_s = 0.5
            if child.ready:
                self._pause_s = min(self._pause_s, _MAX_PAUSE_ONCE_READY_S)
            click.secho(f"The {self.name} ended with code {code}; starting it again in {self._pause_s:.1f} s.", fg="yellow", err=True)
            self._later(now)
        if now >= self._again_at:
            try:
                self.child = self.start()
            except SettingsError as error:
                if not self._lived:
                    raise
                click.secho(error.message, fg="red", err=True)
                self._later(now)
        return True

    def _later(self, now: float) -> None:
        self._again_at = now + self._pause_s
        self._pause_s = min(_MAX_PAUSE_S, self._pause_s * 2)

    def take(self, successor: Child) -> None:
        """From now on this child counts. The one before is the caller's."""
        self.child, self.ended, self._lived, self._pause_s = successor, None, True, 0.5

    def keep_older(self, child: Child) -> None:
        self.older.append(child)
        for oldest in self.older[:-_MOST_OLDER]:
            click.secho(f"Ending {self.name} {oldest.pid} and its WebSockets: too many replacements since it gave way.", fg="yellow", err=True)
            oldest.send(signal.SIGTERM)

    def _bury(self) -> None:
        self.older = [child for child in self.older if child.poll() is None]

    def all(self) -> list[Child]:
        """The processes that run."""
        return [child for child in (self.child, *self.older) if child is not None and child.poll() is None]

    def handed(self) -> HandedPart:
        def of(child: Child) -> HandedChild:
            return HandedChild(child.pid, child.channel.fileno(), child.began)

        self._bury()
        running = self.child if self.child is not None and self.child.poll() is None else None
        return HandedPart(self.name, of(running) if running is not None else None, [of(child) for child in self.older])

    def adopt(self, handed: HandedPart) -> None:
        def of(child: HandedChild) -> Child:
            return Child(child.pid, socket.socket(fileno=child.channel), child.began)

        self._lived = True
        self.child = of(handed.child) if handed.child is not None else None
        if self.child is not None:
            self.child.ready = True  # what it said, it said to the code before us
        self.older = [of(child) for child in handed.older]
