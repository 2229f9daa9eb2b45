"""Services, for administrators: how each is, what it said last, and a new start."""

from urllib.parse import quote

from starlette.responses import Response

from perijove.control.services.gauges import is_up
from perijove.control.services.registry import restart_service, service_view, service_views
from perijove.domain.access import may, may_list, service_resource
from perijove.web.call import Call
from perijove.web.pages.home import see_other
from perijove.web.pages.render import page


async def show(call: Call) -> Response:
    call.require("admin-ui")
    verdict, reach = may_list(call.who, "read:services", ("service",))
    verdict.enforce()
    hub = call.surface.hub
    views = [view for view in await service_views(hub) if reach.all or view.service.name in reach.services]
    rows = [
        {
            "view": await service_view(hub, view.service.name) if view.service.command else view,
            "up": is_up(view),
            "segment": quote(view.service.name, safe=""),
            "may_restart": bool(view.service.command) and bool(may(call.who, "admin:services", service_resource(view.service.name))),
        }
        for view in views
    ]
    return await page(call, "services.html", here="admin", tab="services", rows=rows)


async def restart(call: Call) -> Response:
    name = call.params["service"]
    call.require("admin:services", service_resource(name))
    await restart_service(call.surface.hub, name, actor=call.actor)
    return see_other(call, "admin/services")
