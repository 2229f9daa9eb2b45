"""The queue: who may start now. One decision in one transaction for all who wait, so that nobody overtakes anybody."""

from datetime import datetime
from uuid import uuid4

from perijove.control.context import Hub
from perijove.control.servers.effects import move, tell
from perijove.control.servers.lease import own_lease
from perijove.domain.lifecycle import Event, Transition
from perijove.domain.limits import ACTIVE_PHASES, STARTING_PHASES, Admission, Limits, Load, admit, admit_queue
from perijove.domain.server import Phase, Server
from perijove.ports.store.store import Tx

QUEUE = "queue"
"""What transactions that let starts through serialise on."""
AT_ONCE = 500
"""How many are let through in one transaction; the next follows at once."""
_LOOKED_AT = 5000
"""How far down the queue somebody without too many servers of their own is looked for."""


def limits_of(hub: Hub) -> Limits:
    settings = hub.settings.limits
    return Limits(
        concurrent_starts=settings.concurrent_starts,
        active_servers=settings.active_servers,
        active_servers_per_user=settings.active_servers_per_user,
    )


def admit_at_once(tx: Tx, hub: Hub, server: Server, now: datetime) -> Transition | None:
    """Let a start that was queued in this transaction through, unless limits or somebody who waits already stand before it."""
    limits = limits_of(hub)
    if limits:
        tx.serialise(QUEUE)
        load, queued = _load(tx, limits)
        if queued > 1 or not admit(_with_own(tx, load, server, limits), limits).admitted:
            return None
    return _admitted(tx, hub, server, now)


def standing(tx: Tx, hub: Hub, server: Server) -> Admission:
    """What a queued server waits for."""
    limits = limits_of(hub)
    return admit(_with_own(tx, _load(tx, limits)[0], server, limits), limits)


async def admit_waiting(hub: Hub) -> tuple[list[Server], bool]:
    """Let through whom the limits allow, oldest wish first: the servers, which this replica has to drive now, and whether to
    go on at once."""
    limits = limits_of(hub)
    moves: list[Transition] = []

    def write(tx: Tx) -> None:
        moves.clear()
        tx.serialise(QUEUE)
        queue = tx.servers.queued(_LOOKED_AT if limits.active_servers_per_user else AT_ONCE)
        if not queue:
            return
        load, _ = _load(tx, limits)
        own = {user: tx.servers.active_of(user) for user in {server.user_id for server in queue}} if limits.active_servers_per_user else {}
        now = hub.clock.now()
        moves.extend(_admitted(tx, hub, server, now) for server in admit_queue(queue, load, own, limits)[:AT_ONCE])

    await hub.store.write(write)
    tell(hub, moves)
    return [transition.after for transition in moves], len(moves) == AT_ONCE


def _load(tx: Tx, limits: Limits) -> tuple[Load, int]:
    """The load, and how many wait. What no limit asks for is not counted."""
    phases = {Phase.QUEUED, *STARTING_PHASES, *(ACTIVE_PHASES if limits.active_servers else ())}
    counts = tx.servers.counts(tuple(phases))
    starting = sum(counts[phase] for phase in STARTING_PHASES)
    active = sum(counts[phase] for phase in ACTIVE_PHASES)
    return Load(starting=starting, active=active), counts[Phase.QUEUED]


def _with_own(tx: Tx, load: Load, server: Server, limits: Limits) -> Load:
    own = tx.servers.active_of(server.user_id) if limits.active_servers_per_user else 0
    return Load(starting=load.starting, active=load.active, active_of_user=own)


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
