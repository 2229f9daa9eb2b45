"""Subdomain mode came or went with a restart: what is routed already gets its place in the new order, and goes on running."""

from dataclasses import replace
from datetime import datetime

from perijove.control.context import Hub
from perijove.ports.store.servers import StoredRoute
from perijove.ports.store.store import Tx


def reroute(tx: Tx, hub: Hub, now: datetime) -> int:
    """Move routes whose host is not the one that the settings say now, and tell services' OAuth clients. Returns how many routes moved.

    A route with another path stays: what runs there answers at that path only.
    """
    moved = 0
    for route in tx.routes.all()[1]:
        spec = _spec(hub, route)
        if spec and spec != route.spec and _path(spec) == _path(route.spec):
            tx.routes.delete(route.spec, now)
            tx.routes.set(replace(route, spec=spec), now)
            moved += 1
    for service in tx.services.all():
        client = tx.oauth.client(service.oauth_client_id) if service.oauth_client_id and not service.oauth_redirect_uri else None
        uri = f"{hub.addresses.service_url(service.name)}oauth_callback"
        if client is not None and client.redirect_uri != uri:
            tx.oauth.put_client(replace(client, redirect_uri=uri))
    return moved


def _spec(hub: Hub, route: StoredRoute) -> str:
    """Where the route belongs; "" if it is neither a server's nor a service's."""
    match route.data:
        case {"user": str(user), "server_name": str(name)} if route.server_id is not None:
            return hub.addresses.server_spec(user, name)
        case {"service": str(service)}:
            return hub.addresses.service_spec(service)
    return ""


def _path(spec: str) -> str:
    return spec[spec.index("/") :]
