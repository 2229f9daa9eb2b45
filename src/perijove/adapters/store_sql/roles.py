"""Roles, and who holds them directly."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Table, Text, delete, literal_column, select, update

from perijove.adapters.store_sql.link import Link
from perijove.adapters.store_sql.rows import strings, to_json
from perijove.adapters.store_sql.schema import GROUP_ROLES, GROUPS, ROLES, SERVICE_ROLES, SERVICES, USER_ROLES, USERS
from perijove.adapters.store_sql.statement import Statement, equals
from perijove.domain.change import Topic
from perijove.domain.errors import NotFoundError
from perijove.domain.server import UserId
from perijove.domain.user import User
from perijove.ports.store.access import StoredRole


class _Kind:
    """The statements about one kind of holder."""

    def __init__(self, topic: Topic, owners: Table, held: Table) -> None:
        self.topic = topic
        owner = held.c[0]
        self.id = Statement(select(owners.c.id).where(equals(owners.c.name, "key")))
        self.assign = Statement(lambda speech: speech.insert_missing(held, owner.name, "role", keys=(owner.name, "role")).returning(owner))
        self.revoke = Statement(delete(held).where(owner.in_(select(owners.c.id).where(equals(owners.c.name, "key"))), equals(held.c.role, "held")))
        self.holders = Statement(select(owners.c.name).where(equals(held.c.role, "key"), owner == owners.c.id).order_by(owners.c.name))


_KINDS: Final = {
    "user": _Kind(Topic.USER, USERS, USER_ROLES),
    "group": _Kind(Topic.GROUP, GROUPS, GROUP_ROLES),
    "service": _Kind(Topic.SERVICE, SERVICES, SERVICE_ROLES),
}
_ALL = Statement(select(ROLES.c.name, ROLES.c.description, ROLES.c.scopes, ROLES.c.managed).order_by(ROLES.c.name))
_EXISTS = Statement(select(ROLES.c.name).where(equals(ROLES.c.name, "key")))
_CONTENT = ("description", "scopes", "managed")
_PUT = Statement(lambda speech: speech.upsert(ROLES, "name", *_CONTENT, keys=("name",), update=_CONTENT))
_MANAGE = Statement(lambda speech: speech.insert_missing(USER_ROLES, "user_id", "role", "managed", keys=("user_id", "role")))
_MANAGED = Statement(select(USER_ROLES.c.role).where(equals(USER_ROLES.c.user_id, "key"), USER_ROLES.c.managed).order_by(USER_ROLES.c.role))
_BY_HAND = Statement(
    update(USER_ROLES).where(equals(USER_ROLES.c.user_id, "key"), equals(USER_ROLES.c.role, "held")).values(managed=literal_column("false"))
)
_UNMANAGE = Statement(delete(USER_ROLES).where(equals(USER_ROLES.c.user_id, "key"), equals(USER_ROLES.c.role, "held"), USER_ROLES.c.managed))
_MANAGED_HOLDERS = Statement(
    select(USERS.c.id, USERS.c.name).where(equals(USER_ROLES.c.role, "key"), USER_ROLES.c.managed, USER_ROLES.c.user_id == USERS.c.id)
)
_DELETE = Statement(delete(ROLES).where(equals(ROLES.c.name, "key")))
_OF_GROUPS = Statement(
    lambda speech: (
        select(GROUPS.c.name, GROUP_ROLES.c.role)
        .where(GROUPS.c.name.in_(speech.listed("names", Text())), GROUP_ROLES.c.group_id == GROUPS.c.id)
        .order_by(GROUPS.c.name, GROUP_ROLES.c.role)
    )
)


class SqlRoles:
    """Implements ports.store.Roles."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def all(self) -> dict[str, StoredRole]:
        return {
            name: StoredRole(name=name, description=text, scopes=strings(scopes), managed=bool(managed))
            for name, text, scopes, managed in self._link.rows(_ALL)
        }

    def put(self, role: StoredRole, *, now: datetime) -> None:
        self._link.run(_PUT, name=role.name, description=role.description, scopes=to_json(role.scopes), managed=role.managed)
        self._link.announce(Topic.ROLE, role.name, at=now)

    def delete(self, name: str, *, now: datetime) -> None:
        if self._link.run(_DELETE, key=name):
            self._link.announce(Topic.ROLE, name, at=now)

    def assign(self, role: str, kind: str, name: str, *, now: datetime) -> None:
        about = _kind(kind)
        if self._link.row(_EXISTS, key=role) is None:
            raise NotFoundError(f"There is no role {role!r}.")
        owner = self._link.row(about.id, key=name)
        if owner is None:
            raise NotFoundError(f"There is no {kind} {name!r}.")
        if self._link.returned(about.assign, **{f"{kind}_id": owner[0], "role": role}):
            self._link.announce(about.topic, name, at=now)
        elif kind == "user":
            self._link.run(_BY_HAND, key=owner[0], held=role)

    def revoke(self, role: str, kind: str, name: str, *, now: datetime) -> None:
        about = _kind(kind)
        if self._link.run(about.revoke, key=name, held=role):
            self._link.announce(about.topic, name, at=now)

    def set_managed(self, user: User, roles: frozenset[str], *, now: datetime) -> bool:
        had = self.managed_of(user.id)
        changed = 0
        for role in sorted(roles - had - set(user.roles)):
            changed += self._link.run(_MANAGE, user_id=user.id, role=role, managed=True)
        for role in sorted(had - roles):
            changed += self._link.run(_UNMANAGE, key=user.id, held=role)
        if changed:
            self._link.announce(Topic.USER, user.name, at=now)
        return bool(changed)

    def managed_of(self, user_id: UserId) -> frozenset[str]:
        return frozenset(row[0] for row in self._link.rows(_MANAGED, key=user_id))

    def managed_holders(self, role: str) -> list[str]:
        return [row[1] for row in self._link.rows(_MANAGED_HOLDERS, key=role)]

    def forget_managed(self, role: str, *, but: Collection[str] = (), now: datetime) -> None:
        for user_id, name in self._link.rows(_MANAGED_HOLDERS, key=role):
            if name not in but:
                self._link.run(_UNMANAGE, key=user_id, held=role)
                self._link.announce(Topic.USER, name, at=now)

    def holders(self, role: str) -> dict[str, list[str]]:
        found = {kind: [row[0] for row in self._link.rows(about.holders, key=role)] for kind, about in _KINDS.items()}
        return {kind: names for kind, names in found.items() if names}

    def of_groups(self, groups: Sequence[str]) -> dict[str, tuple[str, ...]]:
        held: dict[str, list[str]] = {}
        for group, role in self._link.rows(_OF_GROUPS, names=to_json(list(groups))):
            held.setdefault(group, []).append(role)
        return {group: tuple(held.get(group, ())) for group in groups}


def _kind(kind: str) -> _Kind:
    try:
        return _KINDS[kind]
    except KeyError:
        raise NotFoundError(f"A role is held by a user, group or service, not by a {kind!r}.") from None
