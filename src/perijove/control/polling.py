# LEAD NOTE: read src/perijove/control/AAA_READ_ME_FIRST.txt before changing anything here; do not rewrite this file.
"""Look after running servers: one question to the spawner for many, under a lease, every few seconds."""

import structlog

from perijove.control.ask import ASKED
from perijove.control.context import Hub
from perijove.control.effects import move, tell
from perijove.control.periodic import every
from perijove.control.work import ADMINISTRATOR, LOG_TAIL_BYTES, ask_spawner, handle_of
from perijove.domain.change import Topic
from perijove.domain.errors import StaleError
from perijove.domain.lifecycle import Event, Transition
from perijove.domain.server import Failure, Phase, Server, ServerId
from perijove.ports.spawner import Exited, Running
from perijove.ports.store.store import Tx

_log = structlog.get_logger("perijove.polling")
SLICE = 500


async def keep_polling(hub: Hub) -> None:
    """Until cancelled; the first look is at once, for servers may have died while no hub was there."""
    await every(hub, "poll", hub.settings.cull.poll_every or 15.0, poll_once)


async def poll_once(hub: Hub) -> None:
    """Look after every ready server once."""
    last = ServerId(0)
    while True:
        servers = await hub.store.read(lambda tx: tx.servers.in_phase(Phase.READY, last, SLICE))  # noqa: B023 - run before the loop goes on
        if not servers:
            return
        last = servers[-1].id
        for server, status in zip(servers, await ask_spawner(hub, servers), strict=True):
            if isinstance(status, Exited):
                await _died(hub, server, status)
            elif isinstance(status, Running) and status.address is not None and status.address != server.address:
                await _note(hub, server, Event.MOVED, address=status.address)


async def _died(hub: Hub, server: Server, status: Exited) -> None:
    try:
        tail = (await hub.spawner.log_tail(handle_of(server), LOG_TAIL_BYTES))[-LOG_TAIL_BYTES:]
    except Exception:  # noqa: BLE001 - a log that cannot be read must not hide the failure itself
        tail = ""
    message = status.message or "The server ended by itself."
    failure = Failure(code="died", message=message, hint=ADMINISTRATOR, exit_code=status.exit_code, log_tail=tail)
    await _note(hub, server, Event.DIED, failure=failure)


async def _note(hub: Hub, server: Server, event: Event, **changes: object) -> None:
    """Move the row unless it changed since it was read: a wish, or a new attempt, makes the answer worthless."""
    now = hub.clock.now()

    def write(tx: Tx) -> Transition:
        transition = move(tx, hub, server, event, now, **changes)
        tx.notices.add(Topic.SERVER, str(server.id), {ASKED: True}, at=now)
        return transition

    try:
        tell(hub, [await hub.store.write(write)])
    except StaleError:
        _log.debug("a server changed while it was looked after", server=server.full_name)
