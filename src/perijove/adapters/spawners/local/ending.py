"""Ending a server and everything it ever started."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

from perijove.adapters.spawners.local import cgroups
from perijove.adapters.spawners.local.environment import MARKER
from perijove.adapters.spawners.local.state import State
from perijove.domain.errors import SpawnerError
from perijove.ports.clock import Clock
from perijove.processes.claims import Launched
from perijove.processes.process import Process, this_process, with_environment

_FORCE_S: Final = 15.0
"""How long ending by force may take; the supervisor gives up what resists after 10 seconds."""
_LAST_S: Final = 5.0


class Ender:
    """The supervisor does it, being the parent; where somebody killed the supervisor, we do it from outside."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def end(self, launched: Launched, state: State, start_id: str, grace_s: float) -> None:
        """Return when nothing of it lives. Raises SpawnerError if something cannot be ended."""
        supervised = launched.supervisor.alive()
        head = launched.supervisor if supervised else launched.server
        try:
            head.send(signal.SIGTERM)
            if not supervised and launched.server.alive():
                with suppress(ProcessLookupError):
                    os.killpg(launched.server.pid, signal.SIGTERM)
            if not await self._gone(head, grace_s) and supervised:
                head.send(signal.SIGUSR1)
                await self._gone(head, _FORCE_S)
            await self._end_stragglers(launched, state, start_id, search=not supervised or head.alive())
        except PermissionError:
            raise SpawnerError(
                f"The hub may not end this server: it runs as {state.account} (uid {state.uid}).",
                "Was the hub started as root before, and is not now? The administrator must start it as root to stop this server.",
            ) from None

    async def _gone(self, process: Process, limit_s: float) -> bool:
        deadline = self._clock.monotonic() + limit_s
        pause_s = 0.01
        while process.alive():
            if self._clock.monotonic() >= deadline:
                return False
            await self._clock.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 0.2)
        return True

    async def _end_stragglers(self, launched: Launched, state: State, start_id: str, *, search: bool) -> None:
        """What the supervisor left: nothing, usually. `search`: look through all processes, not only the control groups."""
        groups = [Path(group) for group in state.cgroups]
        deadline = self._clock.monotonic() + _LAST_S
        while True:
            left = await asyncio.to_thread(_stragglers, launched, groups, start_id, search=search)
            # a group is busy for a moment after its last process ended
            busy = [] if left else [group for group in groups if not cgroups.remove(group)]
            if not left and not busy:
                return
            if self._clock.monotonic() >= deadline:
                break
            for process in left:
                process.send(signal.SIGKILL)
            await self._clock.sleep(0.05)
        if left:
            numbers = ", ".join(str(process.pid) for process in left)
            raise SpawnerError(
                f"Processes of this server cannot be ended: {numbers}.",
                "They hang in the kernel (a dead network disk?); the administrator must find out why.",
            )


def _stragglers(launched: Launched, groups: list[Path], start_id: str, *, search: bool) -> list[Process]:
    found = {process for group in groups for pid in cgroups.processes_in(group) if (process := this_process(pid)) is not None and process.alive()}
    if search:
        found |= set(with_environment(MARKER, start_id))
        found |= {process for process in (launched.server, launched.supervisor) if process.alive()}
    return sorted(found, key=lambda process: process.pid)
