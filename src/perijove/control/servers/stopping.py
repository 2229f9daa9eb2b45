"""STOPPING, and what comes after it for a server that is to be deleted."""

import asyncio

import structlog

from perijove.control.bounded import bounded
from perijove.control.servers.hold import CalledOff, Hold
from perijove.control.servers.lease import nudge
from perijove.control.servers.spawner_calls import handle_of
from perijove.domain.errors import SpawnerError, StaleError
from perijove.domain.lifecycle import Event, Transition
from perijove.domain.server import Desired, Phase, Server
from perijove.domain.wish import end_of_stop
from perijove.ports.spawner import Progress
from perijove.ports.store.store import Tx

_log = structlog.get_logger("perijove.spawner")
AGAIN_S = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Between tries to stop a server that cannot be stopped; the last goes on."""
FORGET_TRIES = 4


async def stop(hold: Hold, server: Server) -> Server:
    """Have it ended, however often that takes: what may still run must not be taken for gone. Wishes do not interrupt it."""
    tries = 0
    while problem := await _try_to_stop(hold, server):
        _log.warning("server cannot be stopped; trying again", server=server.full_name, problem=problem, tries=tries + 1)
        hold.say(server, Progress(f"The server cannot be stopped yet: {problem}. Trying again."))
        await hold.rest(AGAIN_S[min(tries, len(AGAIN_S) - 1)])
        tries += 1
    hub = hold.hub

    def write(tx: Tx) -> Transition:
        """What is wished now counts, not what was when stopping began."""
        present = tx.servers.get(server.id)
        if present is None or (present.phase, present.start_id, present.lease_holder) != (Phase.STOPPING, server.start_id, hub.replica):
            raise StaleError(f"{server.full_name} was changed meanwhile.")
        event, desired = end_of_stop(present)
        now = hub.clock.now()
        lease = {} if desired is Desired.ABSENT else {"lease_holder": None, "lease_until": None}
        moved = hold.moved(tx, present, event, now, desired=desired, address=None, spawner_state=None, **lease)
        if event is Event.GONE_AGAIN:
            nudge(tx, moved.after, now)  # it stands in the queue now, and nobody may be looking at that
        return moved

    return hold.has_moved([await hub.store.write(write)])


async def _try_to_stop(hold: Hold, server: Server) -> str:
    """Why it could not be stopped; "" if it is gone. Raises CalledOff."""
    hub, limits = hold.hub, hold.hub.settings.limits
    try:
        async with hold.waiting():
            began = asyncio.get_running_loop().time()
            await bounded(hub.spawner.stop(handle_of(server), limits.stop_grace), limits.stop_timeout)
    except TimeoutError:
        late = limits.stop_timeout and asyncio.get_running_loop().time() - began >= limits.stop_timeout
        return f"it did not end within {limits.stop_timeout:.0f} s" if late else "the place where it runs does not answer"
    except SpawnerError as error:
        return str(error).rstrip(".")
    except CalledOff:
        raise
    except Exception:  # noqa: BLE001 - a plugin's bug must not leave a server running
        _log.exception("spawner failed to stop a server", server=server.full_name)
        return "the spawner failed unexpectedly"
    return ""


async def remove(hold: Hold, server: Server) -> None:
    """Delete the row of a server that was to be deleted, and is gone."""
    for tries in range(FORGET_TRIES):
        if await _forgotten(hold, server):
            break
        await hold.rest(AGAIN_S[tries])
    else:
        _log.error("what a deleted server left behind must be removed by hand", server=server.full_name)

    def write(tx: Tx) -> None:
        present = tx.servers.get(server.id)
        if present is not None and present.desired is Desired.ABSENT and present.stopped:
            tx.servers.delete(server.id)

    await hold.hub.store.write(write)


async def _forgotten(hold: Hold, server: Server) -> bool:
    try:
        async with hold.waiting():
            await bounded(hold.hub.spawner.forget(server.user_name, server.name), hold.hub.settings.limits.hook_timeout)
    except CalledOff:
        raise
    except Exception:  # noqa: BLE001 - nor keep its row
        _log.warning("spawner failed to forget a server", server=server.full_name, exc_info=True)
        return False
    return True
