"""STARTING: have the spawner bring the server up, writing down what it must not forget before it goes on."""

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog

from perijove.control.servers.effects import prefix_of, token_of
from perijove.control.servers.hold import CalledOff, Hold, OutOfTime
from perijove.control.servers.spawner_calls import handle_of
from perijove.control.servers.start_call import StartCall
from perijove.domain.environment import server_environment
from perijove.domain.errors import PerijoveError, SpawnerError, StaleError
from perijove.domain.lifecycle import Event
from perijove.domain.server import JsonObject, Server
from perijove.ports.spawner import Address, Checkpoint, Progress, StartEvent, StartRequest
from perijove.ports.store.store import Tx

_log = structlog.get_logger("perijove.spawner")
TRY_AGAIN = "Try again. If it happens again, an administrator finds more in the hub's log."
AT_LEAST_S = 10.0
"""After a restart of the hub a start gets so long again, to be found by the spawner."""


@dataclass(frozen=True, slots=True)
class _Broken:
    """The spawner did not bring it up."""

    code: str
    message: str
    hint: str = TRY_AGAIN


async def start(hold: Hold, server: Server) -> Server:
    """Until the server is up at an address, or has failed to come up."""
    hub = hold.hub
    groups = await hub.store.read(lambda tx: _groups(tx, server))
    request = StartRequest(
        handle=handle_of(server),
        prefix=prefix_of(hub, server),
        env=server_environment(server, token_of(hub, server), hub.addresses),
        options=server.options,
        groups=groups,
    )
    left_s = _time_left(hold, server)
    deadline = None if left_s is None else asyncio.get_running_loop().time() + left_s
    call = StartCall(hub.spawner, request)
    try:
        while True:
            event = await _next(hold, server, call, deadline)
            match event:
                case Checkpoint(state):
                    server = await _keep(hold, server, Event.CHECKPOINT, state)
                case Progress():
                    hold.say(server, event)
                    deadline = _deadline(hold, deadline, waits=event.waits)
                case Address(url, state):
                    return await _keep(hold, server, Event.UP, server.spawner_state if state is None else state, address=url)
                case _Broken():
                    await call.close()
                    if (state := _unheard_state(call)) is not None:
                        server = await _keep(hold, server, Event.CHECKPOINT, state)
                    return await hold.broke(server, event.code, event.message, event.hint)
    except CalledOff:
        await call.close()
        if (state := _unheard_state(call)) is not None:
            await hold.keep_state(server, dict(state))
        raise
    finally:
        await call.close()


async def _next(hold: Hold, server: Server, call: StartCall, deadline: float | None) -> StartEvent | _Broken:
    """What the spawner says next; its errors in words. Raises CalledOff."""
    try:
        async with hold.waiting(deadline):
            event = await call.next()
    except CalledOff:
        raise
    except OutOfTime:
        return _Broken("start-timeout", f"The server did not start within {hold.hub.settings.limits.start_timeout:.0f} s.")
    except SpawnerError as error:
        return _Broken("spawner", error.message, error.hint)
    except PerijoveError as error:
        return _Broken(error.code, error.message, error.hint)
    except Exception:  # noqa: BLE001 - a plugin's bug must not take the hub with it
        _log.exception("spawner failed", server=server.full_name)
        return _Broken("spawner-error", "The spawner failed unexpectedly.")
    if isinstance(event, Checkpoint | Progress | Address):
        return event
    _log.error("spawner ended its start without an address", server=server.full_name, last=repr(event))
    return _Broken("spawner-error", "The spawner ended without saying where the server is.")


async def _keep(hold: Hold, server: Server, event: Event, state: JsonObject | None, **changes: Any) -> Server:
    """Write down what the spawner yielded; if a wish to stop overtook it, at least what it must not forget."""
    try:
        return await hold.move(server, event, spawner_state=state if state is None else dict(state), **changes)
    except StaleError:
        if state is not None:
            await hold.keep_state(server, state)
        raise


def _unheard_state(call: StartCall) -> JsonObject | None:
    """What it yielded just when it was called off or its time was over, and must not be forgotten either."""
    return call.unheard.state if isinstance(call.unheard, Checkpoint | Address) else None


def _groups(tx: Tx, server: Server) -> frozenset[str]:
    owner = tx.users.by_id(server.user_id)
    return frozenset(owner.groups) if owner is not None else frozenset()


def _deadline(hold: Hold, deadline: float | None, *, waits: bool) -> float | None:
    """Anew after a wait in the place's own queue, however long that took; none while it lasts."""
    limit_s = hold.hub.settings.limits.start_timeout
    if waits or not limit_s:
        return None
    return asyncio.get_running_loop().time() + limit_s if deadline is None else deadline


def _time_left(hold: Hold, server: Server) -> float | None:
    """What is left of a time limit that began before a restart, perhaps."""
    limit_s = hold.hub.settings.limits.start_timeout
    if not limit_s:
        return None
    spent_s = (hold.hub.clock.now() - server.started_at).total_seconds() if server.started_at is not None else 0.0
    return max(limit_s - spent_s, min(AT_LEAST_S, limit_s))
