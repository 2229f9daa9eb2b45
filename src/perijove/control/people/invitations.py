"""Links that let their bearer make an account, or set a new password; and the first administrator's."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from secrets import token_urlsafe

from perijove.control.context import Hub
from perijove.control.people.accounts import administrators, checked_password, local_accounts, password_keeper
from perijove.control.people.effective import user_scopes
from perijove.control.people.hosting import check_hosts
from perijove.control.people.policy import access_rules
from perijove.control.people.sessions import end_session, end_sessions
from perijove.control.people.sign_in import SignedIn, open_session
from perijove.control.people.throttle import clear_attempts, throttle_keys
from perijove.domain.claims import Claims, admittance
from perijove.domain.errors import BadInputError, ConflictError, ForbiddenError, NotFoundError
from perijove.domain.page import Page
from perijove.domain.token import hash_secret
from perijove.domain.user import User
from perijove.ports.observer import AuditEvent
from perijove.ports.store.credentials import Invitation
from perijove.ports.store.store import Tx
from perijove.wire.names import BadNameError, UserName, parse_user_name
from perijove.wire.scopes import Scopes

INVITATION_AGE = timedelta(days=3)
ADMIN_LINK_AGE = timedelta(hours=24)
MAX_USES = 1000
_SECRET_BYTES = 32
_BY_HUB = ""
"""No person has this name, so nobody's invitation is taken for the hub's own."""
_FIRST = "first administrator"
_SLICE = 200
_VOID = "This link does not work: it is unknown, used already, or too old."
_ASK = "Ask an administrator for a new one."


def _path(hub: Hub, secret: str) -> str:
    return f"{hub.addresses.base_url}hub/invite/{secret}"


async def invite(
    hub: Hub,
    *,
    admin: bool,
    user_name: str | None,
    reset: bool,
    uses: int,
    actor: str,
    groups: tuple[str, ...] = (),
    within: Scopes | None = None,
) -> str:
    """Make a link; returns its path, which holds the secret and is shown this once. The caller has checked that the actor may.

    `reset`: for the existing `user_name` to set a new password; earlier such links stop working. `user_name` otherwise fixes the
    name. `within`: the actor's scopes; whoever sets a person's password can act as that person, so the person must hold nothing
    beyond them. Raises BadInputError, ConflictError, ForbiddenError, NotFoundError.
    """
    password_keeper(hub)
    if not 1 <= uses <= MAX_USES or (uses > 1 and (user_name is not None or admin)):
        raise BadInputError(f"A link works 1 to {MAX_USES} times, and once only if it names the person or makes an administrator.")
    now, secret = hub.clock.now(), token_urlsafe(_SECRET_BYTES)
    invitation = Invitation(
        id=0,
        admin=admin,
        user_name=user_name,
        reset=reset,
        groups=groups,
        created_by=actor,
        uses_left=uses,
        created=now,
        expires_at=now + INVITATION_AGE,
    )
    action = "password.link" if reset else "invitation.made"
    event = AuditEvent(action=action, at=now, actor=actor, target=user_name or "", detail={"admin": admin, "uses": uses, "groups": list(groups)})

    def write(tx: Tx) -> None:
        user = tx.users.get(user_name) if user_name is not None else None
        if reset:
            _may_reset(user)
            _withdraw(tx, now, lambda other: other.reset and other.user_name == user_name)
        elif user is not None and tx.passwords.get(user.id) is not None:
            raise ConflictError(f"{user.name} has an account already.", "Make a link to set a new password instead.")
        if user is not None and within is not None and not user_scopes(tx, hub.catalog, user).within(within):
            raise ForbiddenError(f"{user.name} may do more than you, so you may not set their password.", "An administrator can.")
        tx.invitations.add(invitation, hash_secret(secret))
        tx.audit.add(event)

    await hub.store.write(write)
    hub.audit(event)
    return _path(hub, secret)


def _withdraw(tx: Tx, now: datetime, which: Callable[[Invitation], bool]) -> None:
    found: list[int] = []
    offset: int | None = 0
    while offset is not None:
        page = tx.invitations.page(offset, _SLICE, now)
        found += (invitation.id for invitation in page.items if which(invitation))
        offset = page.next_offset
    for invitation_id in found:
        tx.invitations.delete(invitation_id)


def _may_reset(user: User | None) -> None:
    if user is None:
        raise NotFoundError("There is no such user.")
    if user.blocked:
        raise ConflictError(f"{user.name} is blocked.", "Unblock them first.")


async def find_invitation(hub: Hub, secret: str) -> Invitation:
    """For the page behind the link. Raises NotFoundError if it does not work (any more)."""
    now, hashed = hub.clock.now(), hash_secret(secret)

    def query(tx: Tx) -> Invitation | None:
        found = tx.invitations.find(hashed)
        if found is None or found.uses_left < 1 or found.expires_at <= now or _overtaken(tx, found):
            return None
        return found

    found = await hub.store.read(query) if local_accounts(hub) else None
    if found is None:
        raise NotFoundError(_VOID, _ASK)
    return found


def _overtaken(tx: Tx, invitation: Invitation) -> bool:
    """The first administrator's link is void as soon as there is one."""
    return _is_first(invitation) and next(administrators(tx), None) is not None


def _is_first(invitation: Invitation) -> bool:
    return invitation.created_by == _BY_HUB and invitation.note == _FIRST


async def list_invitations(hub: Hub, offset: int, limit: int) -> Page[Invitation]:
    """Those that still work."""
    now = hub.clock.now()
    return await hub.store.read(lambda tx: tx.invitations.page(offset, limit, now))


async def revoke_invitation(hub: Hub, invitation_id: int, *, actor: str) -> None:
    """One that does not exist is no error."""
    event = AuditEvent(action="invitation.revoked", at=hub.clock.now(), actor=actor, detail={"id": invitation_id})

    def write(tx: Tx) -> None:
        tx.invitations.delete(invitation_id)
        tx.audit.add(event)

    await hub.store.write(write)
    hub.audit(event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What the bearer of a link sends. `replaces` is the sign-in cookie that the browser had before."""

    user_name: str = ""
    password: str
    address: str = ""
    user_agent: str = ""
    replaces: str | None = None

    def __repr__(self) -> str:
        return f"Acceptance({self.user_name!r})"


async def accept_invitation(hub: Hub, secret: str, acceptance: Acceptance) -> SignedIn:
    """Make the account or set the new password, and sign in. Of several at once with a link that works once, one succeeds.

    Raises NotFoundError (the link does not work), BadInputError (name or password), ConflictError (name taken), ForbiddenError.
    """
    keeper = password_keeper(hub)
    invitation = await find_invitation(hub, secret)
    name = _name_of(invitation, acceptance.user_name)
    checked_password(acceptance.password, name)
    await hub.store.read(lambda tx: _account(tx, invitation, name))
    phc = await keeper.hash_password(acceptance.password)
    now, hashed, issuer = hub.clock.now(), hash_secret(secret), hub.authenticator.issuer

    def write(tx: Tx) -> tuple[SignedIn, AuditEvent]:
        if invitation.admin:
            tx.serialise("administrators")  # of two who would be the first, one is
        taken = tx.invitations.take(hashed, now)
        if taken is None or _overtaken(tx, taken):
            raise NotFoundError(_VOID, _ASK)
        user = _account(tx, taken, name)
        groups = frozenset(user.groups if user is not None else ())
        claims = Claims(issuer=issuer, subject="new", username=name, allowed=True, groups=groups | frozenset(taken.groups))
        verdict = admittance(claims, name, access_rules(hub), exists=user is not None, blocked=user is not None and user.blocked)
        if not verdict.allowed:
            raise ForbiddenError("This account is not allowed to use this hub.", "Ask an administrator of this hub.")
        if user is None:
            check_hosts(tx, hub, [name])
        user = _made(tx, user, taken, name, admin=taken.admin or bool(verdict.admin), now=now)
        tx.passwords.put(user.id, phc)
        if not tx.users.has_identity(user.id, issuer):
            tx.users.link_identity(user.id, issuer, str(user.id))
        end_sessions(tx, user.id, now)
        if acceptance.replaces is not None and (before := tx.sessions.find(hash_secret(acceptance.replaces))) is not None:
            end_session(tx, before, now)
        clear_attempts(tx, throttle_keys(hub.secrets, name, ""))
        action = "password.reset" if taken.reset else "account.made"
        event = AuditEvent(
            action=action,
            at=now,
            actor=name,
            target=name,
            address=acceptance.address,
            detail={"admin": user.admin, "invited_by": taken.created_by or "hub"},
        )
        tx.audit.add(event)
        signed_in = open_session(tx, hub, user, issuer, str(user.id), now, address=acceptance.address, user_agent=acceptance.user_agent)
        return signed_in, event

    signed_in, event = await hub.store.write(write)
    hub.audit(event)
    return signed_in


def _name_of(invitation: Invitation, typed: str) -> UserName:
    try:
        return parse_user_name(invitation.user_name or typed)
    except BadNameError as error:
        raise BadInputError(str(error)) from None


def _account(tx: Tx, invitation: Invitation, name: UserName) -> User | None:
    """The existing account that the link is about; None if one is to be made. Raises NotFoundError, ConflictError."""
    user = tx.users.get(name)
    if invitation.reset:
        if user is None:
            raise NotFoundError(_VOID, _ASK)
        return user
    if user is None:
        return None
    # An account that was prepared (in the configuration, say) is for the one whom the link names, or the first administrator.
    if (invitation.user_name is None and not _is_first(invitation)) or tx.passwords.get(user.id) is not None:
        raise ConflictError(f"The name {name} is taken.", "Choose another one.")
    return user


def _made(tx: Tx, user: User | None, invitation: Invitation, name: UserName, *, admin: bool, now: datetime) -> User:
    if user is None:
        user = tx.users.add(name, admin=admin, now=now)
    elif admin and not user.admin:
        user = tx.users.save(replace(user, admin=True))
    if invitation.groups:
        tx.users.set_groups(user.id, frozenset(user.groups) | frozenset(invitation.groups), now)
    return tx.users.by_id(user.id) or user


async def first_admin_link(hub: Hub) -> str | None:
    """The path of a one-time link that makes the first administrator, replacing earlier ones; None where there is one already, or
    accounts come from elsewhere."""
    if not local_accounts(hub):
        return None
    now = hub.clock.now()

    def there_is_one(tx: Tx) -> bool:
        _withdraw(tx, now, _is_first)
        return next(administrators(tx), None) is not None

    return None if await hub.store.write(there_is_one) else await _admin_link(hub, _FIRST)


async def new_admin_link(hub: Hub) -> str:
    """The path of a one-time link that makes an administrator, whoever is there already: for who runs the machine.

    Raises ConflictError where accounts come from elsewhere.
    """
    password_keeper(hub)
    return await _admin_link(hub, "administrator, made on the hub's machine")


async def _admin_link(hub: Hub, note: str) -> str:
    now, secret = hub.clock.now(), token_urlsafe(_SECRET_BYTES)
    invitation = Invitation(id=0, admin=True, note=note, created_by=_BY_HUB, created=now, expires_at=now + ADMIN_LINK_AGE)
    event = AuditEvent(action="invitation.made", at=now, actor="hub", detail={"admin": True, "note": note})

    def write(tx: Tx) -> None:
        tx.invitations.add(invitation, hash_secret(secret))
        tx.audit.add(event)

    await hub.store.write(write)
    hub.audit(event)
    return _path(hub, secret)
