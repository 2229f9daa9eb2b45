"""Implements ports.service_processes.ServiceProcesses."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from perijove.adapters.services.lifeline import Lifeline
from perijove.adapters.services.places import Places
from perijove.adapters.services.plan import account_for, environment, launch_plan
from perijove.adapters.services.words import failure_error
from perijove.domain.errors import SettingsError
from perijove.ports.clock import Clock
from perijove.ports.service_processes import ServiceOrder, ServiceProcessError
from perijove.processes.claims import Launched, RunFolder
from perijove.processes.ending import ask_to_end
from perijove.processes.launching import run_launcher
from perijove.processes.output import tail
from perijove.processes.process import MARKER, Process, with_environment

_LOOK_S: Final = 0.2
_LAST_S: Final = 5.0
_RECORDED_S: Final = 12.0
"""After the process has ended: how long its supervisor may take to end what it left behind (it gives up after 10 s)."""


class LocalServiceProcesses:
    """On the hub's own machine."""

    def __init__(self, places: Places, lifeline: Lifeline, clock: Clock, environ: Mapping[str, str]) -> None:
        self._places = places
        self._lifeline = lifeline
        self._clock = clock
        self._environ = environ
        self._running: dict[str, tuple[RunFolder, Launched]] = {}
        self._secrets: dict[str, Sequence[str]] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, *, runtime_dir: Path, state_dir: Path, clock: Clock, environ: Mapping[str, str]) -> AsyncIterator["LocalServiceProcesses"]:
        """Services end when this is closed, or with this process. Both folders must be private to the hub's account. Raises SettingsError."""
        with ExitStack() as stack:
            try:
                lifeline = stack.enter_context(Lifeline.hold(runtime_dir))
            except OSError as error:
                raise SettingsError(
                    f"What managed services follow cannot be made in {runtime_dir}: {error.strerror}.",
                    "Set runtime_dir in [hub] to a local folder where the hub may write.",
                ) from None
            yield cls(Places(runtime_dir, state_dir), lifeline, clock, environ)

    async def end_strays(self, grace_s: float) -> int:
        found = await asyncio.to_thread(self._places.strays, {run.key for run, _ in self._running.values()})
        async with asyncio.TaskGroup() as group:
            ended = [group.create_task(self._end_stray(run, launched, grace_s)) for run, launched in found]
        return sum(task.result() for task in ended)

    async def start(self, order: ServiceOrder) -> int:
        self._secrets[order.name] = sorted(filter(None, order.secrets), key=len, reverse=True)
        account = await asyncio.to_thread(account_for, order)
        run = self._places.new_run(order.name)
        env = environment(order, account, self._environ, {MARKER: run.key})
        try:
            await asyncio.to_thread(self._places.prepare, run)
            told, said = await run_launcher(launch_plan(order, account, env, run, self._places.log(order.name), self._lifeline.path))
        except OSError as error:
            await asyncio.to_thread(self._places.forget, run)
            raise ServiceProcessError(
                f"The service {order.name!r} cannot be started: {error.filename or 'the launcher'}: {error.strerror}.",
                "The administrator must mend the hub's state_dir and runtime_dir, or make room there.",
            ) from None
        if told is not None and told.get("outcome") == "failed":
            await asyncio.to_thread(self._places.forget, run)
            raise failure_error(order, account, told)
        claim = run.claim()
        if not isinstance(claim, Launched):
            await asyncio.to_thread(self._places.forget, run)
            raise ServiceProcessError(f"The launcher of the service {order.name!r} was killed{': ' + said if said else '.'}", "It is tried again.")
        self._running[order.name] = (run, claim)
        return claim.server.pid

    async def ended(self, name: str) -> int | None:
        run, launched = self._running[name]
        while launched.server.alive():
            await self._clock.sleep(_LOOK_S)
        deadline = self._clock.monotonic() + _RECORDED_S
        while launched.supervisor.alive() and self._clock.monotonic() < deadline:
            await self._clock.sleep(_LOOK_S)
        return await self._finish(name, run, launched, looked_after=not launched.supervisor.alive() and run.ending() is not None)

    async def end(self, name: str, grace_s: float) -> int | None:
        if name not in self._running:
            return None
        run, launched = self._running[name]
        try:
            looked_after = await ask_to_end(self._clock, launched, grace_s)
        except PermissionError:
            raise _not_allowed(name) from None
        return await self._finish(name, run, launched, looked_after=looked_after)

    async def output(self, name: str, max_bytes: int) -> str:
        text = await asyncio.to_thread(tail, self._places.log(name), max_bytes)
        for secret in self._secrets.get(name, ()):
            text = text.replace(secret, "(hidden)")
        return text

    async def _finish(self, name: str, run: RunFolder, launched: Launched, *, looked_after: bool) -> int | None:
        if not looked_after:
            await self._end_the_rest(run.key, launched)
        ending = run.ending()
        self._running.pop(name, None)
        await asyncio.to_thread(self._places.forget, run)
        return None if ending is None else ending.code

    async def _end_stray(self, run: RunFolder, launched: Launched, grace_s: float) -> int:
        alive = launched.supervisor.alive() or launched.server.alive()
        try:
            looked_after = alive and await ask_to_end(self._clock, launched, grace_s)
        except PermissionError:
            raise _not_allowed(run.key) from None
        if not looked_after:
            alive = await self._end_the_rest(run.key, launched) or alive
        await asyncio.to_thread(self._places.forget, run)
        return int(alive)

    async def _end_the_rest(self, key: str, launched: Launched) -> bool:
        """What nobody looked after, whatever it started; whether there was anything. Raises ServiceProcessError."""
        deadline = self._clock.monotonic() + _LAST_S
        seen = False
        while left := await asyncio.to_thread(_stragglers, key, launched):
            seen = True
            if self._clock.monotonic() >= deadline:
                numbers = ", ".join(str(process.pid) for process in left)
                raise ServiceProcessError(
                    f"Processes of a managed service cannot be ended: {numbers}.",
                    "They hang in the kernel (a dead network disk?), or the hub was started as another account before; the administrator must end them.",
                )
            for process in left:
                with suppress(PermissionError):
                    process.send(signal.SIGKILL)
            await self._clock.sleep(0.05)
        return seen


def _stragglers(key: str, launched: Launched) -> list[Process]:
    found = {process for process in (launched.server, launched.supervisor) if process.alive()}
    return sorted(found | set(with_environment(MARKER, key)), key=lambda process: process.pid)


def _not_allowed(name: str) -> ServiceProcessError:
    return ServiceProcessError(
        f"The hub (uid {os.geteuid()}) may not end the managed service {name!r}.",
        "Was the hub started as root before, and is not now? The administrator must end it, or start the hub as root.",
    )
