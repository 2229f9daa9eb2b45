"""Sharing a server: with a person, with a group, or by a link. Rules as in JupyterHub 5 and later.

The scopes of a share are kept as bare names and limited to its server when they are read, so a share follows its server
through renames and can never reach another one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from perijove.domain.access import Identity, Verdict, group_resource, reaches, server_resource, user_resource
from perijove.domain.delegation import share_scopes
from perijove.domain.server import ServerId
from perijove.wire.scopes import Catalog, Memberships

CODE_AGE: Final = timedelta(days=1)
"""How long a link works unless something else is asked for."""
CODE_AGE_MIN: Final = timedelta(minutes=1)
CODE_AGE_MAX: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Recipient:
    """With whom a server is shared."""

    kind: Literal["user", "group"]
    name: str

    def __str__(self) -> str:
        return self.name if self.kind == "user" else f"the group {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedServer:
    """What a share tells about its server. `name` is "" for the default one."""

    id: ServerId
    owner: str
    name: str
    ready: bool

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"


def limited(names: Sequence[str], server: str) -> tuple[str, ...]:
    """Scope names as scopes of the server USER/SERVER, sorted."""
    return tuple(f"{name}!server={server}" for name in sorted(names))


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One server shared with one recipient; there is at most one for each pair. `names` are those of its scopes, without limit."""

    id: int
    server: SharedServer
    to: Recipient
    names: frozenset[str]
    created: datetime

    @property
    def scopes(self) -> tuple[str, ...]:
        return limited(tuple(self.names), self.server.full_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareCode:
    """A link that gives access to a server to everybody signed in who has it, until it expires or is taken back."""

    id: int
    server: SharedServer
    names: frozenset[str]
    created: datetime
    expires_at: datetime
    exchange_count: int = 0
    last_exchanged_at: datetime | None = None

    @property
    def scopes(self) -> tuple[str, ...]:
        return limited(tuple(self.names), self.server.full_name)


def share_names(catalog: Catalog, texts: Sequence[str], server: str) -> frozenset[str]:
    """The names of the scopes asked for a share of the server USER/SERVER; of none, access alone. Raises ScopeError."""
    return frozenset(text.partition("!")[0] for text in share_scopes(catalog, texts, server))


def may_hand_on(catalog: Catalog, asker: Identity, names: frozenset[str], server: str, memberships: Memberships) -> Verdict:
    """Whether the asker holds, for the server USER/SERVER, all that a share of it would give: nobody shares what they do not hold.

    `memberships` must know the owner, whose groups may decide it.
    """
    user, _, name = server.partition("/")
    on = server_resource(user, name)
    lacking = catalog.expand(limited(tuple(names), server)).excess(asker.scopes, memberships)
    if not lacking:
        return Verdict(True, False, asker, (), on)
    return Verdict(False, False, asker, tuple(sorted(names)), on, f"You cannot share what you do not hold yourself: {', '.join(lacking)}.")


def may_name(asker: Identity, to: Recipient, groups: frozenset[str] = frozenset()) -> Verdict:
    """Whether the asker may know the recipient by name, and so share with them. `groups` are those of a recipient who is a user.

    Denied without telling whether there is such a recipient.
    """
    scope = f"read:{to.kind}s:name"
    on = user_resource(to.name, groups) if to.kind == "user" else group_resource(to.name)
    if reaches(asker.scopes, scope, on):
        return Verdict(True, False, asker, (scope,), on)
    rule = f"To share with {to.kind}s by name you need the scope {scope}. You can share by a link."
    return Verdict(False, False, asker, (scope,), on, rule)
