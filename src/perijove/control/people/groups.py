"""Groups and services: look up, list, change."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from perijove.control.context import Hub
from perijove.domain.errors import BadInputError, NotFoundError
from perijove.domain.page import Page
from perijove.domain.user import Group, Service
from perijove.ports.observer import AuditEvent
from perijove.ports.store.store import Tx
from perijove.wire.names import BadNameError, parse_user_name

T = TypeVar("T")
MISSING = "No access to resources or resources not found"


async def get_group(hub: Hub, name: str) -> Group:
    """Raises NotFoundError."""
    group = await hub.store.read(lambda tx: tx.groups.get(name))
    if group is None:
        raise NotFoundError(MISSING, f"There is no group {name!r}.")
    return group


async def group_exists(hub: Hub, name: str) -> bool:
    return await hub.store.read(lambda tx: tx.groups.get(name)) is not None


async def list_groups(hub: Hub, offset: int, limit: int, names: frozenset[str] | None) -> Page[Group]:
    """`names` None: all."""
    return await hub.store.read(lambda tx: tx.groups.page(offset, limit, names=names))


async def add_groups(hub: Hub, names: Sequence[str], users: Sequence[str], *, actor: str) -> list[Group]:
    """Raises BadInputError (bad name, unknown user), ConflictError."""
    for name in names:
        if not name.strip() or "/" in name or len(name) > 255:
            raise BadInputError(f"{name!r} cannot name a group.", "Use 1 to 255 characters without '/'.")

    def change(tx: Tx) -> list[Group]:
        now = hub.clock.now()
        for name in names:
            tx.groups.add(name, now=now)
            _add_users(tx, hub, name, users)
        return [group for name in names if (group := tx.groups.get(name)) is not None]

    return await _change(hub, change, "group.added", ", ".join(names), actor)


async def delete_group(hub: Hub, name: str, *, actor: str) -> None:
    """Raises NotFoundError."""

    def change(tx: Tx) -> None:
        _need(tx, name)
        tx.groups.delete(name, now=hub.clock.now())

    await _change(hub, change, "group.deleted", name, actor)


async def change_members(hub: Hub, name: str, users: Sequence[str], *, add: bool, actor: str) -> Group:
    """Raises NotFoundError, BadInputError for an unknown user."""

    def change(tx: Tx) -> Group:
        _need(tx, name)
        if add:
            _add_users(tx, hub, name, users)
        else:
            tx.groups.remove_users(name, _existing(tx, users), now=hub.clock.now())
        return _need(tx, name)

    return await _change(hub, change, "group.members", name, actor, {"added" if add else "removed": list(users)})


async def set_properties(hub: Hub, name: str, properties: Mapping[str, Any], *, actor: str) -> Group:
    """Raises NotFoundError."""

    def change(tx: Tx) -> Group:
        _need(tx, name)
        tx.groups.set_properties(name, properties, now=hub.clock.now())
        return _need(tx, name)

    return await _change(hub, change, "group.properties", name, actor)


async def list_services(hub: Hub) -> list[Service]:
    return await hub.store.read(lambda tx: tx.services.all())


async def find_service(hub: Hub, name: str) -> Service | None:
    return await hub.store.read(lambda tx: tx.services.get(name))


def _need(tx: Tx, name: str) -> Group:
    group = tx.groups.get(name)
    if group is None:
        raise NotFoundError(MISSING, f"There is no group {name!r}.")
    return group


def _add_users(tx: Tx, hub: Hub, group: str, users: Sequence[str]) -> None:
    if users:
        tx.groups.add_users(group, _existing(tx, users), now=hub.clock.now())


def _existing(tx: Tx, users: Sequence[str]) -> list[str]:
    """The names as recorded, which may be written otherwise than as people sign in ("Ada" for "ada"). Raises BadInputError."""
    found: list[str] = []
    for user in users:
        try:
            name = parse_user_name(user)
        except BadNameError:
            raise BadInputError(f"No such user: {user}") from None
        if tx.users.get(name) is None:
            raise BadInputError(f"No such user: {user}")
        found.append(name)
    return found


async def _change(hub: Hub, change: Callable[[Tx], T], action: str, target: str, actor: str, detail: Mapping[str, Any] | None = None) -> T:
    event = AuditEvent(action=action, at=hub.clock.now(), actor=actor, target=target, detail=detail or {})

    def write(tx: Tx) -> T:
        result = change(tx)
        tx.audit.add(event)
        return result

    result = await hub.store.write(write)
    hub.audit(event)
    return result
