"""How the queue stands, for people who wait in it and for administrators."""

from perijove.control.context import Hub
from perijove.control.servers.admission import LOOKED_AT, crowd_of
from perijove.control.servers.limits import limits_of
from perijove.domain.limits import line_up
from perijove.domain.outlook import QueuePlace, QueueView, outlook
from perijove.domain.server import ServerId
from perijove.ports.store.store import Tx


async def queue_view(hub: Hub) -> QueueView:
    """As it was within the last two seconds. Raises DatabaseUnavailableError."""
    return await hub.board.view(lambda: _look(hub))


async def place_of(hub: Hub, server_id: ServerId) -> QueuePlace | None:
    """Of a server in the queue; None if it is not in it. Raises DatabaseUnavailableError."""
    return await hub.board.place_of(server_id, lambda: _look(hub))


async def _look(hub: Hub) -> QueueView:
    return await hub.store.read(lambda tx: view_of(tx, hub))


def view_of(tx: Tx, hub: Hub) -> QueueView:
    """As it is now."""
    limits, now = limits_of(hub), hub.clock.now()
    waiting = tx.queue.waiting(LOOKED_AT)
    if not waiting and not limits.groups:
        return QueueView(at=now)
    length = tx.queue.length() if len(waiting) == LOOKED_AT else len(waiting)
    load, _ = tx.queue.load(active=bool(limits.active_servers))
    crowd = crowd_of(tx, limits, load)
    return outlook(line_up(waiting, crowd, limits), length, crowd, limits, now, tx.queue.left_since)
