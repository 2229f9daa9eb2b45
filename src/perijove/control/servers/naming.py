"""Servers as things with a name: look one up, make one without starting it, rename it, change its options."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from perijove.control.context import Hub
from perijove.control.servers.choosing import checked_options
from perijove.domain.errors import BadInputError, ConflictError, NotFoundError
from perijove.domain.server import Server, ServerId
from perijove.domain.user import User
from perijove.ports.observer import AuditEvent
from perijove.ports.store.store import Tx
from perijove.wire.names import BadNameError, ServerName, parse_server_name

MISSING = "No access to resources or resources not found"
MAX_DISPLAY_NAME = 255


def checked_server_name(hub: Hub, text: str) -> ServerName:
    """Raises BadInputError, also where named servers are switched off."""
    try:
        name = parse_server_name(text)
    except BadNameError as error:
        raise BadInputError(str(error)) from None
    if name and not hub.settings.limits.named_servers:
        raise BadInputError("Named servers are not enabled.", "An administrator can allow them: named_servers in [limits].")
    return name


def checked_display_name(text: str) -> str:
    """1 to 255 printable characters, single inner spaces (JupyterHub's rule). Raises BadInputError."""
    name = unicodedata.normalize("NFC", text)
    if not 1 <= len(name) <= MAX_DISPLAY_NAME or not name.isprintable() or name != " ".join(name.split()):
        raise BadInputError(f"A display name has 1 to {MAX_DISPLAY_NAME} printable characters, without double or outer spaces.")
    return name


async def find_server(hub: Hub, user: str, name: str) -> Server | None:
    return await hub.store.read(lambda tx: tx.servers.find(user, name))


async def get_server(hub: Hub, user: str, name: str) -> Server:
    """Everybody has a default server, which is stopped until it is started for the first time. Raises NotFoundError."""

    def query(tx: Tx) -> Server | None:
        server = tx.servers.find(user, name)
        owner = None if server is not None or name else tx.users.get(user)
        return server if owner is None else unstarted(owner)

    server = await hub.store.read(query)
    if server is None:
        raise NotFoundError(MISSING, f"{user} has no server {name!r}." if name else f"There is no user {user!r}.")
    return server


def unstarted(owner: User) -> Server:
    """The default server of somebody who never started it; it has no row yet."""
    return Server(id=ServerId(0), user_id=owner.id, user_name=owner.name, name=ServerName(""))


async def create_server(hub: Hub, user: str, name: str, *, display_name: str | None, options: Mapping[str, Any] | None, actor: str) -> Server:
    """A named server that is stopped. Raises BadInputError, ConflictError (also for the default server), NotFoundError."""
    parsed = checked_server_name(hub, name)
    if not parsed:
        await get_server(hub, user, "")
        raise ConflictError("The default server is there already.", "Name the server to create.")
    shown = checked_display_name(display_name) if display_name else ""
    checked = await checked_options(hub, user, options or {})
    now = hub.clock.now()
    event = AuditEvent(action="server.created", at=now, actor=actor, target=f"{user}/{name}")

    def write(tx: Tx) -> Server:
        owner = tx.users.get(user)
        if owner is None:
            raise NotFoundError(MISSING)
        most = hub.settings.limits.named_servers_per_user
        named = [server for server in tx.servers.of_users([owner.id]).get(owner.id, []) if server.name]
        if most and len(named) >= most:
            raise BadInputError(f"{user} already has {len(named)} named servers, the most one may have here.", "Delete one first.")
        server = tx.servers.add(owner.id, parsed, display_name=shown, now=now)
        tx.audit.add(event)
        return tx.servers.save(replace(server, options=checked)) if checked else server

    server = await hub.store.write(write)
    hub.audit(event)
    return server


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerChange:
    """None leaves it."""

    name: str | None = None
    display_name: str | None = None
    options: Mapping[str, Any] | None = None


async def change_server(hub: Hub, user: str, name: str, change: ServerChange, *, actor: str) -> Server:
    """Only a stopped server can be changed. Raises NotFoundError, BadInputError, ConflictError (name taken)."""
    new_name = checked_server_name(hub, change.name) if change.name is not None else None
    if new_name == "" or (new_name is not None and not name):
        raise BadInputError("The default server cannot be renamed.")
    shown = checked_display_name(change.display_name) if change.display_name else change.display_name
    options = None if change.options is None else await checked_options(hub, user, change.options)
    event = AuditEvent(action="server.changed", at=hub.clock.now(), actor=actor, target=f"{user}/{name}")

    def write(tx: Tx) -> Server:
        server = tx.servers.find(user, name)
        if server is None and not name and (owner := tx.users.get(user)) is not None:
            server = tx.servers.add(owner.id, ServerName(""), now=hub.clock.now())
        if server is None:
            raise NotFoundError(MISSING)
        if not server.stopped:
            raise BadInputError(f"{server.full_name} is running or on its way.", "Stop it, then change it.")
        if new_name is not None and new_name != server.name:
            if tx.servers.find(user, new_name) is not None:
                raise ConflictError(f"{user} already has a server named {new_name!r}.")
            server = tx.servers.rename(server, new_name)
        tx.audit.add(event)
        return tx.servers.save(
            replace(server, display_name=server.display_name if shown is None else shown, options=server.options if options is None else options)
        )

    server = await hub.store.write(write)
    hub.audit(event)
    return server
