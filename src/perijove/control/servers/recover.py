"""What a new replica finds: servers that a dead one was working on."""

from datetime import datetime

from perijove.control.context import Hub
from perijove.control.servers.effects import move, tell
from perijove.domain.lifecycle import ACTIVITY, Event, Transition, can
from perijove.domain.server import Phase, Server, ServerId
from perijove.ports.store.store import Tx

SLICE = 200


async def recover(hub: Hub) -> None:
    """Where nobody else can be alive, break all leases, so that work goes on at once instead of when they have expired.

    Where others may live, nothing is done here: expired leases are found by looking (reconcile.py).
    """
    if hub.store.shared:
        return
    for phase in ACTIVITY:
        if not can(phase, Event.LOST):
            continue
        last = ServerId(0)
        while True:
            moves, last, more = await hub.store.write(lambda tx: _lose(tx, hub, phase, last, hub.clock.now()))  # noqa: B023 - run before the loop goes on
            tell(hub, moves)
            if not more:
                break
    await hub.store.write(lambda tx: tx.servers.release_all_but(hub.replica))


def _lose(tx: Tx, hub: Hub, phase: Phase, after: ServerId, now: datetime) -> tuple[list[Transition], ServerId, bool]:
    """Some more servers of a phase, up to which, and whether there are more."""
    batch: list[Server] = tx.servers.in_phase(phase, after, SLICE)
    held = [server for server in batch if server.lease_holder not in {None, hub.replica}]
    moves = [move(tx, hub, server, Event.LOST, now, lease_holder=None, lease_until=None) for server in held]
    return moves, batch[-1].id if batch else after, len(batch) == SLICE
