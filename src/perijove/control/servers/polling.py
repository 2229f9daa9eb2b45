"""Look after running servers: one question to the spawner for many, every few seconds. Replicas share the servers among them, without asking
each other: each counts who lives (control/living.py) and takes its portion (domain/portion.py). That two look after the same server for a
moment does no harm: what they find is written by compare and swap.
"""

from asyncio import TaskGroup
from collections.abc import Collection, Iterable
from typing import Any, Final

import structlog

from perijove.control.context import Hub
from perijove.control.living import living
from perijove.control.periodic import every
from perijove.control.servers.effects import move, tell
from perijove.control.servers.lease import nudge, own_lease
from perijove.control.servers.probing import ADMINISTRATOR
from perijove.control.servers.spawner_calls import AT_ONCE, ask_spawner, log_tail
from perijove.control.trouble import complain
from perijove.domain.errors import StaleError
from perijove.domain.lifecycle import Event, Transition
from perijove.domain.portion import owner_of
from perijove.domain.server import Failure, Phase, Server, ServerId
from perijove.ports.spawner import Exited, Pending, PollsTogether, Running, Status
from perijove.ports.store.store import Tx

_log = structlog.get_logger("perijove.polling")
DEFAULT_S = 15.0
TOGETHER = 20
"""How many of those found dead are dealt with at the same time."""


COUNT_EVERY_S: Final = 2.0
"""How often a replica counts who lives."""


async def keep_polling(hub: Hub) -> None:
    """Until cancelled; the first look is at once, for servers may have died while no hub was there."""
    period_s = hub.settings.cull.poll_every or DEFAULT_S
    if not hub.store.shared or (isinstance(hub.spawner, PollsTogether) and hub.spawner.poll_together):
        await every(hub, "poll", period_s, poll_once)
    await _keep_polling_portion(hub, period_s)


async def _keep_polling_portion(hub: Hub, period_s: float) -> None:
    """Every so often, and at once when somebody came or went: their servers have changed hands."""
    counted, next_look = frozenset[str](), 0.0
    clock = hub.clock
    while True:
        try:
            members = await living(hub)
            moment = clock.monotonic()
            if members != counted or moment >= next_look:
                await poll_once(hub, members)
                counted, next_look = members, moment + period_s
        except Exception as error:  # noqa: BLE001 - the database may be away for a while; then all of them are looked at again
            complain("cannot look after running servers", error)
            counted = frozenset()
        await clock.sleep(min(COUNT_EVERY_S, period_s))


async def poll_once(hub: Hub, members: Collection[str] = ()) -> None:
    """Look once after every ready server, or after this replica's portion of them if there are `members`."""
    last = ServerId(0)
    while True:
        servers = await hub.store.read(lambda tx: tx.servers.in_phase(Phase.READY, last, AT_ONCE))  # noqa: B023 - run before the loop goes on
        if not servers:
            return
        last = servers[-1].id
        own = [server for server in servers if len(members) < 2 or owner_of(server.id, members) == hub.replica]
        if not own:
            continue
        changed = [pair for pair in zip(own, await ask_spawner(hub, own), strict=True) if _changed(*pair)]
        for first in range(0, len(changed), TOGETHER):
            await _note_all(hub, changed[first : first + TOGETHER])


def _changed(server: Server, status: Status) -> bool:
    if isinstance(status, Running):
        return status.address is not None and status.address != server.address
    return isinstance(status, Exited | Pending)


async def _note_all(hub: Hub, changed: Iterable[tuple[Server, Status]]) -> None:
    async with TaskGroup() as group:
        for server, status in changed:
            group.create_task(_note(hub, server, status))


async def _note(hub: Hub, server: Server, status: Status) -> None:
    match status:
        case Exited(exit_code, message, hint):
            tail = await log_tail(hub, server)
            words = message or "The server ended by itself."
            failure = Failure(code="died", message=words, hint=hint or ADMINISTRATOR, exit_code=exit_code, log_tail=tail)
            await _move(hub, server, Event.DIED, failure=failure)
        case Running(address):
            await _move(hub, server, Event.MOVED, address=address)
        case Pending():
            await _move(hub, server, Event.REQUEUED)


async def _move(hub: Hub, server: Server, event: Event, **changes: Any) -> None:
    """Move the row unless it changed since it was read: a wish, or a new attempt, makes the answer worthless."""
    now = hub.clock.now()

    def write(tx: Tx) -> Transition:
        transition = move(tx, hub, server, event, now, **own_lease(hub, now), **changes)
        nudge(tx, transition.after, now)
        return transition

    try:
        tell(hub, [await hub.store.write(write)])
    except StaleError:
        _log.debug("a server changed while it was looked after", server=server.full_name)
