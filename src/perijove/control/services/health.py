"""Services with an address are asked whether they are there, all at once, each with a time limit of its own."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from perijove.control.context import Hub
from perijove.control.trouble import complain
from perijove.domain.service_life import NO_PROCESS, RunPhase, ServiceHealth, ServiceState
from perijove.domain.service_rules import origin
from perijove.domain.user import Service
from perijove.ports.store.store import Tx

SERVER_ERROR: Final = "It answers with status "
_LONGEST_S: Final = 30.0
_log = structlog.get_logger("perijove.services")


async def ask_once(hub: Hub, service: Service, limit_s: float) -> str:
    """What is wrong with it; "" if it answers, with whatever but an error of its own (JupyterHub's rule)."""
    answer = await hub.prober.probe(origin(service.url or ""), hub.addresses.service_path(service.name), limit_s)
    if answer is None:
        return f"It does not answer at {service.url} within {limit_s:g} s."
    return f"{SERVER_ERROR}{answer.status}." if answer.status >= 500 else ""


async def ask_all(hub: Hub, coming_up: Callable[[str], bool]) -> None:
    """One round. `coming_up` tells which managed services need not answer yet."""

    def query(tx: Tx) -> tuple[list[Service], dict[int, ServiceState]]:
        return tx.services.all(), tx.service_states.all()

    services, states = await hub.store.read(query)
    async with asyncio.TaskGroup() as group:
        for service in services:
            if service.url and not coming_up(service.name):
                group.create_task(_ask(hub, service, states.get(service.id, ServiceState(service_id=service.id))))


async def _ask(hub: Hub, service: Service, state: ServiceState) -> None:
    try:
        if service.command and state.run.phase is not RunPhase.RUNNING:
            problem = NO_PROCESS
        else:
            problem = await ask_once(hub, service, min(service.timeout_s, _LONGEST_S))
        health = state.health.seen(problem, hub.clock.now())
        if health is not state.health:
            await hub.store.write(lambda tx: tx.service_states.save_health(service.id, health))
            tell(service, state.health, health)
    except Exception as error:  # noqa: BLE001 - one service must not keep the others from being asked
        complain("a service cannot be asked", error, service=service.name)


def tell(service: Service, before: ServiceHealth, after: ServiceHealth) -> None:
    """Into the log, what has changed."""
    if not after.up:
        _log.warning("service is down", service=service.name, problem=after.problem)
    elif not before.up:
        _log.info("service is up", service=service.name)
