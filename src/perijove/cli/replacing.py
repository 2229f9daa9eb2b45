"""One generation gives way to the next, one part after the other: the new one must be ready before the old one ends."""

import signal
import time
from collections.abc import Callable

from perijove.cli.asking import Asker
from perijove.cli.children import Child
from perijove.cli.parts import Part
from perijove.domain.errors import SettingsError
from perijove.web.relief import COME_BACK, END, GIVE_WAY

END_S = 30.0
Pause = Callable[[], bool]
"""Wait a moment and look after everything else; False if the supervisor is asked to end."""


def replace(part: Part, within_s: float, asker: Asker, pause: Pause) -> bool:
    """False if the old one goes on."""
    old = part.child if part.child is not None and part.child.poll() is None else None
    asker.say(f"Starting the new {part.name}.")
    began = time.monotonic()
    try:
        new = part.start(succeeds=old is not None)
    except SettingsError as error:
        asker.say(f"It cannot be started: {error.message} The old one goes on.")
        return False
    gave_way = False
    while True:
        new.hear()
        if new.waits and old is not None and not gave_way:
            asker.say("The database is one file, for one hub at a time: the old hub lets go of it. Requests wait meanwhile.")
            old.tell(GIVE_WAY)
            gave_way = True
        if new.ready:
            break
        going = pause()
        if new.poll() is not None or not going or time.monotonic() - began > within_s:
            _roll_back(part, new, old, asker, gave_way=gave_way, going=going, why=_why(new, within_s, going=going))
            return False
    part.take(new)
    asker.say(f"The new {part.name} (process {new.pid}) is ready after {time.monotonic() - began:.1f} s.")
    if old is not None:
        _relieve(part, old, asker, pause)
    return True


def _why(new: Child, within_s: float, *, going: bool) -> str:
    if new.code is not None:
        return new.trouble or f"it ended with code {new.code}; its log says why."
    return f"it was not ready within {within_s:g} s; its log may say why." if going else "the supervisor is asked to end."


def _roll_back(part: Part, new: Child, old: Child | None, asker: Asker, *, gave_way: bool, going: bool, why: str) -> None:
    new.send(signal.SIGTERM)
    new.end(time.monotonic() + END_S / 3)
    if gave_way and old is not None:
        old.tell(COME_BACK if going else END)
    after = "goes on" if old is not None and old.poll() is None else "is started again"
    asker.say(f"The new {part.name} did not become ready: {why}" + (f"\nThe old one {after}." if going else ""))


def _relieve(part: Part, old: Child, asker: Asker, pause: Pause) -> None:
    if part.name != "hub":
        old.send(signal.SIGQUIT)
        part.keep_older(old)
        asker.say(f"The old {part.name} (process {old.pid}) takes no more; it ends with its last WebSocket.")
        return
    old.tell(END)
    deadline = time.monotonic() + END_S
    while old.poll() is None and time.monotonic() < deadline:
        if not pause():
            old.send(signal.SIGTERM)
            break
    old.end(deadline)
