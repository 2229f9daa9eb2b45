"""Roles from the authenticator (`manage_roles` in [access]): which there are, and who holds them. What was given by hand stays."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from perijove.control.context import Hub
from perijove.control.people.policy import consult
from perijove.domain.errors import AuthenticatorUnavailableError, SettingsError
from perijove.domain.roles import DEFAULT_ROLES, parse_role_name
from perijove.ports.authenticator import KeepsRoles, ManagedRole
from perijove.ports.store.access import StoredRole
from perijove.ports.store.store import Tx
from perijove.wire.names import BadNameError, parse_user_name
from perijove.wire.scopes import ScopeError

_log = structlog.get_logger("perijove.roles")


async def ask_for_roles(hub: Hub) -> Sequence[ManagedRole] | None:
    """The roles that the authenticator keeps; None: it cannot tell now, so what is recorded stays. Raises SettingsError for roles that
    cannot be."""
    if not hub.settings.access.manage_roles or not isinstance(hub.authenticator, KeepsRoles):
        return ()
    try:
        found = await consult(hub, hub.authenticator.managed_roles())
    except AuthenticatorUnavailableError as error:
        _log.warning("the authenticator cannot tell its roles now; those it told before count", reason=str(error))
        return None
    mistakes = list(_mistakes(hub, found))
    if mistakes:
        raise SettingsError(
            "The authenticator keeps roles that cannot be: " + " ".join(mistakes), "Whoever looks after the authenticator's roles can mend it."
        )
    return [role if role.users is None else replace(role, users=frozenset(map(parse_user_name, role.users))) for role in found]


def _mistakes(hub: Hub, found: Sequence[ManagedRole]) -> Iterable[str]:
    declared, seen = {entry.name for entry in hub.settings.roles}, set[str]()
    for role in found:
        try:
            parse_role_name(role.name)
            hub.catalog.check(role.scopes)
            for user in sorted(role.users or ()):
                parse_user_name(user)
        except (BadNameError, ScopeError) as error:
            yield f"{role.name!r}: {error}"
        if role.name in DEFAULT_ROLES:
            yield f"{role.name!r} is a default role; [[roles]] of the configuration can change it."
        elif role.name in declared:
            yield f"{role.name!r} is declared in [[roles]] of the configuration as well: keep one."
        elif role.name in seen:
            yield f"{role.name!r} comes twice."
        seen.add(role.name)


def declare_managed(tx: Tx, hub: Hub, found: Sequence[ManagedRole] | None, now: datetime) -> None:
    """At the hub's start, after the configuration's own roles."""
    access, known = hub.settings.access, tx.roles.all()
    kept = {role.name: role for role in found or ()}
    if found is None:
        return
    for role in kept.values():
        tx.roles.put(StoredRole(name=role.name, description=role.description, scopes=role.scopes, managed=True), now=now)
        _hold(tx, role, now)
    if access.manage_roles and not access.reset_managed_roles:
        return
    for name, stored in known.items():
        if name in kept:
            continue
        tx.roles.forget_managed(name, now=now)
        if stored.managed:
            tx.roles.delete(name, now=now)


def _hold(tx: Tx, role: ManagedRole, now: datetime) -> None:
    if role.users is not None:
        tx.users.add_missing(sorted(role.users), now=now)
        for name in sorted(role.users):
            user = tx.users.get(name)
            if user is not None:
                tx.roles.set_managed(user, tx.roles.managed_of(user.id) | {role.name}, now=now)
        tx.roles.forget_managed(role.name, but=role.users, now=now)
    if role.groups is not None:
        held = set(tx.roles.holders(role.name).get("group", ()))
        for name in sorted(role.groups - held):
            if tx.groups.get(name) is None:
                tx.groups.add(name, now=now)
            tx.roles.assign(role.name, "group", name, now=now)
        for name in sorted(held - role.groups):
            tx.roles.revoke(role.name, "group", name, now=now)
