"""Move the end of a running server back, where its place and the site allow it."""

from datetime import UTC, datetime

import structlog

from perijove.control.bounded import bounded
from perijove.control.context import Hub
from perijove.control.servers.naming import get_server
from perijove.control.servers.spawner_calls import handle_of
from perijove.domain.errors import BadInputError, ConflictError, PerijoveError, SpawnerError
from perijove.domain.server import Server
from perijove.ports.cluster_spawner import Extends
from perijove.ports.observer import AuditEvent
from perijove.ports.store.store import Tx

_log = structlog.get_logger("perijove.spawner")
LEAST_S = 60


def extendable_s(hub: Hub, server: Server) -> int:
    """By how many seconds the server may be prolonged at once; 0 if not at all."""
    if not isinstance(hub.spawner, Extends) or not server.ready:
        return 0
    return max(0, hub.spawner.extendable_s(handle_of(server)))


async def extend_server(hub: Hub, user: str, name: str, by_s: int, *, actor: str) -> datetime:
    """Returns the new end. Raises NotFoundError, ConflictError (it does not run), BadInputError (not here, or not by so much), SpawnerError
    (the place does not do it, or does not answer)."""
    server = await get_server(hub, user, name)
    if not isinstance(hub.spawner, Extends):
        raise BadInputError("Servers here cannot be prolonged.", "They have no end of their own, or the administrator has not allowed it.")
    if not server.ready:
        raise ConflictError(f"{server.full_name} is not running.", "Start it, and ask for more time from the beginning.")
    most_s = extendable_s(hub, server)
    if most_s < LEAST_S:
        raise BadInputError(f"{server.full_name} cannot be prolonged.", "The site's administrator decides by how much servers may be.")
    if not LEAST_S <= by_s <= most_s:
        raise BadInputError(f"A server can be prolonged by {LEAST_S} to {most_s} seconds at once, not by {by_s}.")
    ends_at = await _asked(hub, hub.spawner, server, by_s)
    event = AuditEvent(
        action="server.extend",
        at=hub.clock.now(),
        actor=actor,
        target=f"{user}/{name}",
        detail={"by_s": by_s, "ends_at": ends_at.isoformat(timespec="seconds")},
    )

    def write(tx: Tx) -> None:
        tx.reports.end_at(server.id, server.start_id, ends_at)
        tx.audit.add(event)

    await hub.store.write(write)
    hub.audit(event)
    return ends_at


async def _asked(hub: Hub, spawner: Extends, server: Server, by_s: int) -> datetime:
    try:
        return (await bounded(spawner.extend(handle_of(server), by_s), hub.settings.limits.hook_timeout)).astimezone(UTC)
    except PerijoveError:
        raise
    except TimeoutError:
        raise SpawnerError(
            "The place where the server runs did not answer in time.", "Look in a minute whether it has more time; if not, try again."
        ) from None
    except Exception:  # noqa: BLE001 - a plugin's bug
        _log.exception("spawner failed to prolong a server", server=server.full_name)
        raise SpawnerError("The spawner failed unexpectedly.", "An administrator finds more in the hub's log.") from None
