"""Handing on what one holds, to tokens, OAuth clients and other people: never more than one has.

JupyterHub's rules: a token may do what it asks for as far as its owner may, now; plus learn whose it is and, if issued to an
OAuth client, open that client.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from perijove.wire.scopes import API_CLIENT, Binding, Catalog, Client, Memberships, Owner, ScopeError, Scopes, bind
from perijove.wire.scopes.filter import NO_MEMBERSHIPS
from perijove.wire.scopes.table import INHERIT, METASCOPES

IDENTIFY_SCOPES: Final = ("read:users:name!user", "read:users:groups!user")
"""Every OAuth client may ask for these."""


def token_scopes(
    catalog: Catalog,
    texts: Collection[str],
    owner: Owner,
    owner_scopes: Scopes,
    client: Client = API_CLIENT,
    memberships: Memberships = NO_MEMBERSHIPS,
) -> Scopes:
    """What a token with the scopes `texts` may do now. `memberships` must know the users named by `undecided_users`."""
    if INHERIT in texts:
        return owner_scopes
    return _carried(catalog, texts, owner, client).intersection(owner_scopes, memberships)


def undecided_users(catalog: Catalog, texts: Collection[str], owner: Owner, owner_scopes: Scopes, client: Client = API_CLIENT) -> frozenset[str]:
    """The users whose groups `token_scopes` and `excess_scopes` must know: nearly always none."""
    return frozenset() if INHERIT in texts else _carried(catalog, texts, owner, client).undecided(owner_scopes)


def excess_scopes(
    catalog: Catalog,
    texts: Iterable[str],
    owner: Owner,
    owner_scopes: Scopes,
    client: Client = API_CLIENT,
    memberships: Memberships = NO_MEMBERSHIPS,
) -> list[str]:
    """What of the scopes asked for a new token its owner does not hold, expanded; empty if it may be made."""
    return catalog.expand(texts, bind(owner, client)).excess(owner_scopes, memberships)


def _carried(catalog: Catalog, texts: Iterable[str], owner: Owner, client: Client) -> Scopes:
    return catalog.expand((*texts, *client.access_scopes, *owner.identify_scopes), bind(owner, client))


@dataclass(frozen=True, slots=True)
class Resolved:
    """`granted`, sorted, as written where possible, else expanded; `refused` what was not granted in full."""

    granted: tuple[str, ...]
    refused: tuple[str, ...]


def resolve_requested(
    catalog: Catalog,
    requested: Iterable[str],
    held: Iterable[str],
    binding: Binding,
    memberships: Memberships = NO_MEMBERSHIPS,
) -> Resolved:
    """Limit requested scopes (as written) to what is held (as written): first against a client's allowed scopes, then against
    its user's roles. What is held only in part is granted in that part, expanded. `inherit` is granted only where it is held.
    """
    wanted = frozenset(requested)
    have = frozenset(held)
    granted = set(wanted & have)
    refused: list[str] = []
    reach = catalog.expand(have, binding)
    for text in sorted(wanted - have):
        asked = catalog.expand((text,), binding)
        if text != INHERIT and asked.within(reach, memberships):
            granted.add(text)
        else:
            granted.update(asked.intersection(reach, memberships))
            refused.append(text)
    return Resolved(tuple(sorted(granted)), tuple(refused))


def share_scopes(catalog: Catalog, texts: Iterable[str], server: str) -> tuple[str, ...]:
    """The scopes of a share of the server USER/SERVER, each limited to it; without `texts` access alone. Raises ScopeError."""
    bound: dict[str, None] = {}
    problems: list[str] = []
    for scope in catalog.check(texts):
        if scope.name in METASCOPES:
            problems.append(f"{scope.name!r} cannot be shared: name the scopes, e.g. access:servers.")
        elif scope.kind is not None and (scope.kind, scope.value) != ("server", server):
            problems.append(f"{str(scope)!r} cannot be shared: a share is limited to !server={server}; leave the filter out.")
        else:
            bound[f"{scope.name}!server={server}"] = None
    if problems:
        raise ScopeError(problems)
    return tuple(bound) or (f"access:servers!server={server}",)
