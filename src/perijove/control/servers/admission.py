"""The queue: who may start now. One decision in one transaction for all who wait, so that nobody overtakes anybody."""

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from perijove.control.context import Hub
from perijove.control.servers.effects import move, tell
from perijove.control.servers.lease import own_lease
from perijove.control.servers.limits import limits_of
from perijove.domain.lifecycle import Event, Transition
from perijove.domain.limits import Crowd, Limits, Load, line_up, room
from perijove.domain.server import Server
from perijove.ports.store.store import Tx

QUEUE = "queue"
"""What transactions that let starts through serialise on."""
AT_ONCE = 500
"""How many are let through in one transaction; the next follows at once."""
LOOKED_AT = 20_000
"""How many of the queue are ordered; who asked later has to wait until it is shorter."""


def admit_at_once(tx: Tx, hub: Hub, server: Server, groups: Sequence[str], now: datetime) -> Transition | None:
    """Let a start that was queued in this transaction through, unless limits or somebody who waits already stand before it.
    `groups`: of its owner."""
    limits = limits_of(hub)
    if limits:
        if len(tx.queue.waiting(2)) > 1 or not set(limits.full_groups).isdisjoint(groups):
            return None  # how full a group is, is counted once for all who came in a moment
        tx.serialise(QUEUE)
        load, waiting = tx.queue.load(active=bool(limits.active_servers))
        if waiting > 1 or not room(load, limits):
            return None
        most = limits.of_person(groups)
        if most and tx.servers.active_of(server.user_id) >= most:
            return None
    return _admitted(tx, hub, server, now)


async def admit_waiting(hub: Hub) -> tuple[list[Server], bool]:
    """Let through whom the limits allow, in the order of domain.limits: the servers, which this replica has to drive now, and
    whether to go on at once."""
    limits = limits_of(hub)
    moves: list[Transition] = []

    def write(tx: Tx) -> bool:
        moves.clear()
        tx.serialise(QUEUE)
        load, waiting = tx.queue.load(active=bool(limits.active_servers))
        free = min(room(load, limits), AT_ONCE)
        if not free or not waiting:
            return False
        places = line_up(tx.queue.waiting(LOOKED_AT), crowd_of(tx, limits, load), limits)
        chosen = [place.waiting.id for place in places if place.held is None][:free]
        taken = {server.id: server for server in tx.queue.take(chosen)}
        now = hub.clock.now()
        moves.extend(_admitted(tx, hub, taken[key], now) for key in chosen if key in taken)
        return len(chosen) == AT_ONCE

    more = await hub.store.write(write)
    tell(hub, moves)
    return [transition.after for transition in moves], more


def crowd_of(tx: Tx, limits: Limits, load: Load) -> Crowd:
    """What decides about all who wait, in three statements at most."""
    return Crowd(
        load=load,
        active_of=tx.queue.active_of_people() if limits.queue_step or limits.per_user else {},
        groups_of=tx.queue.groups_of_people(list(limits.groups)),
        load_of=tx.queue.load_of_groups(limits.full_groups),
    )


def _admitted(tx: Tx, hub: Hub, server: Server, now: datetime) -> Transition:
    """Begin a new attempt, which this replica drives."""
    return move(
        tx,
        hub,
        server,
        Event.ADMIT,
        now,
        attempt=server.attempt + 1,
        start_id=uuid4().hex,
        spawner_state=None,
        address=None,
        failure=None,
        version=None,
        started_at=now,
        ready_at=None,
        **own_lease(hub, now),
    )
