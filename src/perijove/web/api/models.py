"""The API's models, in JupyterHub's shape, limited to the fields the asker may see."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from perijove.control.users import Person
from perijove.domain.access import Resource, group_resource, server_resource, service_resource, user_resource
from perijove.domain.roles import held_roles
from perijove.domain.server import Server
from perijove.domain.share import Share, ShareCode, SharedServer
from perijove.domain.token import Token
from perijove.domain.user import Group, Service, User
from perijove.domain.visibility import visible_fields
from perijove.web.surface import Surface
from perijove.wire.names import server_prefix, user_segment
from perijove.wire.scopes import Owner, Scopes


def iso(moment: datetime | None) -> str | None:
    """ISO 8601, UTC, microseconds, "Z"."""
    if moment is None:
        return None
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[:-6] + "Z"


def person_groups(user: User) -> frozenset[str]:
    return frozenset(user.groups)


def server_model(server: Server, surface: Surface, fields: frozenset[str]) -> dict[str, Any]:
    """One server; `state` only with admin:server_state."""
    url = server_prefix(surface.base_url, server.user_name, server.name)
    user, name = user_segment(server.user_name), quote(server.name, safe="@~")
    progress = f"{surface.prefix}api/users/{user}/server{f's/{name}' if server.name else ''}/progress"
    public = surface.hub.addresses.public_url
    model: dict[str, Any] = {
        "name": server.name,
        "display_name": server.display_name or server.name,
        "full_name": server.full_name,
        "last_activity": iso(server.last_activity),
        "started": None if server.stopped else iso(server.started_at),
        "pending": server.pending,
        "ready": server.ready,
        "stopped": server.stopped,
        "url": url,
        "user_options": dict(server.options),
        "progress_url": progress,
        "full_url": f"{public}{url}" if public else None,
        "full_progress_url": f"{public}{progress}" if public else None,
    }
    if "state" in fields:
        model["state"] = dict(server.spawner_state or {})
    return model


def user_model(person: Person, surface: Surface, scopes: Scopes, *, stopped_servers: bool = False) -> dict[str, Any]:
    """A user as far as `scopes` see it; empty if not at all."""
    user, groups = person.user, person_groups(person.user)
    fields = visible_fields(scopes, user_resource(user.name, groups))
    shown = _shown_servers(person, surface, scopes, groups, stopped_servers=stopped_servers)
    if not fields and not shown:
        return {}
    default = next((server for server in person.servers if not server.name), None)
    everything: Mapping[str, Any] = {
        "kind": "user",
        "name": user.name,
        "user_info": user.user_info,
        "admin": user.admin,
        "roles": held_roles(Owner("user", user.name), user.roles, admin=user.admin),
        "groups": sorted(user.groups),
        "server": server_prefix(surface.base_url, user.name, "") if default is not None and default.ready else None,
        "pending": default.pending if default is not None else None,
        "created": iso(user.created),
        "last_activity": iso(user.last_activity),
    }
    model = {key: value for key, value in everything.items() if key in fields or key in ("kind", "name")}
    if "servers" in fields or shown:
        model["servers"] = shown
    return model


def _shown_servers(person: Person, surface: Surface, scopes: Scopes, groups: frozenset[str], *, stopped_servers: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for server in person.servers:
        if server.stopped and not stopped_servers:
            continue
        fields = visible_fields(scopes, server_resource(person.user.name, server.name, groups))
        if "name" in fields:
            shown[server.name] = server_model(server, surface, fields)
    return shown


def group_model(group: Group, scopes: Scopes) -> dict[str, Any]:
    everything = {
        "kind": "group",
        "name": group.name,
        "roles": sorted(group.roles),
        "users": sorted(group.users),
        "properties": dict(group.properties),
    }
    return _limited(everything, scopes, group_resource(group.name))


def service_model(service: Service, surface: Surface, scopes: Scopes) -> dict[str, Any]:
    everything = {
        "kind": "service",
        "name": service.name,
        "admin": service.admin,
        "roles": held_roles(Owner("service", service.name), service.roles, admin=service.admin),
        "url": service.url,
        "prefix": f"{surface.base_url}services/{quote(service.name)}/" if service.url else "",
        "command": [],
        "pid": 0,
        "info": dict(service.info),
        "display": service.display,
    }
    return _limited(everything, scopes, service_resource(service.name))


def _limited(everything: Mapping[str, Any], scopes: Scopes, on: Resource) -> dict[str, Any]:
    fields = visible_fields(scopes, on)
    return {key: value for key, value in everything.items() if key in fields}


def token_model(token: Token, owner: str, scopes: Sequence[str]) -> dict[str, Any]:
    """`scopes` are the effective, expanded ones."""
    return {
        "service" if token.service_id is not None else "user": owner,
        "id": f"a{token.id}",
        "kind": "api_token",
        "roles": [],
        "scopes": list(scopes),
        "created": iso(token.created),
        "last_activity": iso(token.last_activity),
        "expires_at": iso(token.expires_at),
        "note": token.note,
        "session_id": token.session_id,
        "oauth_client": token.client_id or "JupyterHub",
    }


def _shared_server(server: SharedServer, surface: Surface) -> dict[str, Any]:
    url, public = server_prefix(surface.base_url, server.owner, server.name), surface.hub.addresses.public_url
    return {"user": {"name": server.owner}, "name": server.name, "url": url, "full_url": f"{public}{url}" if public else None, "ready": server.ready}


def share_model(share: Share, surface: Surface) -> dict[str, Any]:
    """Shown in full to whoever may see shares at all."""
    return {
        "server": _shared_server(share.server, surface),
        "scopes": list(share.scopes),
        "user": {"name": share.to.name} if share.to.kind == "user" else None,
        "group": {"name": share.to.name} if share.to.kind == "group" else None,
        "kind": share.to.kind,
        "created_at": iso(share.created),
    }


def share_code_model(code: ShareCode, surface: Surface) -> dict[str, Any]:
    """Without the code itself, which nobody knows any more."""
    return {
        "server": _shared_server(code.server, surface),
        "scopes": list(code.scopes),
        "id": f"sc_{code.id}",
        "created_at": iso(code.created),
        "expires_at": iso(code.expires_at),
        "exchange_count": code.exchange_count,
        "last_exchanged_at": iso(code.last_exchanged_at),
    }
