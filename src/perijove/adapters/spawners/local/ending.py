"""Ending a server and everything it ever started."""

import asyncio
import signal
from pathlib import Path
from typing import Final

from perijove.adapters.spawners.local import cgroups
from perijove.adapters.spawners.local.state import State
from perijove.domain.errors import SpawnerError
from perijove.ports.clock import Clock
from perijove.processes.claims import Launched
from perijove.processes.ending import ask_to_end
from perijove.processes.process import MARKER, Process, this_process, with_environment

_LAST_S: Final = 5.0


class Ender:
    """The supervisor does it, being the parent; where somebody killed the supervisor, we do it from outside."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def end(self, launched: Launched, state: State, start_id: str, grace_s: float) -> None:
        """Return when nothing of it lives. Raises SpawnerError if something cannot be ended."""
        try:
            looked_after = await ask_to_end(self._clock, launched, grace_s)
            await self._end_stragglers(launched, state, start_id, search=not looked_after)
        except PermissionError:
            raise SpawnerError(
                f"The hub may not end this server: it runs as {state.account} (uid {state.uid}).",
                "Was the hub started as root before, and is not now? The administrator must start it as root to stop this server.",
            ) from None

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
