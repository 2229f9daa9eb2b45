"""The REST API's part of the route table."""

from starlette.responses import Response

from perijove.web.api import authorizations, explain, groups, hub, info, reports, servers, services, shared, shares, standing, tokens, users
from perijove.web.call import Call
from perijove.web.router import Route

ROUTES: tuple[Route[Call, Response], ...] = (
    *info.ROUTES,
    *hub.ROUTES,
    *users.ROUTES,
    *servers.ROUTES,
    *reports.ROUTES,
    *tokens.ROUTES,
    *groups.ROUTES,
    *services.ROUTES,
    *shares.ROUTES,
    *shared.ROUTES,
    *explain.ROUTES,
    *authorizations.ROUTES,
    *standing.ROUTES,
)
