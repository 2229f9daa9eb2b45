"""People, groups, roles and services."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from perijove.domain.page import Page
from perijove.domain.server import UserId
from perijove.domain.service_life import ServiceHealth, ServiceRun, ServiceState
from perijove.domain.user import Group, Service, User


@dataclass(frozen=True, slots=True, kw_only=True)
class Visible:
    """Limits a list to what the asker may see: all, or these users and members of these groups."""

    all: bool = True
    users: frozenset[str] = field(default_factory=frozenset)
    groups: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserQuery:
    """`state`: "active" (some server not at rest), "ready" (some server ready), "inactive" (all at rest). `sort`: "id", "name" or
    "last_activity", with "-" before it for descending. `search` is a case-insensitive substring of the name."""

    offset: int = 0
    limit: int = 200
    sort: str = "id"
    search: str = ""
    state: str | None = None
    visible: Visible = field(default_factory=Visible)


class Users(Protocol):
    def get(self, name: str) -> User | None: ...
    def by_id(self, user_id: UserId) -> User | None: ...

    def by_identity(self, issuer: str, subject: str) -> User | None: ...

    def link_identity(self, user_id: UserId, issuer: str, subject: str) -> None:
        """Raises ConflictError if the identity belongs to somebody else."""
        ...

    def has_identity(self, user_id: UserId, issuer: str) -> bool: ...

    def add(self, name: str, *, admin: bool = False, now: datetime) -> User:
        """Raises ConflictError if the name is taken. Every writer here adds a USER notice, but for `touch` and `set_auth_state`
        (more than 100 people at once: one with the key "*")."""
        ...

    def add_missing(self, names: Sequence[str], *, admin: bool = False, now: datetime) -> list[User]:
        """Add those that do not exist, in few statements; returns the added."""
        ...

    def save(self, user: User, *, was: str | None = None) -> User:
        """Write name, admin, blocked, display_name, user_info of the row with this id. `was`: the former name if renamed."""
        ...

    def delete(self, user_id: UserId) -> None:
        """With identities, password, sessions, tokens, memberships and role assignments. Servers must be gone: raises ConflictError."""
        ...

    def page(self, query: UserQuery) -> Page[User]: ...

    def names(self) -> list[str]:
        """Everybody's: for what is rare and needs them all."""
        ...

    def count(self) -> int: ...
    def count_active_since(self, moment: datetime) -> int: ...

    def touch(self, user_id: UserId, at: datetime) -> None:
        """Move last_activity forward. No notice."""
        ...

    def touch_all(self, activity: Mapping[UserId, datetime]) -> None:
        """Move many people's last_activity forward in one statement. People whom another transaction is just changing may be left out."""
        ...

    def set_groups(self, user_id: UserId, groups: frozenset[str], now: datetime) -> None:
        """Make the memberships exactly these; groups are created as needed."""
        ...

    def set_auth_state(self, user_id: UserId, sealed: bytes | None) -> None: ...
    def auth_state(self, user_id: UserId) -> bytes | None: ...

    def auth_states(self, after: UserId, limit: int) -> list[tuple[UserId, bytes]]:
        """Of the next people by id."""
        ...

    def drop_auth_states(self) -> int:
        """All of them; returns how many there were."""
        ...


class Groups(Protocol):
    def get(self, name: str) -> Group | None: ...
    def add(self, name: str, *, now: datetime) -> Group:
        """Raises ConflictError."""
        ...

    def delete(self, name: str, *, now: datetime) -> None: ...
    def add_users(self, name: str, users: Sequence[str], *, now: datetime) -> None:
        """Raises NotFoundError for a group or user that does not exist."""
        ...

    def remove_users(self, name: str, users: Sequence[str], *, now: datetime) -> None:
        """Raises NotFoundError for a group that does not exist; people who are no members stay so."""
        ...

    def set_properties(self, name: str, properties: Mapping[str, Any], *, now: datetime) -> None: ...
    def page(self, offset: int, limit: int, *, names: frozenset[str] | None = None) -> Page[Group]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRole:
    name: str
    description: str = ""
    scopes: tuple[str, ...] = ()
    managed: bool = False
    """The authenticator declares it, not the configuration."""


class Roles(Protocol):
    def all(self) -> dict[str, StoredRole]: ...

    def put(self, role: StoredRole, *, now: datetime) -> None:
        """Add or replace its description and scopes."""
        ...

    def delete(self, name: str, *, now: datetime) -> None: ...

    def assign(self, role: str, kind: str, name: str, *, now: datetime) -> None:
        """To kind "user", "group" or "service". Raises NotFoundError if either is unknown; no-op if it has it. A user's that the
        authenticator gave stays from here on, whatever that says."""
        ...

    def revoke(self, role: str, kind: str, name: str, *, now: datetime) -> None: ...

    def set_managed(self, user: User, roles: frozenset[str], *, now: datetime) -> bool:
        """Make those that the authenticator gave the user exactly these; what was assigned otherwise stays. All must exist. True if
        anything changed."""
        ...

    def managed_of(self, user_id: UserId) -> frozenset[str]:
        """The roles that the authenticator gave a person."""
        ...

    def managed_holders(self, role: str) -> list[str]:
        """The people to whom the authenticator gave it."""
        ...

    def forget_managed(self, role: str, *, but: Collection[str] = (), now: datetime) -> None:
        """Take a role back from those people to whom the authenticator gave it, `but` for these."""
        ...

    def holders(self, role: str) -> dict[str, list[str]]:
        """kind -> names that hold it directly."""
        ...

    def of_groups(self, groups: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """group -> its roles."""
        ...


class Services(Protocol):
    def get(self, name: str) -> Service | None: ...
    def by_id(self, service_id: int) -> Service | None: ...
    def put(self, service: Service, *, now: datetime) -> Service:
        """Add, or replace the one of this name (its id is kept; `service.id` is ignored)."""
        ...

    def delete(self, name: str, *, now: datetime) -> None: ...
    def all(self) -> list[Service]: ...


class ServiceStates(Protocol):
    """How services are. Run and health are written by different hands, so by themselves; none of it is announced."""

    def get(self, service_id: int) -> ServiceState:
        """One of which nothing is recorded has the defaults."""
        ...

    def all(self) -> dict[int, ServiceState]:
        """Those of which anything is recorded, by service id."""
        ...

    def save_run(self, service_id: int, run: ServiceRun) -> None:
        """Nothing happens if the service is gone."""
        ...

    def save_health(self, service_id: int, health: ServiceHealth) -> None:
        """Nothing happens if the service is gone."""
        ...

    def ask_restart(self, service_id: int) -> None: ...
