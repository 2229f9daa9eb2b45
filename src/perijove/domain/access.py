"""The one question asked before anything is done: may this identity use this scope on that resource?"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal

from perijove.domain.errors import ForbiddenError, NotFoundError, NotSignedInError
from perijove.domain.roles import Grant
from perijove.domain.server import ServerId
from perijove.wire.scopes import BUILT_IN, NO_SCOPES, NOTHING, Catalog, Filter, Kind, Owner, Scopes, bind

_NO_GROUPS: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where an identity's scopes come from, for explaining only. `token` has the scopes of the token it came with, as written;
    None if it came with a session."""

    catalog: Catalog
    grants: tuple[Grant, ...]
    token: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who asks: a user or a service, by session or by token. `scopes` are what holds now, the token's limits applied.

    `groups` and `admin` are the owner's. `token_id` is that of the API token, `session_id` the public id of the session, `server_id` the server
    whose own token it is.
    """

    kind: Literal["user", "service"]
    name: str
    admin: bool = False
    groups: frozenset[str] = _NO_GROUPS
    scopes: Scopes = NO_SCOPES
    token_id: int | None = None
    session_id: str | None = None
    server_id: ServerId | None = None
    provenance: Provenance | None = field(default=None, repr=False, compare=False)

    @property
    def owner(self) -> Owner:
        return Owner(self.kind, self.name)

    def self_scopes(self) -> Scopes:
        """Its scopes and those needed to learn who it is: what GET /user works with and shows."""
        return _knowing_itself(self.scopes, self.owner)


@lru_cache(maxsize=10_000)
def _knowing_itself(scopes: Scopes, owner: Owner) -> Scopes:
    """Each server and service asks for it with each visitor's token, over and over."""
    return scopes | Scopes.of(owner.identify_scopes)


@dataclass(frozen=True, slots=True)
class Resource:
    """What is asked for: the hub itself, or one user, server, group or service. Made by the functions below.

    `name` is the user's name for a server. `groups` are those of the user; look them up only if `asks_groups` says so.
    """

    kind: Literal["hub", "user", "server", "group", "service"]
    name: str = ""
    server: str = ""
    groups: AbstractSet[str] = _NO_GROUPS

    def __str__(self) -> str:
        if self.kind == "hub":
            return "the whole hub"
        if self.kind == "server":
            return f"server {self.name}/{self.server}"
        return f"{self.kind} {self.name}"


HUB: Final = Resource("hub")
"""Also stands for "all of them": only an unlimited scope reaches it."""


def user_resource(name: str, groups: AbstractSet[str] = _NO_GROUPS) -> Resource:
    return Resource("user", name, "", groups)


def server_resource(user: str, server: str, groups: AbstractSet[str] = _NO_GROUPS) -> Resource:
    """`server` "" is the default one; `groups` are those of `user`."""
    return Resource("server", user, server, groups)


def group_resource(name: str) -> Resource:
    return Resource("group", name)


def service_resource(name: str) -> Resource:
    return Resource("service", name)


def reaches(scopes: Scopes, scope: str, on: Resource) -> bool:
    """Whether `scope` is held for `on`."""
    kind = on.kind
    if kind == "user":
        return scopes.allows(scope, user=on.name, groups=on.groups)
    if kind == "server":
        return scopes.allows(scope, user=on.name, server=on.server, groups=on.groups)
    if kind == "group":
        return scopes.allows(scope, group=on.name)
    if kind == "service":
        return scopes.allows(scope, service=on.name)
    return scopes.allows(scope)


def asks_groups(scopes: Scopes, needed: Sequence[str], on: Resource) -> bool:
    """Whether the answer hangs on the groups of the user of `on`."""
    if on.kind not in ("user", "server"):
        return False
    server = on.server if on.kind == "server" else None
    return any(scopes.asks_groups(scope, user=on.name, server=server) for scope in needed)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer. True if allowed.

    `hidden`: not allowed, and the asker may not learn whether the resource exists, so the answer is 404. `needed` are the
    scopes of which any one would do. `rule` is a denial that is not about scopes.
    """

    allowed: bool
    hidden: bool
    identity: Identity | None
    needed: tuple[str, ...]
    on: Resource
    rule: str = ""

    def __bool__(self) -> bool:
        return self.allowed

    @property
    def reason(self) -> str:
        """Which role or rule allowed or denied it. For administrators and the audit log: may tell of what the asker may not see."""
        return explain(self)

    @property
    def message(self) -> str:
        """For the asker; empty if allowed. Tells nothing about what is hidden."""
        if self.allowed:
            return ""
        if self.identity is None:
            return "Missing or invalid credentials."
        if self.hidden:
            return "No access to resources or resources not found"
        return self.rule or f"Not allowed: this needs the scope {' or '.join(self.needed)}."

    def enforce(self) -> None:
        """Raises NotSignedInError, NotFoundError or ForbiddenError unless allowed."""
        if self.allowed:
            return
        if self.identity is None:
            raise NotSignedInError(self.message)
        if self.hidden:
            raise NotFoundError(self.message)
        raise ForbiddenError(self.message, "An administrator can give you a role that allows it.")


def may(identity: Identity | None, needed: str | tuple[str, ...], on: Resource = HUB) -> Verdict:
    """Whether `identity` (None: nobody is signed in) holds one of the `needed` scopes for `on`.

    Denied by a filter rather than for want of the scope, the resource's existence is hidden (JupyterHub's rule). Raises
    ValueError for a scope that does not exist, which is a mistake in the caller.
    """
    names = (needed,) if isinstance(needed, str) else needed
    if identity is None:
        return Verdict(False, False, None, names, on)
    scopes = identity.scopes
    for name in names:
        if reaches(scopes, name, on):
            return Verdict(True, False, identity, names, on)
    _must_exist(names)
    hidden = on.kind != "hub" and any(scopes.filter_for(name) for name in names)
    return Verdict(False, hidden, identity, names, on)


def may_list(identity: Identity | None, scope: str, kinds: tuple[Kind, ...]) -> tuple[Verdict, Filter]:
    """Whether `identity` may list, and what the list must be limited to.

    Part of the things is enough; but limits of other kinds than `kinds` make no sense for this list and deny it, lest somebody
    takes an ill-limited scope for a working one (JupyterHub's rule).
    """
    if identity is None:
        return Verdict(False, False, None, (scope,), HUB), NOTHING
    reach = identity.scopes.filter_for(scope)
    if not reach:
        _must_exist((scope,))
        return Verdict(False, False, identity, (scope,), HUB), NOTHING
    if odd := reach.kinds() - frozenset(kinds):
        rule = f"The scope {scope} cannot be limited by {' or '.join(sorted(odd))}: only by {' or '.join(kinds)}."
        return Verdict(False, False, identity, (scope,), HUB, rule), NOTHING
    return Verdict(True, False, identity, (scope,), HUB), reach


def may_change_admin(identity: Identity, name: str, *, is_admin: bool, becomes_admin: bool) -> Verdict:
    """Only administrators make administrators, or change one. Asked besides the scope for the change (JupyterHub's rule)."""
    on = user_resource(name)
    if identity.admin or not (is_admin or becomes_admin):
        return Verdict(True, False, identity, (), on)
    rule = "Only administrators may change an administrator." if is_admin else "Only administrators may make somebody an administrator."
    return Verdict(False, False, identity, (), on, rule)


def sources(identity: Identity, scope: str, on: Resource | None) -> tuple[Grant, ...]:
    """The grants that give the owner of `identity` this scope on `on` (None: on anything), a token's limits left aside.

    Slow, for explaining; empty if the identity does not know where its scopes come from.
    """
    origin = identity.provenance
    if origin is None:
        return ()
    binding = bind(identity.owner)
    held = ((grant, origin.catalog.expand(grant.scopes, binding)) for grant in origin.grants)
    return tuple(grant for grant, scopes in held if (scopes.filter_for(scope) if on is None else reaches(scopes, scope, on)))


def explain(verdict: Verdict) -> str:
    """A verdict's reason in one or two sentences."""
    identity, on = verdict.identity, verdict.on
    if identity is None:
        return "Denied: nobody is signed in, or the token or session is unknown, expired or revoked."
    who = f"{identity.kind} {identity.name}"
    if verdict.rule:
        return f"Denied to {who}: {verdict.rule}"
    if not verdict.needed:
        return f"Allowed to {who}: no rule about administrators stands against it."
    if verdict.allowed:
        return _allowed(identity, verdict.needed, on, who)
    return _denied(identity, verdict.needed, on, who)


def _allowed(identity: Identity, needed: tuple[str, ...], on: Resource, who: str) -> str:
    scope = next((name for name in needed if reaches(identity.scopes, name, on)), None)
    if scope is None:  # a list: allowed by any part of its one scope
        scope = needed[0]
        found = sources(identity, scope, None)
    else:
        found = sources(identity, scope, on)
    how = f", from {_join(map(str, found))}" if found else ""
    return f"Allowed to {who}: holds {scope} for {_reach(identity.scopes.filter_for(scope))}{how}."


def _denied(identity: Identity, needed: tuple[str, ...], on: Resource, who: str) -> str:
    parts = [f"holds {name} only for {_reach(reach)}, not for {on}" for name in needed if (reach := identity.scopes.filter_for(name))]
    why = "; ".join(parts) or f"holds {'none of ' if len(needed) > 1 else 'no '}{', '.join(needed)}"
    text = f"Denied to {who}: {why}."
    origin = identity.provenance
    if origin is None:
        return text
    if origin.token is not None:
        for name in needed:
            if found := sources(identity, name, on):
                carried = _join(origin.token) or "nothing"
                return f"{text} Its owner holds {name} from {_join(map(str, found))}, but the token carries only {carried}."
    return f"{text} Held are {_join(map(str, origin.grants)) or 'no roles'}."


def _reach(reach: Filter) -> str:
    if reach.all:
        return "everything"
    held = (("user", reach.users), ("group", reach.groups), ("server", reach.servers), ("service", reach.services))
    return _join(f"{kind} {name}" for kind, names in held for name in sorted(names))


def _join(words: Iterable[str], most: int = 5) -> str:
    listed = list(words)
    if len(listed) > most:
        listed = [*listed[:most], f"{len(listed) - most} more"]
    return " and ".join(filter(None, (", ".join(listed[:-1]), listed[-1]))) if listed else ""


def _must_exist(names: tuple[str, ...]) -> None:
    for name in names:
        if name not in BUILT_IN.definitions and not name.startswith("custom:"):
            raise ValueError(f"{name!r} is asked for, but there is no such scope.")
