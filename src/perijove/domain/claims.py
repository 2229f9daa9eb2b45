"""What an authenticator asserts, and what the hub makes of it: deny rules always run, and nobody is allowed by default."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from perijove.wire.names import UserName


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Identity is (issuer, subject); `username` is the proposed account name, normalised by the hub at the edge.

    `groups` None means the authenticator does not speak of groups: those the hub has recorded count. `admin` None leaves it to the rules.
    `roles` are names of roles, and count with `manage_roles` in [access]; None leaves those that it gave before.
    `allowed` True means that the authenticator itself vouches for admission (a local account exists because somebody with
    the right to invite made it). `display_name` and `email` authorise nobody.
    """

    issuer: str
    subject: str
    username: str
    display_name: str = ""
    email: str = ""
    admin: bool | None = None
    allowed: bool = False
    groups: frozenset[str] | None = None
    roles: frozenset[str] | None = None
    user_info: Mapping[str, Any] | None = None
    auth_state: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRules:
    """The [access] section: who may sign in, who never, who administers."""

    allow_all: bool = False
    allowed_users: frozenset[str] = field(default_factory=frozenset)
    allowed_groups: frozenset[str] = field(default_factory=frozenset)
    allow_existing_users: bool = False
    blocked_users: frozenset[str] = field(default_factory=frozenset)
    blocked_groups: frozenset[str] = field(default_factory=frozenset)
    admin_users: frozenset[str] = field(default_factory=frozenset)
    admin_groups: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Admittance:
    """`admin` None: leave the recorded value as it is. `reason` names the rule, for logs and `explain`."""

    allowed: bool
    reason: str
    admin: bool | None = None


def admittance(
    claims: Claims, name: UserName, rules: AccessRules, *, exists: bool, blocked: bool, recorded_groups: frozenset[str] = frozenset()
) -> Admittance:
    """Decide on a sign-in (and again at each refresh). Deny rules come first and cannot be outvoted.

    `recorded_groups` are the account's groups on the hub; they count where the authenticator does not speak of groups.
    """
    groups = recorded_groups if claims.groups is None else claims.groups
    if blocked or name in rules.blocked_users:
        return Admittance(False, f"{name} is blocked")
    if hit := groups & rules.blocked_groups:
        return Admittance(False, f"{name} is in the blocked group {min(hit)}")
    admin = claims.admin
    if name in rules.admin_users or groups & rules.admin_groups:
        admin = True
    if admin:
        return Admittance(True, f"{name} is an administrator", True)
    if rules.allow_all:
        return Admittance(True, "everybody is allowed (allow_all)", admin)
    if claims.allowed:
        return Admittance(True, "the authenticator vouches for the account", admin)
    if name in rules.allowed_users:
        return Admittance(True, f"{name} is in allowed_users", admin)
    if hit := groups & rules.allowed_groups:
        return Admittance(True, f"{name} is in the allowed group {min(hit)}", admin)
    if rules.allow_existing_users and exists:
        return Admittance(True, f"{name} is known already (allow_existing_users)", admin)
    return Admittance(False, f"no rule allows {name}")


def denied(name: str, groups: frozenset[str], rules: AccessRules, *, blocked: bool) -> bool:
    """Whether a deny rule stands against an account: asked at every token and session, not only at sign-in."""
    return blocked or name in rules.blocked_users or not rules.blocked_groups.isdisjoint(groups)
