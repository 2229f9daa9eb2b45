"""From the hub's records to the API's models, limited to the fields the asker may see."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import UNSET

from perijove.control.people.users import Person
from perijove.control.servers.naming import unstarted
from perijove.domain.access import group_resource, server_resource, service_resource, user_resource
from perijove.domain.outlook import QueuePlace
from perijove.domain.roles import held_roles
from perijove.domain.server import Server
from perijove.domain.share import Share, ShareCode, SharedServer
from perijove.domain.token import Token, TokenKind
from perijove.domain.user import Group, Service, User
from perijove.domain.visibility import visible_fields
from perijove.web.api.models import (
    GroupModel,
    Name,
    QueuePlaceModel,
    ServerModel,
    ServiceModel,
    ShareCodeModel,
    SharedServerModel,
    ShareModel,
    TokenModel,
    UserModel,
)
from perijove.web.surface import Surface
from perijove.wire.names import user_segment
from perijove.wire.scopes import Owner, Scopes


def iso(moment: datetime | None) -> str | None:
    """ISO 8601, UTC, microseconds, "Z"."""
    return None if moment is None else iso_of(moment)


def iso_of(moment: datetime) -> str:
    """As `iso`, of a moment that is there."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[:-6] + "Z"


def person_groups(user: User) -> frozenset[str]:
    return frozenset(user.groups)


def server_model(server: Server, surface: Surface, fields: frozenset[str]) -> ServerModel:
    """One server; `state` only with admin:server_state."""
    addresses = surface.hub.addresses
    user, name = user_segment(server.user_name), user_segment(server.name)
    progress = f"{surface.prefix}api/users/{user}/server{f's/{name}' if server.name else ''}/progress"
    return ServerModel(
        name=server.name,
        display_name=server.display_name or server.name,
        full_name=server.full_name,
        last_activity=iso(server.last_activity),
        started=None if server.stopped else iso(server.started_at),
        pending=server.pending,
        ready=server.ready,
        stopped=server.stopped,
        url=addresses.server_url(server.user_name, server.name),
        user_options=dict(server.options),
        progress_url=progress,
        full_url=addresses.full_server_url(server.user_name, server.name) or None,
        full_progress_url=f"{addresses.public_url}{progress}" if addresses.public_url else None,
        state=dict(server.spawner_state or {}) if "state" in fields else UNSET,
    )


def queue_place_model(place: QueuePlace) -> QueuePlaceModel:
    least_s, most_s = (round(place.left.least_s, 1), round(place.left.most_s, 1)) if place.left is not None else (None, None)
    return QueuePlaceModel(place=place.place, length=place.length, reason=place.reason, least_s=least_s, most_s=most_s)


def user_model(person: Person, surface: Surface, scopes: Scopes, *, stopped_servers: bool = False) -> UserModel:
    """A user as far as `scopes` see it; empty if not at all."""
    user, groups = person.user, person_groups(person.user)
    fields = visible_fields(scopes, user_resource(user.name, groups))
    shown = _shown_servers(person, surface, scopes, groups, stopped_servers=stopped_servers)
    if not fields and not shown:
        return UserModel()
    default = next((server for server in person.servers if not server.name), None)
    running = default is not None and default.ready
    model = UserModel(kind="user", name=user.name)
    if "admin" in fields:
        model.admin = user.admin
    if "user_info" in fields:
        model.user_info = user.user_info
    if "roles" in fields:
        model.roles = held_roles(Owner("user", user.name), user.roles, admin=user.admin)
    if "groups" in fields:
        model.groups = sorted(user.groups)
    if "server" in fields:
        model.server = surface.hub.addresses.server_url(user.name, "") if running else None
        model.pending = default.pending if default is not None else None
    if "created" in fields:
        model.created = iso(user.created)
    if "last_activity" in fields:
        model.last_activity = iso(user.last_activity)
    if "servers" in fields or shown:
        model.servers = shown
    if "auth_state" in fields:
        model.auth_state = None  # read only where one person is asked for
    return model


def _shown_servers(person: Person, surface: Surface, scopes: Scopes, groups: frozenset[str], *, stopped_servers: bool) -> dict[str, ServerModel]:
    shown: dict[str, ServerModel] = {}
    servers = person.servers
    if stopped_servers and not any(server.name == "" for server in servers):
        servers = (unstarted(person.user), *servers)
    for server in servers:
        if server.stopped and not stopped_servers:
            continue
        fields = visible_fields(scopes, server_resource(person.user.name, server.name, groups))
        if "name" in fields:
            shown[server.name] = server_model(server, surface, fields)
    return shown


def group_model(group: Group, scopes: Scopes) -> GroupModel:
    fields = visible_fields(scopes, group_resource(group.name))
    return GroupModel(
        kind="group" if fields else UNSET,
        name=group.name if fields else UNSET,
        roles=sorted(group.roles) if "roles" in fields else UNSET,
        users=sorted(group.users) if "users" in fields else UNSET,
        properties=dict(group.properties) if "properties" in fields else UNSET,
    )


def service_model(service: Service, surface: Surface, scopes: Scopes) -> ServiceModel:
    fields = visible_fields(scopes, service_resource(service.name))
    model = ServiceModel()
    if fields:
        model.kind, model.name, model.admin = "service", service.name, service.admin
    if "roles" in fields:
        model.roles = held_roles(Owner("service", service.name), service.roles, admin=service.admin)
    if "url" in fields:
        model.url = service.url or ""
        model.prefix = surface.hub.addresses.service_path(service.name) if service.url else ""
        model.command, model.pid = list(service.command), service.pid
        model.info, model.display = dict(service.info), service.display
    return model


def token_fields(token: Token, owner: str, scopes: Sequence[str]) -> dict[str, Any]:
    """What TokenModel takes. `scopes` are the effective, expanded ones."""
    return {
        "service" if token.service_id is not None else "user": owner,
        "id": f"a{token.id}",
        "roles": [],
        "scopes": list(scopes),
        "created": iso_of(token.created),
        "last_activity": iso(token.last_activity),
        "expires_at": iso(token.expires_at),
        "note": "" if token.kind is TokenKind.OAUTH else token.note,
        "session_id": token.session_id,
        "oauth_client": (token.note if token.kind is TokenKind.OAUTH else "") or token.client_id or "JupyterHub",
    }


def token_model(token: Token, owner: str, scopes: Sequence[str]) -> TokenModel:
    return TokenModel(**token_fields(token, owner, scopes))


def _shared_server(server: SharedServer, surface: Surface) -> SharedServerModel:
    addresses, whose = surface.hub.addresses, (server.owner, server.name)
    url, full = addresses.server_url(*whose), addresses.full_server_url(*whose) or None
    return SharedServerModel(user=Name(server.owner), name=server.name, url=url, full_url=full, ready=server.ready)


def share_model(share: Share, surface: Surface) -> ShareModel:
    """Shown in full to whoever may see shares at all."""
    return ShareModel(
        server=_shared_server(share.server, surface),
        scopes=list(share.scopes),
        user=Name(share.to.name) if share.to.kind == "user" else None,
        group=Name(share.to.name) if share.to.kind == "group" else None,
        kind=share.to.kind,
        created_at=iso_of(share.created),
    )


def share_code_fields(code: ShareCode, surface: Surface) -> dict[str, Any]:
    """What ShareCodeModel takes."""
    return {
        "server": _shared_server(code.server, surface),
        "scopes": list(code.scopes),
        "id": f"sc_{code.id}",
        "created_at": iso_of(code.created),
        "expires_at": iso(code.expires_at),
        "exchange_count": code.exchange_count,
        "last_exchanged_at": iso(code.last_exchanged_at),
    }


def share_code_model(code: ShareCode, surface: Surface) -> ShareCodeModel:
    return ShareCodeModel(**share_code_fields(code, surface))
