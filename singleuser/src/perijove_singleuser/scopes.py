"""Whether the scopes a visitor holds open this server."""

from __future__ import annotations

from collections.abc import Iterable


def grants_access(required: Iterable[str], held: Iterable[str]) -> bool:
    """True if any held scope covers any required one.

    JupyterHub's rule: the names must be equal; an unfiltered scope covers every filter of it; the
    same filter covers itself; `!user=alice` covers `!server=alice/anything`. A group filter covers
    nothing here: only the hub knows who is in a group, and it resolves that before it answers.
    """
    holding = frozenset(held)
    return any(_covered(scope, holding) for scope in required)


def _covered(required: str, held: frozenset[str]) -> bool:
    if required in held:
        return True
    name, _, filter_ = required.partition("!")
    if name in held:
        return True
    kind, _, value = filter_.partition("=")
    if kind == "server" and "/" in value:
        owner = value.partition("/")[0]
        return bool(owner) and f"{name}!user={owner}" in held
    return False
