"""What sign-in and refresh have in common: ask the authenticator, apply the rules, record what was learnt."""

from collections.abc import Awaitable, Iterable
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

import structlog

from perijove.config.settings import AccessSection
from perijove.control.bounded import bounded
from perijove.control.context import Hub
from perijove.domain.claims import AccessRules, Claims
from perijove.domain.errors import AuthenticatorUnavailableError, PerijoveError
from perijove.domain.roles import ADMIN_ROLE, USER_ROLE
from perijove.domain.user import User
from perijove.ports.observer import AuditEvent
from perijove.ports.store.store import Tx

T = TypeVar("T")
_log = structlog.get_logger("perijove.sign_in")


@lru_cache(maxsize=8)
def _rules(access: AccessSection) -> AccessRules:
    return AccessRules(
        allow_all=access.allow_all,
        allowed_users=frozenset(access.allowed_users),
        allowed_groups=frozenset(access.allowed_groups),
        allow_existing_users=access.allow_existing_users,
        blocked_users=frozenset(access.blocked_users),
        blocked_groups=frozenset(access.blocked_groups),
        admin_users=frozenset(access.admin_users),
        admin_groups=frozenset(access.admin_groups),
    )


def access_rules(hub: Hub) -> AccessRules:
    """The [access] section as rules."""
    return _rules(hub.settings.access)


async def consult(hub: Hub, answer: Awaitable[T]) -> T:
    """Wait for the authenticator within hook_timeout. Raises AuthenticatorUnavailableError also for time-outs and its bugs."""
    try:
        return await bounded(answer, hub.settings.limits.hook_timeout)
    except PerijoveError:
        raise
    except TimeoutError:
        raise AuthenticatorUnavailableError(
            f"Signing in did not work: {hub.authenticator.label or 'the authenticator'} did not answer in time.",
            "Try again in a minute. An administrator finds more in the hub's log.",
        ) from None
    except Exception:  # noqa: BLE001 - a plugin's bug: nobody is signed out for it
        _log.exception("authenticator failed", issuer=hub.authenticator.issuer)
        raise AuthenticatorUnavailableError(
            "Signing in did not work: the authenticator failed.", "An administrator finds the cause in the hub's log."
        ) from None


def record(tx: Tx, hub: Hub, user: User, claims: Claims, *, admin: bool | None, sealed: bytes | None, now: datetime) -> tuple[User, list[AuditEvent]]:
    """Bring the account up to date with the claims; writes only what changed, for every write drops the account from caches. The
    events are to be told after the commit."""
    access, events = hub.settings.access, list[AuditEvent]()
    wanted = replace(
        user,
        admin=user.admin if admin is None else admin,
        display_name=claims.display_name or user.display_name,
        user_info=user.user_info if claims.user_info is None else claims.user_info,
    )
    if wanted != user:
        tx.users.save(wanted)
    if claims.groups is not None and access.manage_groups and claims.groups != frozenset(user.groups):
        tx.users.set_groups(user.id, claims.groups, now)
    if sealed is not None:
        tx.users.set_auth_state(user.id, sealed)
    if claims.roles is not None and access.manage_roles:
        events += _give_roles(tx, wanted, claims.roles, now)
    return tx.users.by_id(user.id) or wanted, events


def _give_roles(tx: Tx, user: User, roles: frozenset[str], now: datetime) -> Iterable[AuditEvent]:
    """Exactly these from the authenticator. What is no role here gives nothing, and is told: a spelling mistake must not end a sign-in."""
    known, wanted = frozenset(tx.roles.all()), roles - {USER_ROLE}
    given = (wanted & known) - {ADMIN_ROLE}
    for name in sorted(wanted - given):
        why = (
            "administrators are made by `admin` of the claims, or in [access]"
            if name == ADMIN_ROLE
            else "declare it in [[roles]], or tell it no more"
        )
        _log.warning("the authenticator gives a role that it cannot give", user=user.name, role=name, remedy=why)
    if tx.roles.set_managed(user, given, now=now):
        detail = {"roles_of_authenticator": sorted(given), "unknown": sorted(wanted - given)}
        event = AuditEvent(action="user.changed", at=now, actor="hub", target=user.name, detail=detail)
        tx.audit.add(event)
        yield event
