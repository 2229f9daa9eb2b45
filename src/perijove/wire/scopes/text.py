"""Scopes as text: NAME, NAME!KIND=VALUE, and the shortcuts NAME!user, NAME!service, NAME!server."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final, get_args

from msgspec import Struct

from perijove.wire.scopes.filter import Kind

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_BY_TEXT: Final[dict[str, Kind]] = {kind: kind for kind in KINDS}
SHORTCUTS: Final = frozenset({"user", "service", "server"})
"""Kinds that may stand without a value: the owner, or the OAuth client the scope is held through."""


class ScopeError(ValueError):
    """Text that is no scope. `problems` has one sentence for each mistake, for the person who wrote it."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(" ".join(self.problems))


class Scope(Struct, frozen=True):
    """One scope as written. Without `kind` it is unlimited; `kind` with `value` None is a shortcut.

    The value of kind "server" is USER/SERVER, the default server being USER/ with nothing after the slash.
    """

    name: str
    kind: Kind | None = None
    value: str | None = None

    def __str__(self) -> str:
        if self.kind is None:
            return self.name
        return f"{self.name}!{self.kind}" if self.value is None else f"{self.name}!{self.kind}={self.value}"


def split_scope(text: str) -> Scope:
    """Take a scope apart without asking whether its name exists. Raises ScopeError if its filter is malformed."""
    name, mark, rest = text.partition("!")
    if not mark:
        return Scope(name)
    word, equals, value = rest.partition("=")
    kind = _BY_TEXT.get(word)
    if kind is not None:
        if not equals and kind in SHORTCUTS:
            return Scope(name, kind)
        if value and (kind != "server" or _names_a_server(value)):
            return Scope(name, kind, value)
    raise ScopeError([_filter_mistake(text, word, value)])


def _names_a_server(value: str) -> bool:
    user, slash, server = value.partition("/")
    return bool(user and slash) and "/" not in server


def _filter_mistake(text: str, kind: str, value: str) -> str:
    if not kind:
        return f"{text!r} has nothing after '!': leave the '!' out, or write !KIND=VALUE with one of the kinds {', '.join(KINDS)}."
    if kind not in KINDS:
        near = get_close_matches(kind.lower(), KINDS, n=1)
        meant = f"Did you mean !{near[0]}={value or 'NAME'}?" if near else f"Known kinds: {', '.join(KINDS)}."
        return f"{text!r} is limited by the unknown kind {kind!r}. {meant}"
    if not value:
        alone = f", or !{kind} alone for the owner's" if kind in SHORTCUTS else ""
        return f"{text!r} names no {kind}: write !{kind}=NAME{alone}."
    return f"{text!r} must name a server as USER/SERVER, e.g. !server={value.partition('/')[0] or 'USER'}/ for the default server."
