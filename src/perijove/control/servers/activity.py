"""Who was active when: reported by servers, and seen by proxies on routes."""

from collections.abc import Mapping
from datetime import datetime

from perijove.control.context import Hub
from perijove.domain.errors import BadInputError, NotFoundError
from perijove.domain.server import ServerId
from perijove.ports.store.store import Tx


async def report_user_activity(hub: Hub, name: str, at: datetime | None, servers: Mapping[str, datetime]) -> None:
    """Move activity forward, never back. Raises NotFoundError for the user, BadInputError for a server that is not there."""

    def write(tx: Tx) -> None:
        seen: dict[ServerId, datetime] = {}
        for server_name, moment in servers.items():
            server = tx.servers.find(name, server_name)
            if server is None:
                if tx.users.get(name) is None:
                    raise NotFoundError("No access to resources or resources not found")
                if not server_name:  # everybody has a default server, only that this one was never started
                    continue
                raise BadInputError(f"No such server '{server_name}' for user {name}")
            seen[server.id] = moment
        if seen:
            tx.servers.touch(seen)
        if at is not None and (not seen or at > max(seen.values())):
            user = tx.users.get(name)
            if user is None:
                raise NotFoundError("No access to resources or resources not found")
            tx.users.touch(user.id, at)

    await hub.store.write(write)


async def report_route_activity(hub: Hub, routes: Mapping[str, datetime]) -> None:
    """What a proxy saw. Routes that are gone, or lead to no server, are passed over."""

    def query(tx: Tx) -> dict[ServerId, datetime]:
        seen: dict[ServerId, datetime] = {}
        for spec, at in routes.items():
            route = tx.routes.find(spec)
            if route is not None and route.server_id is not None:
                seen[route.server_id] = max(at, seen.get(route.server_id, at))
        return seen

    await report_activity(hub, await hub.store.read(query))


async def report_activity(hub: Hub, seen: Mapping[ServerId, datetime]) -> None:
    """Move the activity of servers and of their users forward, never back."""
    if seen:
        await hub.store.write(lambda tx: tx.servers.touch(seen))
