"""The scopes somebody holds, expanded and reduced, ready to be asked on every request."""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from perijove.wire.scopes.filter import EVERYTHING, NO_MEMBERSHIPS, NOTHING, Filter, Kind, Memberships
from perijove.wire.scopes.text import ScopeError, split_scope

_NO_GROUPS: Final[frozenset[str]] = frozenset()


class Scopes:
    """An immutable, hashable set of expanded scopes: scope name -> how far it reaches. Make it with `Catalog.expand`.

    Unlimited swallows limited, and equal sets compare equal however they came about.
    """

    __slots__ = ("_hash", "_held", "_names")

    def __init__(self, held: Mapping[str, Filter]) -> None:
        self._held = {name: reach for name, reach in held.items() if reach}
        self._hash: int | None = None
        self._names: tuple[str, ...] | None = None

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Scopes":
        """From scopes that are expanded already (as `sorted_names` gives them). Raises ScopeError at shortcuts and bad filters."""
        return cls(pile(texts))

    def allows(
        self,
        name: str,
        *,
        user: str | None = None,
        server: str | None = None,
        group: str | None = None,
        service: str | None = None,
        groups: AbstractSet[str] = _NO_GROUPS,
    ) -> bool:
        """Whether `name` is held for one target: a user, a server (`user` and `server`; "" is the default server), a group or
        a service; without a target, for everything. `groups` are those of `user`. The hot path: about half a microsecond."""
        reach = self._held.get(name)
        if reach is None:
            return False
        if reach.all:
            return True
        if user is not None:
            return user in reach.users or (server is not None and f"{user}/{server}" in reach.servers) or not reach.groups.isdisjoint(groups)
        if group is not None:
            return group in reach.groups
        return service is not None and service in reach.services

    def asks_groups(self, name: str, *, user: str, server: str | None = None) -> bool:
        """Whether the groups of `user` must be known to answer `allows`: saves looking them up."""
        reach = self._held.get(name)
        return reach is not None and bool(reach.groups) and not self.allows(name, user=user, server=server)

    def covers(self, text: str, groups: AbstractSet[str] = _NO_GROUPS) -> bool:
        """Whether an expanded scope NAME or NAME!KIND=VALUE is held; `groups` are those of the user it names, if any."""
        scope = split_scope(text)
        if scope.kind is None:
            return self.allows(scope.name)
        if scope.value is None:
            raise ScopeError([f"{text!r} must be expanded before it can be compared."])
        if scope.kind == "server":
            user, _, server = scope.value.partition("/")
            return self.allows(scope.name, user=user, server=server, groups=groups)
        if scope.kind == "user":
            return self.allows(scope.name, user=scope.value, groups=groups)
        if scope.kind == "group":
            return self.allows(scope.name, group=scope.value)
        return self.allows(scope.name, service=scope.value)

    def filter_for(self, name: str) -> Filter:
        """How far `name` reaches, for list queries; false if it is not held at all."""
        return self._held.get(name, NOTHING)

    def sorted_names(self) -> list[str]:
        """All as text, the `scopes` field of JupyterHub's models."""
        if self._names is None:
            self._names = tuple(sorted(self))
        return list(self._names)

    def intersection(self, other: "Scopes", memberships: Memberships = NO_MEMBERSHIPS) -> "Scopes":
        """What both hold. `memberships` must know the users named by `undecided`, or the result is smaller than it could be."""
        if self is other:
            return self
        theirs = other._held  # noqa: SLF001 - another one of us
        return Scopes({name: mine.intersection(theirs[name], memberships) for name, mine in self._held.items() if name in theirs})

    def undecided(self, other: "Scopes") -> frozenset[str]:
        """The users whose groups must be known for `intersection`; nearly always none."""
        theirs = other._held  # noqa: SLF001 - another one of us
        return frozenset().union(*(mine.undecided(theirs[name]) for name, mine in self._held.items() if name in theirs))

    def excess(self, other: "Scopes", memberships: Memberships = NO_MEMBERSHIPS) -> list[str]:
        """What of this, as sorted text, goes beyond `other`."""
        common = self.intersection(other, memberships)
        return sorted(set(self) - set(common))

    def within(self, other: "Scopes", memberships: Memberships = NO_MEMBERSHIPS) -> bool:
        """Whether `other` holds all of this."""
        common = self.intersection(other, memberships)._held  # noqa: SLF001 - another one of us
        return all(name in common and common[name].includes(reach) for name, reach in self._held.items())

    def __or__(self, other: "Scopes") -> "Scopes":
        if not other._held:
            return self
        if not self._held:
            return other
        held = dict(self._held)
        for name, reach in other._held.items():
            held[name] = held[name] | reach if name in held else reach
        return Scopes(held)

    def __iter__(self) -> Iterator[str]:
        for name, reach in self._held.items():
            yield from reach.texts(name)

    def __bool__(self) -> bool:
        return bool(self._held)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scopes) and self._held == other._held

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(self._held.items()))
        return self._hash

    def __repr__(self) -> str:
        return f"Scopes({', '.join(self.sorted_names())})"


NO_SCOPES: Final = Scopes({})


class Gathering:
    """Collects single filters of one scope: a role may name thousands of users, and joining sets one by one is quadratic."""

    __slots__ = ("_all", "_names")

    def __init__(self) -> None:
        self._all = False
        self._names: dict[str, set[str]] = {}

    def everything(self) -> None:
        self._all = True

    def add(self, kind: Kind, value: str) -> None:
        names = self._names.get(kind)
        if names is None:
            self._names[kind] = {value}
        else:
            names.add(value)

    def filter(self) -> Filter:
        if self._all:
            return EVERYTHING
        names = self._names
        return Filter(
            users=frozenset(names.get("user", ())),
            groups=frozenset(names.get("group", ())),
            servers=frozenset(names.get("server", ())),
            services=frozenset(names.get("service", ())),
        )


def pile(texts: Iterable[str]) -> dict[str, Filter]:
    """Expanded scopes by name. Raises ScopeError."""
    gathered: dict[str, Gathering] = {}
    for text in texts:
        scope = split_scope(text)
        gathering = gathered.setdefault(scope.name, Gathering())
        if scope.kind is None:
            gathering.everything()
        elif scope.value is not None:
            gathering.add(scope.kind, scope.value)
        else:
            raise ScopeError([f"{text!r} does not say which {scope.kind}: a shortcut must be expanded first."])
    return {name: gathering.filter() for name, gathering in gathered.items()}
