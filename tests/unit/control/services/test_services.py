"""Managed services are kept running by one replica, with growing pauses; all services are asked after."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from perijove.config.settings import ServiceEntry
from perijove.control.context import Hub
from perijove.control.services.gauges import is_up
from perijove.control.services.keeping import LEASE, ServiceKeeper
from perijove.control.services.registry import ServiceView, restart_service
from perijove.control.site.declare import declare
from perijove.domain.service_life import RunPhase, ServiceHealth, ServiceRun, ServiceState
from perijove.domain.token import hash_secret
from perijove.domain.user import Service
from perijove.ports.store.store import Tx
from perijove.testing.clock import FakeClock
from tests.unit.control.house import House
from tests.unit.control.servers.test_leases import Away

from .machine import Answering, FakeProcesses, Machine, managed


@pytest.fixture
def time() -> FakeClock:
    return FakeClock()


@dataclass
class Replica:
    hub: Hub
    store: Away
    processes: FakeProcesses
    work: asyncio.Task[None]

    async def state(self, name: str) -> ServiceState:
        def look(tx: Tx) -> ServiceState:
            service = tx.services.get(name)
            assert service is not None
            return tx.service_states.get(service.id)

        return await self.store.read(look)  # type: ignore[no-any-return]

    async def until(self, name: str, met: Callable[[ServiceState], bool]) -> ServiceState:
        """Turn time until it is recorded so."""
        time: Any = self.hub.clock
        for _ in range(2000):
            if met(state := await self.state(name)):
                return state
            await time.turn(0.05)
            await asyncio.sleep(0.001)  # what runs in threads needs a real moment
        raise TimeoutError(str(state))


@asynccontextmanager
async def replica(house: House, machine: Machine, *entries: ServiceEntry, name: str = "first", shared: bool = False) -> AsyncIterator[Replica]:
    """A hub that looks after these services, until the end or until it is killed."""
    answers: Any = Answering()
    answers.statuses = {entry.url: 200 for entry in entries if entry.url}
    hub = house.hub(name, shared=shared, hub={"service_check_every": 60.0})
    store: Any = Away(hub.store)
    hub = replace(hub, store=store, prober=answers, settings=msgspec.structs.replace(hub.settings, services=entries))
    await declare(hub, {})
    processes = FakeProcesses(machine)
    kept = [managed(entry.name, url=entry.url) for entry in entries if entry.command]
    work = asyncio.create_task(ServiceKeeper(hub, processes, kept).run())
    try:
        yield Replica(hub, store, processes, work)
    finally:
        work.cancel()
        await asyncio.wait({work})


RUN = ServiceEntry(name="run", command=("run",))
EXTERNAL = ServiceEntry(name="far", url="http://far:1")


async def test_one_that_crashes_is_started_again_after_a_growing_pause_with_a_new_token(house: House, time: FakeClock) -> None:
    machine = Machine()
    async with replica(house, machine, RUN) as first:
        await time.turn_until(lambda: bool(machine.running("run")))
        for crash, wait_s in enumerate((1, 2, 4), 1):
            first.processes.exits("run", 1)
            run = (await first.until("run", lambda found, crash=crash: found.run.phase is RunPhase.WAITING and found.run.restarts == crash - 1)).run  # type: ignore[misc]
            assert run.since is not None
            assert run.next_start == run.since + timedelta(seconds=wait_s)
            assert len(machine.orders) == crash
            await time.turn_until(lambda crash=crash: len(machine.orders) > crash)  # type: ignore[misc]
            assert time.now() >= run.next_start
        state = await first.until("run", lambda found: found.run.phase is RunPhase.RUNNING and found.run.pid == 4)
        assert (state.run.restarts, state.run.exit_code) == (3, 1)
        assert state.run.last_output == "last words of run\n"
        tokens = [order.env["JUPYTERHUB_API_TOKEN"] for order in machine.orders]
        assert len(set(tokens)) == 4
        known = await house.store.read(lambda tx: [tx.tokens.find(hash_secret(token)) is not None for token in tokens])
        assert known == [False, False, False, True]
        assert not machine.doubles
    assert not machine.alive


async def test_the_pause_is_short_again_after_it_ran_well(house: House, time: FakeClock) -> None:
    machine = Machine()
    async with replica(house, machine, RUN) as first:
        await time.turn_until(lambda: bool(machine.running("run")))
        for crash in range(1, 4):
            first.processes.exits("run", 1)
            await time.turn_until(lambda crash=crash: len(machine.orders) > crash)  # type: ignore[misc]
        await first.until("run", lambda found: found.run.phase is RunPhase.RUNNING and found.run.pid == 4)
        await time.turn(61)
        first.processes.exits("run", 1)
        run = (await first.until("run", lambda found: found.run.phase is RunPhase.WAITING)).run
        assert run.since is not None
        assert run.next_start == run.since + timedelta(seconds=1)


async def test_one_that_cannot_be_started_says_why_and_is_tried_again(house: House, time: FakeClock) -> None:
    machine = Machine()
    async with replica(house, machine, RUN) as first:
        first.processes.refusing = "no such program"
        state = await first.until("run", lambda found: found.run.phase is RunPhase.WAITING)
        assert state.run.problem == "no such program"
        assert state.run.next_start is not None
        assert not machine.orders
        first.processes.refusing = ""
        state = await first.until("run", lambda found: found.run.phase is RunPhase.RUNNING)
        assert (state.run.problem, state.run.next_start) == ("", None)


async def test_a_restart_that_was_asked_for_is_made_at_once_by_whoever_runs_it(house: House, time: FakeClock) -> None:
    machine = Machine()
    async with replica(house, machine, RUN, shared=True) as first, replica(house, machine, RUN, name="second", shared=True) as second:
        await time.turn_until(lambda: bool(machine.running("run")))
        await restart_service(second.hub, "run", actor="ada")
        began = time.monotonic()
        await time.turn_until(lambda: len(machine.orders) == 2, step_s=0.01)
        assert time.monotonic() - began < 1
        assert not machine.doubles
        assert (await first.state("run")).restarts_asked == 1


async def test_it_runs_once_and_moves_when_its_hub_is_gone(house: House, time: FakeClock) -> None:
    machine = Machine()
    async with replica(house, machine, RUN, shared=True) as first, replica(house, machine, RUN, name="second", shared=True) as second:
        await time.turn_until(lambda: bool(machine.running("run")))
        await time.turn(60)
        assert len(machine.orders) == 1
        holder, other = (first, second) if first.processes._own else (second, first)
        holder.processes.killed = holder.store.away = True  # nothing more is heard of it
        holder.work.cancel()
        await time.turn_until(lambda: bool(other.processes._own))
        assert time.monotonic() <= 60 + LEASE.total_seconds() + 10
        assert len(machine.running("run")) == 1
        await other.until("run", lambda found: found.run.replica == other.hub.replica and found.run.phase is RunPhase.RUNNING)


async def test_a_hub_that_cannot_renew_ends_its_services_before_another_may_start_them(house: House, time: FakeClock) -> None:
    machine = Machine()
    async with replica(house, machine, RUN, shared=True) as first:
        await time.turn_until(lambda: bool(machine.running("run")))
        lost_at = time.monotonic()
        first.store.away = True
        await time.turn_until(lambda: not machine.alive)
        assert time.monotonic() < lost_at + LEASE.total_seconds() - 5
        first.store.away = False
        await time.turn_until(lambda: bool(machine.running("run")))


async def test_a_dead_service_keeps_nobody_waiting_and_is_told_of(house: House, time: FakeClock) -> None:
    machine = Machine()
    answering = ServiceEntry(name="near", url="http://near:1")
    async with replica(house, machine, EXTERNAL, answering) as first:
        prober: Any = first.hub.prober
        prober.statuses["http://far:1"] = None
        await time.turn_until(lambda: len(prober.asked) >= 4)
        far = (await first.until("far", lambda found: found.health.up is False)).health
        await first.until("near", lambda found: found.health.up is True)
        assert "http://far:1" in far.problem
        prober.statuses["http://far:1"] = 503
        again = (await first.until("far", lambda found: "503" in found.health.problem)).health
        assert again.since == far.since
        assert {path for _, path in prober.asked} == {"/base/services/far/", "/base/services/near/"}


@pytest.mark.parametrize(("phase", "up"), [(RunPhase.RUNNING, True), (RunPhase.WAITING, False), (RunPhase.STOPPED, False)])
def test_nobody_is_up_whose_process_does_not_run(phase: RunPhase, up: bool) -> None:
    service = Service(id=1, name="run", url="http://near:1", command=("run",))
    state = ServiceState(service_id=1, run=ServiceRun(phase=phase), health=ServiceHealth(up=True))
    view = ServiceView(service=service, state=state)
    assert (view.health.up, is_up(view)) == (up, up)
    elsewhere = ServiceView(service=replace(service, command=()), state=state)
    assert (elsewhere.health.up, is_up(elsewhere)) == (True, True)
