"""Ending what was launched."""

import os
import signal
from contextlib import suppress
from typing import Final

from perijove.ports.clock import Clock
from perijove.processes.claims import Launched
from perijove.processes.process import Process

_FORCE_S: Final = 15.0
"""How long ending by force may take; the supervisor gives up what resists after 10 seconds."""


async def ask_to_end(clock: Clock, launched: Launched, grace_s: float) -> bool:
    """SIGTERM, and force after `grace_s`. The supervisor does it, being the parent, and ends what the process left behind.

    False: nobody did so, or not with success; somebody killed the supervisor, so what is left must be looked for.
    Raises PermissionError.
    """
    supervised = launched.supervisor.alive()
    head = launched.supervisor if supervised else launched.server
    head.send(signal.SIGTERM)
    if not supervised and launched.server.alive():
        with suppress(ProcessLookupError):
            os.killpg(launched.server.pid, signal.SIGTERM)
    if not await gone(clock, head, grace_s) and supervised:
        head.send(signal.SIGUSR1)
        await gone(clock, head, _FORCE_S)
    return supervised and not head.alive()


async def gone(clock: Clock, process: Process, limit_s: float) -> bool:
    """Whether it has ended, waiting for that for `limit_s` at most."""
    deadline = clock.monotonic() + limit_s
    pause_s = 0.01
    while process.alive():
        if clock.monotonic() >= deadline:
            return False
        await clock.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.2)
    return True
