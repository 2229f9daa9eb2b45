"""The scopes that exist on a hub, JupyterHub's and its own, and the expansion of what people write into what they hold."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from perijove.wire.scopes.binding import NOBODY, Binding
from perijove.wire.scopes.filter import Filter
from perijove.wire.scopes.held import Gathering, Scopes
from perijove.wire.scopes.table import METASCOPES, SELF, SELF_SCOPES, STANDARD_SCOPES, Definition
from perijove.wire.scopes.text import Scope, ScopeError, split_scope

_CUSTOM_NAME: Final = re.compile(r"custom:[a-z0-9][a-z0-9_\-*:]+[a-z0-9_*]")
_DRAFT_NAMES: Final = {"all": "inherit", "identify": "(no_scope)"}


class CustomScope(Struct, frozen=True):
    """A scope of a site's own, held and checked by services. `subscopes` are custom too."""

    description: str
    subscopes: tuple[str, ...] = ()


class Catalog:
    """All scopes of a hub. A value: make one when the configuration is read and hand it on."""

    __slots__ = ("_closures", "_self", "definitions")

    definitions: Mapping[str, Definition]

    def __init__(self, custom: Mapping[str, CustomScope | str] | None = None) -> None:
        """`custom`: name -> definition, or just its description. Raises ScopeError listing every mistake."""
        own = {name: CustomScope(scope) if isinstance(scope, str) else scope for name, scope in (custom or {}).items()}
        problems = [problem for name, scope in own.items() for problem in _custom_mistakes(name, scope, own)]
        if problems:
            raise ScopeError(problems)
        added = {name: Definition(scope.description, scope.subscopes) for name, scope in own.items()}
        self.definitions = MappingProxyType({**STANDARD_SCOPES, **added})
        self._closures = {name: self._close((name,)) for name in self.definitions}
        self._self = self._close(SELF_SCOPES)

    def parse(self, text: str) -> Scope:
        """One scope as a person wrote it. Raises ScopeError saying what is wrong and what was perhaps meant."""
        name = text.partition("!")[0]
        if name not in self.definitions:
            raise ScopeError([f"{text!r} is not a scope. {self._suggest(name)}"])
        scope = split_scope(text)
        if scope.kind is not None and name in METASCOPES:
            raise ScopeError([f"{text!r}: {name!r} cannot be limited; leave out what follows the '!'."])
        return scope

    def check(self, texts: Iterable[str]) -> tuple[Scope, ...]:
        """Parse many. Raises one ScopeError with all mistakes."""
        scopes: list[Scope] = []
        problems: list[str] = []
        for text in texts:
            try:
                scopes.append(self.parse(text))
            except ScopeError as error:
                problems += error.problems
        if problems:
            raise ScopeError(problems)
        return tuple(scopes)

    def subscopes(self, name: str) -> frozenset[str]:
        """A scope's name and those of all scopes it brings along."""
        return frozenset(self._closures[name])

    def expand(self, texts: Iterable[str], binding: Binding = NOBODY) -> Scopes:
        """What holding `texts` amounts to: sub-scopes with the filter copied, shortcuts and `self` replaced, reduced.

        What is not a scope (any more: stored text can outlive a custom scope), a shortcut without a target and `inherit`, which
        means nothing by itself, grant nothing. Check what people write with `check` first. With a server as limit the sub-scopes
        that read users are left out, as in JupyterHub: a server is no user.
        """
        gathered: dict[str, Gathering] = {}
        held: dict[str, Filter] = {}
        for text in texts:
            name, mark, _ = text.partition("!")
            if name in METASCOPES:
                if text == SELF and binding.user is not None:
                    _join(held, self._self, Filter(users=frozenset((binding.user,))))
                continue
            if name not in self._closures:
                continue
            gathering = gathered.get(name)
            if gathering is None:
                gathering = gathered[name] = Gathering()
            if not mark:
                gathering.everything()
            else:
                _gather(gathering, text, binding)
        for name, gathering in gathered.items():
            _join(held, self._closures[name], gathering.filter())
        return Scopes(held)

    def describe(self, text: str) -> str:
        """What a scope allows, for a person asked to agree, e.g. "delete accounts (only user alice)". Raises ScopeError."""
        scope = self.parse(text)
        words = self.definitions[scope.name].description
        if scope.kind is None:
            return words
        if scope.value is None:
            return f"{words} (only {'your own' if scope.kind == 'user' else f'this {scope.kind}'})"
        if scope.kind == "server":
            user, _, server = scope.value.partition("/")
            return f"{words} (only {f'server {server}' if server else 'the default server'} of {user})"
        return f"{words} (only {scope.kind} {scope.value})"

    def _close(self, names: Iterable[str]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        todo = list(names)
        while todo:
            name = todo.pop()
            if name not in found:
                found[name] = None
                todo += self.definitions[name].subscopes
        return tuple(found)

    def _suggest(self, name: str) -> str:
        near = _DRAFT_NAMES.get(name) or next(iter(get_close_matches(name, self.definitions, n=1)), None)
        if near:
            return f"Did you mean {near!r}?"
        if name.startswith("custom:"):
            return "An administrator must first define it under custom_scopes."
        return "The scopes are listed in the documentation on access control."


def _gather(gathering: Gathering, text: str, binding: Binding) -> None:
    try:
        scope = split_scope(text)
    except ScopeError:
        return
    value = scope.value
    if scope.kind is None:
        return
    if value is None:
        value = {"user": binding.user, "service": binding.service, "server": binding.server, "group": None}[scope.kind]
    if value is not None:
        gathering.add(scope.kind, value)


def _join(held: dict[str, Filter], names: Iterable[str], reach: Filter) -> None:
    without = reach.without_servers()
    for name in names:
        here = without if name.startswith("read:user") else reach
        before = held.get(name)
        held[name] = here if before is None else before | here


def _custom_mistakes(name: str, scope: CustomScope, own: Mapping[str, CustomScope]) -> Iterable[str]:
    if not _CUSTOM_NAME.fullmatch(name):
        yield (
            f"{name!r} cannot name a custom scope: write 'custom:' and at least three lower-case letters, digits, "
            "'-', '_', ':' or '*', starting with a letter or digit and not ending with '-' or ':'."
        )
    if not scope.description.strip():
        yield f"The custom scope {name!r} needs a description: people read it when they are asked to agree."
    for sub in scope.subscopes:
        if sub in STANDARD_SCOPES:
            yield f"The custom scope {name!r} cannot bring along {sub!r}: only custom scopes. A role can hold both."
        elif sub not in own:
            near = get_close_matches(sub, own, n=1)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            yield f"The custom scope {name!r} brings along {sub!r}, which is not defined.{meant}"


BUILT_IN: Final = Catalog()
"""The catalog of a hub without custom scopes."""
