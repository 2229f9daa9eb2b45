"""One managed service: its process is kept running, with a growing pause where it does not stay."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from secrets import token_urlsafe
from typing import Final

import structlog

from perijove.config.section import Secret
from perijove.config.settings import ServiceEntry
from perijove.control.context import Hub
from perijove.control.either import unless
from perijove.control.services.health import SERVER_ERROR, ask_once, tell
from perijove.control.services.reach import set_client, set_token
from perijove.control.trouble import complain
from perijove.domain.errors import PerijoveError
from perijove.domain.service_environment import service_environment
from perijove.domain.service_life import Backoff, RunPhase, ServiceHealth, ServiceRun, ending_words
from perijove.domain.user import Service
from perijove.ports.service_processes import ServiceOrder, ServiceProcessError, ServiceProcesses
from perijove.ports.store.store import Tx

GRACE_S: Final = 8.0
"""How long a service may take to end when it is asked to; less than a lease that cannot be renewed still lasts."""
OUTPUT_KEPT: Final = 4096
TOKEN_NOTE: Final = "made when the hub started the service"
_COMING_UP_S: Final = 0.25
_log = structlog.get_logger("perijove.services")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedService:
    """As the configuration has it. `token` None: it gets a new one at each start. `environment` has its secrets read."""

    entry: ServiceEntry
    token: str | None = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)


class ManagedRun:
    """`restart` is set to have it ended and started again at once. `coming_up` tells that it has not yet had the time it may take."""

    def __init__(self, hub: Hub, processes: ServiceProcesses, managed: ManagedService) -> None:
        self.name = managed.entry.name
        self.restart = asyncio.Event()
        self.coming_up = False
        self._hub = hub
        self._processes = processes
        self._managed = managed
        self._backoff = Backoff()
        self._run = ServiceRun(replica=hub.replica)
        self._service_id = 0

    async def run(self) -> None:
        """Until cancelled; then the process is ended."""
        try:
            while True:
                try:
                    wait_s = await self._once()
                except Exception as error:  # noqa: BLE001 - the database may be away; whatever it is, other services must not end for it
                    complain("a managed service cannot be looked after; it is tried again", error, service=self.name)
                    wait_s = self._failed(0.0)
                if wait_s:
                    await unless(self.restart, self._hub.clock.sleep(wait_s))
                    if self.restart.is_set():  # somebody may have mended it
                        self._backoff = Backoff()
                self._run = replace(self._run, restarts=self._run.restarts + 1)
        finally:
            await self._end()

    async def _once(self) -> float:
        """One start, until it ends; returns how long to wait for the next."""
        hub, clock = self._hub, self._hub.clock
        self.restart.clear()
        try:
            await self._processes.end(self.name, GRACE_S)  # what resisted the last time
            service, token = await hub.store.write(self._prepare)
            self._service_id = service.id
            pid = await self._processes.start(self._order(service, token))
        except ServiceProcessError as error:
            return await self._pause(0.0, str(error))
        began = clock.monotonic()
        _log.info("managed service started", service=self.name, pid=pid)
        await self._save(replace(self._run, phase=RunPhase.RUNNING, pid=pid, since=clock.now(), problem="", next_start=None))
        ended = await unless(self.restart, self._until_ended(service))
        if ended is None:
            _log.info("managed service is restarted, as it was asked for", service=self.name)
            code = await self._processes.end(self.name, GRACE_S)
            self._backoff = Backoff()
            await self._save(replace(self._run, phase=RunPhase.STOPPED, pid=0, since=clock.now(), exit_code=code))
            return 0.0
        code, problem = ended
        self._run = replace(self._run, exit_code=code)
        return await self._pause(clock.monotonic() - began, problem)

    async def _pause(self, ran_s: float, problem: str) -> float:
        wait_s, clock = self._failed(ran_s), self._hub.clock
        output = await self._processes.output(self.name, OUTPUT_KEPT)
        _log.error("managed service does not run", service=self.name, problem=problem, again_in_s=wait_s, ran_s=round(ran_s, 1))
        now = clock.now()
        waiting = replace(
            self._run,
            phase=RunPhase.WAITING,
            pid=0,
            since=now,
            problem=problem,
            next_start=now + timedelta(seconds=wait_s),
            last_output=output,
        )
        await self._save(waiting)
        return wait_s

    def _failed(self, ran_s: float) -> float:
        self._backoff = self._backoff.ended(ran_s)
        return self._backoff.wait_s

    async def _until_ended(self, service: Service) -> tuple[int | None, str]:
        """Its exit code, and what happened, in words."""
        async with asyncio.TaskGroup() as group:
            rising = group.create_task(self._come_up(service)) if service.url else None
            try:
                code = await self._processes.ended(self.name)
            except PerijoveError as error:
                return None, str(error)
            finally:
                if rising is not None:
                    rising.cancel()
        return code, f"The service {self.name!r} does not stay: {ending_words(code)}."

    async def _come_up(self, service: Service) -> None:
        """Ask again and again until it answers, or has had its time; so people know soon, and not after a minute."""
        hub = self._hub
        deadline = hub.clock.monotonic() + service.timeout_s
        health = ServiceHealth()
        self.coming_up = True
        try:
            while True:
                problem = await ask_once(hub, service, min(service.timeout_s, 5.0))
                # its own bad answer is one, too: it is up, and ill
                if not problem or problem.startswith(SERVER_ERROR) or hub.clock.monotonic() >= deadline:
                    health = health.seen(problem, hub.clock.now())
                    await self._save_health(health)
                    tell(service, ServiceHealth(up=not health.up), health)
                    return
                await hub.clock.sleep(_COMING_UP_S)
        finally:
            self.coming_up = False

    def _prepare(self, tx: Tx) -> tuple[Service, str]:
        """The token for this start, and what hangs on it. Raises ServiceProcessError."""
        service, now = tx.services.get(self.name), self._hub.clock.now()
        if service is None:
            raise ServiceProcessError(f"The service {self.name!r} is not in the database.", "Restart the hub: it is put there at the start.")
        token = self._managed.token or token_urlsafe(32)
        if self._managed.token is None:
            set_token(tx, service, token, TOKEN_NOTE, now)
            set_client(tx, self._hub, service, token, now)
        return service, token

    def _order(self, service: Service, token: str) -> ServiceOrder:
        entry, hub = self._managed.entry, self._hub
        contract = service_environment(service, token, hub.addresses)
        given = self._managed.environment
        return ServiceOrder(
            name=self.name,
            command=entry.command_words,
            env={**contract, **given},
            cwd=entry.cwd,
            user=entry.user,
            secrets=[token, *(given[name] for name, value in entry.environment.items() if isinstance(value, Secret))],
        )

    async def _end(self) -> None:
        try:
            code = await self._processes.end(self.name, GRACE_S)
        except PerijoveError as error:
            complain("a managed service does not end", error, service=self.name)
            code = None
        if self._service_id:
            await self._save(replace(self._run, phase=RunPhase.STOPPED, pid=0, since=self._hub.clock.now(), exit_code=code, next_start=None))

    async def _save(self, run: ServiceRun) -> None:
        """What cannot be written down now is there all the same."""
        self._run = run

        def write(tx: Tx) -> None:
            tx.service_states.save_run(self._service_id, run)
            if run.phase is RunPhase.RUNNING:
                tx.service_states.save_health(self._service_id, ServiceHealth())  # what was seen before was another process's

        await self._write(write)

    async def _save_health(self, health: ServiceHealth) -> None:
        await self._write(lambda tx: tx.service_states.save_health(self._service_id, health))

    async def _write(self, change: Callable[[Tx], None]) -> None:
        try:
            await self._hub.store.write(change)
        except Exception as error:  # noqa: BLE001 - as above
            complain("the state of a service cannot be written down", error, service=self.name)
