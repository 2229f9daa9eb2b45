"""All that one replica does for services: runs the managed ones and asks after all, if it is the one that does.

Where replicas share a database, a lease says which of them that is. The one that cannot renew it ends its services in time before
another may start them; whoever takes it first ends what a hub before left behind on its machine.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog

from perijove.control.context import Hub
from perijove.control.either import unless
from perijove.control.services.health import ask_all
from perijove.control.services.running import GRACE_S, ManagedRun, ManagedService
from perijove.control.trouble import complain
from perijove.domain.change import Topic
from perijove.domain.service_life import ServiceRun, ServiceState
from perijove.ports.service_processes import ServiceProcesses
from perijove.ports.store.store import Tx

LEASE_NAME: Final = "services"
LEASE: Final = timedelta(seconds=30)
RENEW_S: Final = 5.0
_SPARE_S: Final = GRACE_S + 4.0
"""Before the lease ends: what it takes to end the services, by force if need be."""
AGAIN_S: Final = 1.0
_log = structlog.get_logger("perijove.services")


class _LeaseLostError(Exception):
    """Another replica may take over."""


class ServiceKeeper:
    """One per replica."""

    def __init__(self, hub: Hub, processes: ServiceProcesses, managed: Sequence[ManagedService]) -> None:
        self._hub = hub
        self._processes = processes
        self._managed = managed
        self._runs: dict[str, ManagedRun] = {}
        self._asked: dict[int, int] = {}
        self._look = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled; then managed services are ended."""
        hub = self._hub
        while True:
            try:
                if not hub.store.shared or await self._take():
                    await self._hold()
            except Exception as error:  # noqa: BLE001 - the database may be away for a while
                complain("services cannot be looked after", error)
            await hub.clock.sleep(RENEW_S if hub.store.shared else AGAIN_S)

    async def _take(self) -> bool:
        now = self._hub.clock.now()
        return await self._hub.store.write(lambda tx: tx.leases.take(LEASE_NAME, self._hub.replica, now, now + LEASE))

    async def _hold(self) -> None:
        hub = self._hub
        ended = await self._processes.end_strays(GRACE_S)
        if ended:
            _log.warning("managed services of a hub before this one were still running, and have been ended", processes=ended)
            if hub.store.shared and not await self._take():  # it took a while
                return
        self._runs = {managed.entry.name: ManagedRun(hub, self._processes, managed) for managed in self._managed}
        states = await hub.store.write(_begin_anew)
        self._asked = {service_id: state.restarts_asked for service_id, state in states.items()}
        try:
            async with asyncio.TaskGroup() as group:
                for run in self._runs.values():
                    group.create_task(run.run(), name=f"service {run.name}")
                group.create_task(self._follow())
                group.create_task(self._keep_asking())
                if hub.store.shared:
                    group.create_task(self._keep_lease())
        except* _LeaseLostError:
            _log.error("another hub may look after services now, for this one cannot renew its lease; managed services have been ended")
        finally:
            if hub.store.shared:
                with contextlib.suppress(Exception):  # then it expires
                    await hub.store.write(lambda tx: tx.leases.release(LEASE_NAME, hub.replica))

    async def _keep_lease(self) -> None:
        """Raises _LeaseLostError while there is still time to end services before it ends."""
        clock = self._hub.clock
        until = clock.monotonic() + LEASE.total_seconds()
        while True:
            await clock.sleep(RENEW_S)
            moment = clock.monotonic()
            try:
                async with asyncio.timeout(RENEW_S):
                    if not await self._take():
                        raise _LeaseLostError
                until = moment + LEASE.total_seconds()
            except _LeaseLostError:
                raise
            except Exception as error:  # noqa: BLE001 - tried again, as long as it lasts
                complain("the lease on services cannot be renewed", error)
                if clock.monotonic() + RENEW_S + _SPARE_S > until:
                    raise _LeaseLostError from None

    async def _follow(self) -> None:
        """Hear of wishes for restarts, and of new services."""
        while True:
            try:
                async with self._hub.store.follow((Topic.SERVICE,)) as batches:
                    await self._heed()
                    async for _ in batches:
                        await self._heed()
            except LookupError:
                pass  # left behind: look at everything, which is what comes next
            except Exception as error:  # noqa: BLE001 - as above
                complain("notices of services do not arrive", error)
            await self._hub.clock.sleep(AGAIN_S)

    async def _heed(self) -> None:
        def query(tx: Tx) -> tuple[dict[int, str], dict[int, ServiceState], bool]:
            services, states = tx.services.all(), tx.service_states.all()
            unknown = any(service.url and (service.id not in states or states[service.id].health.up is None) for service in services)
            return {service.id: service.name for service in services}, states, unknown

        names, states, unknown = await self._hub.store.read(query)
        for service_id, state in states.items():
            run = self._runs.get(names.get(service_id, ""))
            if run is not None and state.restarts_asked > self._asked.get(service_id, 0):
                run.restart.set()
            self._asked[service_id] = state.restarts_asked
        if unknown:
            self._look.set()

    async def _keep_asking(self) -> None:
        """A round now and then, and when there is a service that has not been asked yet."""
        hub = self._hub
        every_s = hub.settings.hub.service_check_every
        while every_s:
            self._look.clear()
            try:
                await ask_all(hub, self._coming_up)
            except Exception as error:  # noqa: BLE001 - as above
                complain("services cannot be asked", error)
            await unless(self._look, hub.clock.sleep(every_s))

    def _coming_up(self, name: str) -> bool:
        run = self._runs.get(name)
        return run is not None and run.coming_up


def _begin_anew(tx: Tx) -> dict[int, ServiceState]:
    """How services are; whatever a hub before us ran does not run any more."""
    states = tx.service_states.all()
    for service_id, state in states.items():
        if state.run != ServiceRun():
            tx.service_states.save_run(service_id, ServiceRun(exit_code=state.run.exit_code, last_output=state.run.last_output))
    return states


async def run_services(hub: Hub, managed: Sequence[ManagedService]) -> None:
    """Look after services until cancelled; then managed ones are ended."""
    assert hub.service_processes is not None  # noqa: S101 - whoever runs services opened what runs them
    await ServiceKeeper(hub, hub.service_processes, managed).run()
