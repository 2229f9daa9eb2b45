"""What a supervisor tells the code that takes its place: as JSON in the environment, with descriptors that stay open."""

import os
import signal
from collections.abc import Iterable

import msgspec

from perijove.cli.landing import HANDOVER
from perijove.domain.errors import SettingsError

SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD})
"""Held back in between, when nobody could handle them."""
_VERSION = 1


class HandedChild(msgspec.Struct):
    """A process that runs."""

    pid: int
    channel: int
    began: float


class HandedPart(msgspec.Struct):
    """The hub or the proxy; `older` proxies still have upgraded connections."""

    name: str
    child: HandedChild | None = None
    older: list[HandedChild] = msgspec.field(default_factory=list)


class Handover(msgspec.Struct):
    """New fields need defaults: supervisors of neighbouring versions read each other's. What cannot be read so needs another `version`."""

    parts: list[HandedPart]
    sockets: dict[str, list[int]]
    """As Doors.numbers() gives them."""
    control: int
    within_s: float
    """How long whoever takes over may take to become ready."""
    asker: int = -1
    """The connection of whoever asked for it."""
    version: int = _VERSION

    def numbers(self) -> Iterable[int]:
        """The descriptors in it."""
        children = [child for part in self.parts for child in (part.child, *part.older) if child is not None]
        yield from (child.channel for child in children)
        yield from (number for group in self.sockets.values() for number in group)
        yield from (number for number in (self.control, self.asker) if number >= 0)

    def text(self) -> str:
        return msgspec.json.encode(self).decode()


def handed_over() -> Handover | None:
    """What the code before us left, if we take its place. Raises SettingsError if it cannot be understood."""
    text = os.environ.pop(HANDOVER, "")
    if not text:
        return None
    try:
        handover = msgspec.json.decode(text, type=Handover)
    except msgspec.MsgspecError as error:
        raise SettingsError(f"What the running version hands over is not understood: {error}.", _ADVICE) from None
    if handover.version != _VERSION:
        raise SettingsError(f"The running version hands over in another way (version {handover.version}).", _ADVICE)
    return handover


_ADVICE = "The two versions are too far apart: end `perijove up`, and start it anew. People's servers go on meanwhile."
