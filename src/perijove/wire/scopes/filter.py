"""How far a scope reaches: everything, or these users, groups, servers and services."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from msgspec import Struct

Kind = Literal["user", "group", "server", "service"]
Names: TypeAlias = frozenset[str]
Memberships: TypeAlias = Mapping[str, AbstractSet[str]]
"""User name -> the groups the user is in. Who is missing counts as being in none."""

_NONE: Final[Names] = frozenset()
NO_MEMBERSHIPS: Final[Memberships] = MappingProxyType({})


class Filter(Struct, frozen=True, kw_only=True):
    """What a list must be limited to. With `all` there is no limit and the sets are empty; without, nothing else is in reach.

    `users` reach also their servers, `groups` their members and the members' servers. `servers` are USER/SERVER. False when
    nothing at all is in reach.
    """

    all: bool = False
    users: Names = _NONE
    groups: Names = _NONE
    servers: Names = _NONE
    services: Names = _NONE

    def __bool__(self) -> bool:
        return self.all or bool(self.users or self.groups or self.servers or self.services)

    def __or__(self, other: "Filter") -> "Filter":
        if self is other:
            return self
        if self.all or other.all:
            return EVERYTHING
        return Filter(
            users=self.users | other.users,
            groups=self.groups | other.groups,
            servers=self.servers | other.servers,
            services=self.services | other.services,
        )

    def without_servers(self) -> "Filter":
        return Filter(all=self.all, users=self.users, groups=self.groups, services=self.services) if self.servers else self

    def intersection(self, other: "Filter", memberships: Memberships = NO_MEMBERSHIPS) -> "Filter":
        """What is in reach of both. Two different groups count as disjoint even if they share members, for there is no way
        to write "in both groups": the result may be less than the truth, never more."""
        if self.all or self is other:
            return other
        if other.all:
            return self
        return Filter(
            users=self.users & other.users | _members(self.users, other.groups, memberships) | _members(other.users, self.groups, memberships),
            groups=self.groups & other.groups,
            servers=self.servers & other.servers | _owned(self.servers, other, memberships) | _owned(other.servers, self, memberships),
            services=self.services & other.services,
        )

    def includes(self, other: "Filter") -> bool:
        """Whether every name of `other` is among these names; who owns or belongs to what is left aside."""
        return self.all or (
            not other.all
            and other.users <= self.users
            and other.groups <= self.groups
            and other.servers <= self.servers
            and other.services <= self.services
        )

    def undecided(self, other: "Filter") -> Names:
        """The users whose groups decide the intersection with `other`."""
        if self.all or other.all or self is other:
            return _NONE
        found: set[str] = set()
        for mine, theirs in ((self, other), (other, self)):
            if theirs.groups:
                found |= mine.users - theirs.users
                found.update(owner for server in mine.servers - theirs.servers if (owner := owner_of(server)) not in theirs.users)
        return frozenset(found)

    def kinds(self) -> frozenset[Kind]:
        """The kinds it is limited by."""
        held: tuple[tuple[Kind, Names], ...] = (
            ("user", self.users),
            ("group", self.groups),
            ("server", self.servers),
            ("service", self.services),
        )
        return frozenset(kind for kind, names in held if names)

    def texts(self, name: str) -> list[str]:
        """The scope `name` with this reach, as text."""
        if self.all:
            return [name]
        return [
            *(f"{name}!user={value}" for value in self.users),
            *(f"{name}!group={value}" for value in self.groups),
            *(f"{name}!server={value}" for value in self.servers),
            *(f"{name}!service={value}" for value in self.services),
        ]


EVERYTHING: Final = Filter(all=True)
NOTHING: Final = Filter()


def owner_of(server: str) -> str:
    """The user of USER/SERVER."""
    return server.partition("/")[0]


def _members(users: Names, groups: Names, memberships: Memberships) -> Names:
    if not users or not groups:
        return _NONE
    return frozenset(user for user in users if not groups.isdisjoint(memberships.get(user, _NONE)))


def _owned(servers: Names, by: Filter, memberships: Memberships) -> Names:
    if not servers or not (by.users or by.groups):
        return _NONE
    return frozenset(
        server for server in servers if (owner := owner_of(server)) in by.users or not by.groups.isdisjoint(memberships.get(owner, _NONE))
    )
