"""The end of a hub: noted, and with all servers stopped if that is wished."""

from functools import partial

from perijove.control.context import Hub
from perijove.control.servers.ask import ask_stop
from perijove.domain.errors import NotFoundError
from perijove.domain.page import Page
from perijove.domain.server import IDLE_PHASES, Phase, Server
from perijove.ports.observer import AuditEvent
from perijove.ports.store.store import Tx

_AT_ONCE = 500
_LOOK_S = 0.2
_ACTIVE = tuple(phase for phase in Phase if phase not in IDLE_PHASES)


async def note_shutdown(hub: Hub, *, actor: str, proxy: bool, servers: bool) -> None:
    """Somebody asked for the end, and of what besides the hub."""
    event = AuditEvent(action="hub.shutdown", at=hub.clock.now(), actor=actor, target="hub", detail={"proxy": proxy, "servers": servers})
    await hub.store.write(lambda tx: tx.audit.add(event))
    hub.audit(event)


async def stop_everything(hub: Hub, *, actor: str) -> int:
    """Wish every server to be stopped, and wait until none is left, at most for the time that stopping may take. Returns how many are left."""
    for server in await _all_active(hub):
        try:
            await ask_stop(hub, server.user_name, server.name, actor=actor, reason="the site goes down")
        except NotFoundError:
            continue  # deleted meanwhile
    limits = hub.settings.limits
    until = hub.clock.monotonic() + limits.stop_grace + limits.stop_timeout
    while (left := await hub.store.read(_count_active)) and hub.clock.monotonic() < until:
        await hub.clock.sleep(_LOOK_S)
    return left


async def _all_active(hub: Hub) -> list[Server]:
    found: list[Server] = []
    while True:
        page = await hub.store.read(partial(_page, offset=len(found)))
        found += page.items
        if page.next_offset is None:
            return found


def _page(tx: Tx, offset: int) -> Page[Server]:
    return tx.servers.page(offset, _AT_ONCE, phases=_ACTIVE)


def _count_active(tx: Tx) -> int:
    return sum(tx.servers.counts(_ACTIVE).values())
