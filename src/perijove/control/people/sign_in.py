"""Sign-in: credentials to a session, through throttle, authenticator, rules and the database."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from secrets import token_hex, token_urlsafe

from perijove.control.context import Hub
from perijove.control.people.auth_state import seal
from perijove.control.people.hosting import check_hosts
from perijove.control.people.policy import access_rules, consult, record
from perijove.control.people.sessions import end_session
from perijove.control.people.throttle import clear_attempts, count_attempt, give_back, throttle_keys
from perijove.domain.claims import Claims, admittance
from perijove.domain.errors import AuthenticatorUnavailableError, ConflictError, ForbiddenError
from perijove.domain.token import Session, hash_secret
from perijove.domain.user import User
from perijove.ports.authenticator import Credentials, Form, Redirect, SignInRequest
from perijove.ports.observer import AuditEvent
from perijove.ports.store.store import Tx
from perijove.wire.names import BadNameError, UserName, parse_user_name

COOKIE_BYTES = 32
MAX_REMARK = 200
"""Characters kept of an address or a browser's description."""
ASK_ADMINISTRATOR = "Ask an administrator of this hub."


@dataclass(frozen=True, slots=True)
class SignedIn:
    """`cookie` is the session's secret: it goes into the sign-in cookie and nowhere else."""

    user: User
    cookie: str
    session: Session

    def __repr__(self) -> str:
        return f"SignedIn({self.user.name})"


async def begin(hub: Hub, request: SignInRequest) -> Form | Redirect:
    """What to show, or where to send the browser. Raises AuthenticatorUnavailableError."""
    return await consult(hub, hub.authenticator.begin(request))


async def finish(hub: Hub, credentials: Credentials, *, user_agent: str = "", replaces: str | None = None, newcomers: bool = True) -> SignedIn:
    """Sign a person in. `replaces` is the sign-in cookie that the browser had before, whose session ends. `newcomers` False: only
    somebody who has an account here.

    Raises TooManyAttemptsError, ForbiddenError (wrong, or not allowed), AuthenticatorUnavailableError.
    """
    address = credentials.request.address[:MAX_REMARK]
    typed = credentials.fields.get("username", "")
    keys = throttle_keys(hub.secrets, typed, address)
    now = hub.clock.now()
    await hub.store.write(lambda tx: count_attempt(tx, keys, hub.settings.limits, now))
    try:
        claims = await consult(hub, hub.authenticator.finish(credentials))
    except AuthenticatorUnavailableError:
        await hub.store.write(lambda tx: give_back(tx, keys))
        raise
    except ForbiddenError as error:
        await _refuse(hub, typed, address, error.message)
        raise
    if claims is None:
        await _refuse(hub, typed, address, "wrong credentials")
        raise ForbiddenError("The user name or password is wrong." if "password" in credentials.fields else "The sign-in was not accepted.")
    return await _admit(hub, claims, keys, address=address, user_agent=user_agent, replaces=replaces, newcomers=newcomers)


def open_session(tx: Tx, hub: Hub, user: User, issuer: str, subject: str, now: datetime, *, address: str, user_agent: str) -> SignedIn:
    """A new session, for use in a transaction."""
    cookie = token_urlsafe(COOKIE_BYTES)
    session = Session(
        id=0,
        user_id=user.id,
        session_id=token_hex(16),
        issuer=issuer,
        subject=subject,
        created=now,
        last_seen=now,
        expires_at=now + timedelta(seconds=hub.settings.hub.session_age),
        refreshed_at=now,
        address=address[:MAX_REMARK],
        user_agent=user_agent[:MAX_REMARK],
    )
    session = tx.sessions.add(session, hash_secret(cookie))
    tx.users.touch(user.id, now)
    return SignedIn(user, cookie, session)


@dataclass(frozen=True, slots=True)
class _Refused:
    """Returned, not raised, so that the transaction that records the refusal stands."""

    message: str
    event: AuditEvent


async def _admit(hub: Hub, claims: Claims, keys: Sequence[str], *, address: str, user_agent: str, replaces: str | None, newcomers: bool) -> SignedIn:
    now = hub.clock.now()
    try:
        proposed = parse_user_name(claims.username)
    except BadNameError as error:
        raise ForbiddenError(f"Your account's name cannot be used here: {error}", ASK_ADMINISTRATOR) from None
    if not claims.issuer or not claims.subject:
        raise AuthenticatorUnavailableError(
            "The authenticator did not say who you are.", "This is a mistake in the authenticator; its author can mend it."
        )
    sealed = seal(hub, claims.auth_state)

    def write(tx: Tx) -> tuple[SignedIn, list[AuditEvent]] | _Refused:
        clear_attempts(tx, keys)
        user = tx.users.by_identity(claims.issuer, claims.subject)
        linked = user is not None
        if user is None:
            user = tx.users.get(proposed)  # held from here on, so a second look is the last word
            taken = user is not None and tx.users.has_identity(user.id, claims.issuer)
            if taken and (found := tx.users.by_identity(claims.issuer, claims.subject)) is not None:
                user, linked = found, True  # another replica made it between the two questions
            elif taken:
                reason = f"the name {proposed} belongs to another account of {claims.issuer}"
                return _refused(tx, now, proposed, address, reason, "Your account's name is taken by somebody else here.")
        name = user.name if user is not None else proposed
        groups = frozenset(user.groups) if user is not None else frozenset[str]()
        blocked = user is not None and user.blocked
        verdict = admittance(claims, name, access_rules(hub), exists=user is not None, blocked=blocked, recorded_groups=groups)
        if not verdict.allowed:
            return _refused(tx, now, name, address, verdict.reason, "Your account is not allowed to use this hub.")
        if user is None and not newcomers:
            return _refused(tx, now, name, address, "no account yet", "You have no account here yet: sign in with a browser first.")
        if user is None:
            user = tx.users.add(name, admin=bool(verdict.admin), now=now)
            check_hosts(tx, hub, [name])
        if not linked:
            tx.users.link_identity(user.id, claims.issuer, claims.subject)
        user, more = record(tx, hub, user, claims, admin=verdict.admin, sealed=sealed, now=now)
        if replaces is not None and (before := tx.sessions.find(hash_secret(replaces))) is not None:
            end_session(tx, before, now)
        signed_in = open_session(tx, hub, user, claims.issuer, claims.subject, now, address=address, user_agent=user_agent)
        event = AuditEvent(action="sign-in", at=now, actor=user.name, target=user.name, address=address, detail={"rule": verdict.reason})
        tx.audit.add(event)
        return signed_in, [event, *more]

    try:
        done = await hub.store.write(write)
    except ConflictError:  # the same person's first sign-in, at another replica at the same moment
        done = await hub.store.write(write)
    if isinstance(done, _Refused):
        hub.audit(done.event)
        raise ForbiddenError(done.message, ASK_ADMINISTRATOR)
    signed_in, events = done
    for event in events:
        hub.audit(event)
    return signed_in


def _refused(tx: Tx, now: datetime, name: UserName, address: str, reason: str, message: str) -> _Refused:
    event = AuditEvent(action="sign-in", at=now, actor="", target=name, outcome="refused", address=address, detail={"reason": reason})
    tx.audit.add(event)
    return _Refused(message, event)


async def _refuse(hub: Hub, typed: str, address: str, reason: str) -> None:
    """Record a failed attempt. A name nobody has is not written down: it may be a password in the wrong field."""
    event = AuditEvent(action="sign-in", at=hub.clock.now(), actor="", outcome="failure", address=address, detail={"reason": reason})
    try:
        name = str(parse_user_name(typed))
    except BadNameError:
        name = ""

    def write(tx: Tx) -> AuditEvent:
        known = replace(event, target=name) if name and tx.users.get(name) is not None else event
        tx.audit.add(known)
        return known

    hub.audit(await hub.store.write(write))
