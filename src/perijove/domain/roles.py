"""Roles: named sets of scopes that people, groups and services hold, and what holding them amounts to."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from perijove.wire.names import BadNameError
from perijove.wire.scopes import Catalog, Owner, ScopeError, Scopes, bind

_ROLE_NAME: Final = re.compile(r"[a-z][a-z0-9\-_~.]{1,253}[a-z0-9]")
USER_ROLE: Final = "user"
ADMIN_ROLE: Final = "admin"
SERVER_ROLE: Final = "server"
TOKEN_ROLE: Final = "token"


@dataclass(frozen=True, slots=True)
class Role:
    """`scopes` as written: unexpanded, shortcuts and metascopes included."""

    name: str
    description: str = ""
    scopes: tuple[str, ...] = ()


DEFAULT_ROLES: Final[Mapping[str, Role]] = MappingProxyType(
    {
        role.name: role
        for role in (
            Role(USER_ROLE, "What every person may do: manage their own account and servers", ("self",)),
            Role(
                ADMIN_ROLE,
                "Administers the hub: people, groups, services and everybody's servers",
                (
                    "admin-ui",
                    "admin:users",
                    "admin:servers",
                    "admin:services",
                    "tokens",
                    "admin:groups",
                    "list:services",
                    "read:services",
                    "read:hub",
                    "proxy",
                    "shutdown",
                    "access:services",
                    "access:servers",
                    "read:roles",
                    "read:metrics",
                    "shares",
                ),
            ),
            Role(
                SERVER_ROLE,
                "What a server's own token may do: report activity and be opened",
                ("users:activity!user", "access:servers!server"),
            ),
            Role(TOKEN_ROLE, "What a new API token may do if nothing else is asked for: all its owner may", ("inherit",)),
        )
    }
)


def parse_role_name(text: str) -> str:
    """Check a role's name. Raises BadNameError."""
    if not _ROLE_NAME.fullmatch(text):
        raise BadNameError(
            f"{text!r} cannot name a role: use 3 to 255 lower-case letters, digits, '-', '.', '_' and '~', "
            "starting with a letter and ending with a letter or digit."
        )
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleDeclaration:
    """A role as configuration or the authenticator declares it. What is None is taken from the default role of that name."""

    name: str
    description: str | None = None
    scopes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class RoleMistake:
    """`path` leads to it: ("roles", index, field) or ("extra_user_scopes",)."""

    path: tuple[str | int, ...]
    message: str


class RolesError(ValueError):
    """Declarations that cannot be used; `mistakes` lists all of them."""

    def __init__(self, mistakes: Iterable[RoleMistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__(" ".join(mistake.message for mistake in self.mistakes))


@dataclass(frozen=True, slots=True)
class RoleBook:
    """All roles of the hub by name. `warnings` are doubts about the declarations, not mistakes."""

    roles: Mapping[str, Role]
    warnings: tuple[str, ...] = ()

    @property
    def scopes(self) -> dict[str, tuple[str, ...]]:
        """Role name -> scopes as written: what `owner_grants` takes."""
        return {name: role.scopes for name, role in self.roles.items()}


def merge_roles(catalog: Catalog, declared: Sequence[RoleDeclaration], extra_user_scopes: Sequence[str] = ()) -> RoleBook:
    """The default roles, overridden and joined by the declared ones. `extra_user_scopes` go on top of the default role "user".

    JupyterHub's rules: a default role may be declared in part; the role "admin" cannot be changed. Raises RolesError.
    """
    mistakes: list[RoleMistake] = []
    warnings: list[str] = []
    roles = dict(DEFAULT_ROLES)
    default_user = DEFAULT_ROLES[USER_ROLE]
    mistakes += _scope_mistakes(catalog, ("extra_user_scopes",), extra_user_scopes)
    roles[USER_ROLE] = Role(USER_ROLE, default_user.description, tuple(dict.fromkeys((*default_user.scopes, *extra_user_scopes))))
    seen: set[str] = set()
    for index, entry in enumerate(declared):
        mistakes += _declaration_mistakes(catalog, index, entry, seen)
        seen.add(entry.name)
        default = roles.get(entry.name, Role(entry.name))
        role = Role(
            entry.name,
            default.description if entry.description is None else entry.description,
            default.scopes if entry.scopes is None else entry.scopes,
        )
        warnings += _doubts(role, entry, extra_user_scopes)
        roles[entry.name] = role
    if mistakes:
        raise RolesError(mistakes)
    return RoleBook(MappingProxyType(roles), tuple(warnings))


def _declaration_mistakes(catalog: Catalog, index: int, entry: RoleDeclaration, seen: set[str]) -> Iterable[RoleMistake]:
    try:
        parse_role_name(entry.name)
    except BadNameError as error:
        yield RoleMistake(("roles", index, "name"), str(error))
    if entry.name in seen:
        yield RoleMistake(("roles", index, "name"), f"The role {entry.name!r} is declared twice: keep one.")
    yield from _scope_mistakes(catalog, ("roles", index, "scopes"), entry.scopes or ())
    if entry.name == ADMIN_ROLE:
        default = DEFAULT_ROLES[ADMIN_ROLE]
        if entry.scopes is not None and set(entry.scopes) != set(default.scopes):
            yield RoleMistake(("roles", index, "scopes"), "The scopes of the role 'admin' cannot be changed: declare a role of another name.")
        if entry.description is not None and entry.description != default.description:
            yield RoleMistake(("roles", index, "description"), "The description of the role 'admin' cannot be changed: leave it out.")


def _scope_mistakes(catalog: Catalog, path: tuple[str | int, ...], texts: Sequence[str]) -> list[RoleMistake]:
    try:
        catalog.check(texts)
    except ScopeError as error:
        return [RoleMistake(path, problem) for problem in error.problems]
    return []


def _doubts(role: Role, entry: RoleDeclaration, extra_user_scopes: Sequence[str]) -> Iterable[str]:
    if not role.scopes:
        yield f"The role {role.name!r} has no scopes, so holding it allows nothing."
    if role.name == USER_ROLE and entry.scopes is not None:
        if extra_user_scopes:
            yield "extra_user_scopes has no effect, because the scopes of the role 'user' are declared: put them all there."
        if "self" not in entry.scopes:
            yield "The role 'user' is declared without 'self': people may lack their own servers. Use extra_user_scopes to add."


class Source(Enum):
    """Why a grant is held."""

    EVERYBODY = "everybody"
    ADMIN_FLAG = "admin flag"
    ROLE = "role"
    GROUP = "group"
    SHARE = "share"


@dataclass(frozen=True, slots=True)
class Grant:
    """Scopes as written, and where they come from: a role `name`, perhaps through `group`, or a share of the server `name`."""

    source: Source
    name: str
    scopes: tuple[str, ...]
    group: str = ""

    def __str__(self) -> str:
        if self.source is Source.SHARE:
            return f"the server {self.name} was shared with {f'the group {self.group}' if self.group else 'them'}"
        if self.source is Source.EVERYBODY:
            return f"the role {self.name}, which everybody has"
        if self.source is Source.ADMIN_FLAG:
            return f"the role {self.name}, as an administrator"
        return f"the role {self.name}" + (f", through the group {self.group}" if self.group else "")


def share_grant(server: str, scopes: Sequence[str], group: str = "") -> Grant:
    """A share of the server USER/SERVER, with a person or with a `group` of theirs."""
    return Grant(Source.SHARE, server, tuple(scopes), group)


def held_roles(owner: Owner, own_roles: Iterable[str], *, admin: bool) -> list[str]:
    """The roles held directly, those everybody and every administrator has included: the `roles` field of the models."""
    implied = ([USER_ROLE] if owner.kind == "user" else []) + ([ADMIN_ROLE] if admin else [])
    return list(dict.fromkeys((*implied, *own_roles)))


def owner_grants(
    owner: Owner,
    roles: Mapping[str, Sequence[str]],
    *,
    own_roles: Iterable[str] = (),
    group_roles: Mapping[str, Iterable[str]] | None = None,
    admin: bool = False,
    shares: Iterable[Grant] = (),
) -> tuple[Grant, ...]:
    """All that a user or service holds. `roles`: name -> scopes, of the whole hub; `group_roles`: the user's groups -> their roles.

    A role that does not exist (any more) grants nothing. Groups and shares count for users only.
    """
    own = tuple(own_roles)
    grants: list[Grant] = []
    for name in held_roles(owner, own, admin=admin):
        if name in roles:
            source = Source.ROLE if name in own else Source.ADMIN_FLAG if name == ADMIN_ROLE else Source.EVERYBODY
            grants.append(Grant(source, name, tuple(roles[name])))
    if owner.kind == "user":
        for group, names in (group_roles or {}).items():
            grants += (Grant(Source.GROUP, name, tuple(roles[name]), group) for name in names if name in roles)
        grants += shares
    return tuple(grants)


def owner_scopes(catalog: Catalog, owner: Owner, grants: Iterable[Grant]) -> Scopes:
    """What the grants amount to, expanded."""
    return catalog.expand([text for grant in grants for text in grant.scopes], bind(owner))


def scopes_of_roles(names: Iterable[str], roles: Mapping[str, Sequence[str]]) -> list[str]:
    """Flatten role names to scopes as written: tokens have scopes, not roles. Raises KeyError naming the first unknown role."""
    return list(dict.fromkeys(text for name in names for text in roles[name]))
