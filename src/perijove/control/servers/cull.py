"""Stop servers that nobody uses, or that are too old."""

from datetime import timedelta

import structlog

from perijove.control.context import Hub
from perijove.control.periodic import every
from perijove.control.servers.ask import ask_stop
from perijove.domain.cull import CullRule, cull_reason
from perijove.domain.errors import NotFoundError
from perijove.domain.server import Phase, ServerId

_log = structlog.get_logger("perijove.cull")
SLICE = 500


async def keep_culling(hub: Hub) -> None:
    """Until cancelled; returns at once if no rule is switched on."""
    settings = hub.settings.cull
    if settings.idle_after or settings.max_age:
        await every(hub, "cull", settings.every or 60.0, cull_once)


async def cull_once(hub: Hub) -> None:
    """Look at every ready server once."""
    settings = hub.settings.cull
    rule = CullRule(
        idle_after=timedelta(seconds=settings.idle_after) if settings.idle_after else None,
        max_age=timedelta(seconds=settings.max_age) if settings.max_age else None,
    )
    last = ServerId(0)
    while True:
        servers = await hub.store.read(lambda tx: tx.servers.in_phase(Phase.READY, last, SLICE))  # noqa: B023 - run before the loop goes on
        if not servers:
            return
        last = servers[-1].id
        now = hub.clock.now()
        for server in servers:
            reason = cull_reason(server, rule, now)
            if reason is not None:
                _log.info("stopping an unused server", server=server.full_name, reason=reason)
                try:
                    await ask_stop(hub, server.user_name, server.name, actor="hub", reason=reason, start_id=server.start_id)
                except NotFoundError:
                    continue
