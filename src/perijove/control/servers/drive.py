"""Drive one server: run the activity of its phase, and the next phase's, until nothing is to do."""

from collections.abc import Awaitable, Callable, Mapping

from perijove.control.servers.hold import CalledOff, Hold
from perijove.control.servers.lease import has_work
from perijove.control.servers.probing import find, probe, route
from perijove.control.servers.starting import start
from perijove.control.servers.stopping import remove, stop
from perijove.domain.errors import StaleError
from perijove.domain.lifecycle import ACTIVITY, Activity
from perijove.domain.server import Server

_DO: Mapping[Activity, Callable[[Hold, Server], Awaitable[Server]]] = {
    Activity.START: start,
    Activity.PROBE: probe,
    Activity.ROUTE: route,
    Activity.POLL: find,
    Activity.STOP: stop,
}


async def drive(hold: Hold) -> None:
    """Until nothing is to do, or somebody else has the lease. Raises only what nobody can do anything about at once, such as
    DatabaseUnavailableError: the row says how far it is, and it is driven again."""
    server = await hold.look()
    while server is not None:
        try:
            if not has_work(server):
                break
            activity = ACTIVITY.get(server.phase)
            if activity is None:
                await remove(hold, server)
                hold.held_until = None
                return
            server = await _DO[activity](hold, server)
        except (CalledOff, StaleError):
            server = await hold.look()
    await hold.release()
