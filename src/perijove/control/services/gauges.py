"""How services are, in numbers."""

from collections.abc import Mapping
from typing import Protocol

from perijove.control.context import Hub
from perijove.control.services.registry import ServiceView, service_views
from perijove.control.trouble import complain
from perijove.domain.service_life import RunPhase

EVERY_S = 5.0


class ServiceGauges(Protocol):
    """Takes the numbers; telemetry.metrics.Metrics is one."""

    def services(self, up: Mapping[str, bool], restarts: Mapping[str, int]) -> None: ...


async def watch_service_gauges(hub: Hub, gauges: ServiceGauges) -> None:
    """Look them up now and then, until cancelled."""
    while True:
        try:
            views = await service_views(hub)
            seen = {view.service.name: up for view in views if (up := is_up(view)) is not None}
            gauges.services(seen, {view.service.name: view.state.run.restarts for view in views if view.service.command})
        except Exception as error:  # noqa: BLE001 - the database may be away for a while
            complain("cannot see how services are", error)
        await hub.clock.sleep(EVERY_S)


def is_up(view: ServiceView) -> bool | None:
    """Whether it is there: its process, if we run it, and at its address, if it has one. None if that is not known."""
    managed = bool(view.service.command)
    if managed and view.state.run.phase is not RunPhase.RUNNING:
        return False
    return view.health.up if view.service.url else True if managed else None
