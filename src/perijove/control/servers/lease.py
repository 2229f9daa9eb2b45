"""Who may work on a server: the lease on its row, and the notice that tells the one who has it."""

from datetime import datetime, timedelta
from typing import Any

from perijove.control.context import Hub
from perijove.domain.change import Topic
from perijove.domain.lifecycle import ACTIVITY, Activity
from perijove.domain.server import Desired, Server
from perijove.ports.store.store import Tx

LEASE = timedelta(seconds=15)
RENEW_S = 5.0
"""A replica that cannot renew gives its servers up before their leases end."""
ASKED = "asked"
"""In the data of a SERVER notice: whoever holds the lease should look at once. Its value is the holder, or True if anybody may."""
PHASE = "phase"
"""In the data of a SERVER notice: the phase after the change."""


def has_work(server: Server) -> bool:
    """Whether somebody must hold the lease and do something. The queue is looked after without leases."""
    activity = ACTIVITY.get(server.phase)
    if activity is None:
        return server.desired is Desired.ABSENT and server.stopped
    return activity is not Activity.ADMISSION


def own_lease(hub: Hub, now: datetime) -> dict[str, Any]:
    """The lease, for this replica."""
    return {"lease_holder": hub.replica, "lease_until": now + LEASE}


def lease_for_wish(hub: Hub, server: Server, now: datetime) -> dict[str, Any]:
    """Who works on a wish: the present holder, else this replica, which is awake."""
    held = server.lease_holder is not None and server.lease_until is not None and server.lease_until > now
    return {} if held else own_lease(hub, now)


def nudge(tx: Tx, server: Server, now: datetime) -> None:
    """Have the holder of the lease look at the row at once, and call off what it is doing if the phase is another."""
    tx.notices.add(Topic.SERVER, str(server.id), {ASKED: server.lease_holder or True, PHASE: server.phase.value}, at=now)
