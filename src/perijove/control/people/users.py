"""People: look them up, list them, add, rename, promote, block and delete them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from msgspec import UNSET, UnsetType

from perijove.control.context import Hub
from perijove.control.people.hosting import check_hosts
from perijove.domain.errors import BadInputError, ConflictError, NotFoundError
from perijove.domain.page import Page
from perijove.domain.server import Server
from perijove.domain.user import User
from perijove.ports.observer import AuditEvent
from perijove.ports.store.access import UserQuery
from perijove.ports.store.store import Tx
from perijove.wire.names import BadNameError, UserName, parse_user_name


@dataclass(frozen=True, slots=True)
class Person:
    """A user and the servers they have, the default one first."""

    user: User
    servers: tuple[Server, ...]


def checked_name(text: str) -> UserName:
    """Raises BadInputError."""
    try:
        return parse_user_name(text)
    except BadNameError as error:
        raise BadInputError(f"{text!r} cannot be a user name.", str(error)) from None


async def find_person(hub: Hub, name: str) -> Person | None:
    """By name, as recorded."""

    def query(tx: Tx) -> Person | None:
        user = tx.users.get(name)
        return None if user is None else Person(user, tuple(tx.servers.of_users([user.id]).get(user.id, ())))

    return await hub.store.read(query)


async def get_person(hub: Hub, name: str) -> Person:
    """Raises NotFoundError."""
    person = await find_person(hub, name)
    if person is None:
        raise NotFoundError("No access to resources or resources not found", f"There is no user {name!r}.")
    return person


async def list_people(hub: Hub, query: UserQuery) -> Page[Person]:
    """A page of people with their servers, in two queries."""

    def read(tx: Tx) -> Page[Person]:
        page = tx.users.page(query)
        servers = tx.servers.of_users([user.id for user in page.items])
        return Page(tuple(Person(user, tuple(servers.get(user.id, ()))) for user in page.items), page.offset, page.limit, page.total)

    return await hub.store.read(read)


async def add_people(hub: Hub, names: Sequence[str], *, admin: bool, actor: str) -> list[User]:
    """Add those that do not exist yet. Raises BadInputError naming every bad name, ConflictError if all exist."""
    parsed, mistakes = [], []
    for name in names:
        try:
            parsed.append(parse_user_name(name))
        except BadNameError as error:
            mistakes.append(f"{name!r}: {error}")
    if mistakes:
        raise BadInputError(f"Invalid usernames: {' '.join(mistakes)}")
    if not parsed:
        raise BadInputError("Name at least one user.")
    now = hub.clock.now()
    wanted = list(dict.fromkeys(parsed))

    def change(tx: Tx) -> tuple[list[User], list[AuditEvent]]:
        added = tx.users.add_missing(wanted, admin=admin, now=now)
        if not added:
            raise ConflictError(f"User {wanted[0]} already exists" if len(wanted) == 1 else f"All {len(wanted)} users already exist")
        check_hosts(tx, hub, [user.name for user in added])
        events = [AuditEvent(action="user.added", at=now, actor=actor, target=user.name, detail={"admin": admin}) for user in added]
        for event in events:
            tx.audit.add(event)
        return added, events

    added, events = await hub.store.write(change)
    for event in events:
        hub.audit(event)
    return added


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChange:
    """What to change; None leaves it. `auth_state` is sealed by the caller; None clears it."""

    name: str | None = None
    admin: bool | None = None
    groups: frozenset[str] | None = None
    roles: frozenset[str] | None = None
    display_name: str | None = None
    auth_state: bytes | UnsetType | None = UNSET


async def change_user(hub: Hub, name: str, change: UserChange, *, actor: str) -> Person:
    """Raises NotFoundError, BadInputError (name taken or bad), ConflictError (renaming while a server exists)."""
    now = hub.clock.now()
    new_name = checked_name(change.name) if change.name is not None else None

    def write(tx: Tx) -> tuple[Person, AuditEvent]:
        user = tx.users.get(name)
        if user is None:
            raise NotFoundError("No access to resources or resources not found")
        servers = tx.servers.of_users([user.id]).get(user.id, [])
        if new_name is not None and new_name != user.name:
            if tx.users.get(new_name) is not None:
                raise BadInputError(f"User {new_name} already exists, username must be unique")
            if any(not server.stopped for server in servers):
                raise ConflictError(f"{user.name} has a running server.", "Stop it, then rename the user.")
        saved = tx.users.save(
            replace(
                user,
                name=new_name or user.name,
                admin=user.admin if change.admin is None else change.admin,
                display_name=user.display_name if change.display_name is None else change.display_name,
            ),
            was=user.name if new_name is not None and new_name != user.name else None,
        )
        if saved.name != user.name:
            check_hosts(tx, hub, [saved.name])
        if change.groups is not None:
            tx.users.set_groups(user.id, change.groups, now)
        if change.auth_state is not UNSET:
            tx.users.set_auth_state(user.id, change.auth_state)
        if change.roles is not None:
            _set_roles(tx, saved, change.roles, hub)
        detail: dict[str, object] = {key: value for key, value in (("renamed", new_name), ("admin", change.admin)) if value is not None}
        if change.groups is not None:
            detail["groups"] = sorted(change.groups)
        if change.roles is not None:
            detail["roles"] = sorted(change.roles)
        if change.auth_state is not UNSET:
            detail["auth_state"] = "cleared" if change.auth_state is None else "set"
        event = AuditEvent(action="user.changed", at=now, actor=actor, target=name, detail=detail)
        tx.audit.add(event)
        fresh = tx.users.by_id(user.id) or saved
        return Person(fresh, tuple(tx.servers.of_users([user.id]).get(user.id, ()))), event

    person, event = await hub.store.write(write)
    hub.audit(event)
    return person


def _set_roles(tx: Tx, user: User, roles: frozenset[str], hub: Hub) -> None:
    now, known = hub.clock.now(), tx.roles.all()
    for role in sorted(roles - set(user.roles) - {"user", "admin"}):
        if role not in known:
            raise BadInputError(f"There is no role {role!r}.")
        tx.roles.assign(role, "user", user.name, now=now)
    for role in sorted(set(user.roles) - roles):
        tx.roles.revoke(role, "user", user.name, now=now)


async def delete_user_row(hub: Hub, name: str, *, actor: str) -> None:
    """Delete a person whose servers are gone. Raises NotFoundError, ConflictError while a server is left."""
    now = hub.clock.now()
    event = AuditEvent(action="user.deleted", at=now, actor=actor, target=name)

    def write(tx: Tx) -> None:
        user = tx.users.get(name)
        if user is None:
            raise NotFoundError("No access to resources or resources not found")
        tx.tokens.delete_of_user(user.id, at=now)
        tx.sessions.delete_of_user(user.id, at=now)
        tx.users.delete(user.id)
        tx.audit.add(event)

    await hub.store.write(write)
    hub.audit(event)
