"""Browser sessions: list them, end them, and check now and then that their person is still welcome."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from perijove.control.context import Hub
from perijove.control.people.auth_state import seal, unseal
from perijove.control.people.policy import access_rules, consult, record
from perijove.control.servers.ask import ask_stop
from perijove.domain.claims import Claims, admittance
from perijove.domain.errors import AuthenticatorUnavailableError, ForbiddenError, NotFoundError
from perijove.domain.server import Server, UserId
from perijove.domain.token import Session
from perijove.domain.user import User
from perijove.ports.observer import AuditEvent
from perijove.ports.store.store import Tx

_log = structlog.get_logger("perijove.sessions")
REFRESH_RETRY_S = 60.0
"""How long nobody is checked again after the authenticator was unavailable."""


def end_session(tx: Tx, session: Session, now: datetime) -> None:
    """Delete a session and every OAuth token issued in it: so the person's servers notice the sign-out, too."""
    tx.sessions.delete(session.id, at=now)
    tx.tokens.delete_of_session(session.user_id, session.session_id, at=now)


def end_sessions(tx: Tx, user_id: UserId, now: datetime, *, but: int | None = None) -> int:
    """End all sessions of a person, but for the one with this id. Returns how many."""
    ended = [session for session in tx.sessions.of_user(user_id) if session.id != but]
    for session in ended:
        end_session(tx, session, now)
    return len(ended)


async def sign_out(hub: Hub, session: Session, *, address: str = "") -> None:
    """End a session. One that has ended already is no error."""
    now = hub.clock.now()

    def write(tx: Tx) -> tuple[User | None, AuditEvent | None]:
        end_session(tx, session, now)
        user = tx.users.by_id(session.user_id)
        if user is None:
            return None, None
        event = AuditEvent(action="sign-out", at=now, actor=user.name, target=user.name, address=address)
        tx.audit.add(event)
        return user, event

    _, event = await hub.store.write(write)
    if event is not None:
        hub.audit(event)


async def sessions_of(hub: Hub, user_name: str) -> list[Session]:
    """A person's sessions that have not expired, the most recently used first. Raises NotFoundError."""
    now = hub.clock.now()

    def query(tx: Tx) -> list[Session]:
        return [session for session in tx.sessions.of_user(_known(tx, user_name).id) if session.expires_at > now]

    return sorted(await hub.store.read(query), key=lambda session: session.last_seen, reverse=True)


async def revoke_session(hub: Hub, user_name: str, row_id: int, *, actor: str) -> None:
    """End one of a person's sessions by its `id`. Raises NotFoundError, also for a session of somebody else."""
    now = hub.clock.now()
    event = AuditEvent(action="session.ended", at=now, actor=actor, target=user_name)

    def write(tx: Tx) -> None:
        user = tx.users.get(user_name)
        sessions = tx.sessions.of_user(user.id) if user is not None else []
        session = next((session for session in sessions if session.id == row_id), None)
        if session is None:
            raise NotFoundError("There is no such session.", "Perhaps it has ended already.")
        end_session(tx, session, now)
        tx.audit.add(event)

    await hub.store.write(write)
    hub.audit(event)


async def block_user(hub: Hub, user_name: str, *, actor: str) -> User:
    """Shut a person out at once: no session, token or sign-in of theirs is honoured, and their servers are asked to stop.

    Asking again for somebody blocked stops what still runs. Raises NotFoundError.
    """
    now = hub.clock.now()
    event = AuditEvent(action="user.blocked", at=now, actor=actor, target=user_name)

    def write(tx: Tx) -> tuple[User, list[Server]]:
        user = _known(tx, user_name)
        if not user.blocked:
            user = tx.users.save(replace(user, blocked=True))
        end_sessions(tx, user.id, now)
        tx.tokens.delete_of_user(user.id, at=now)
        tx.audit.add(event)
        return user, tx.servers.of_users([user.id]).get(user.id, [])

    user, servers = await hub.store.write(write)
    hub.audit(event)
    for server in servers:
        if not server.stopped:
            await ask_stop(hub, user_name, server.name, actor=actor, reason=f"{user_name} was blocked")
    return user


async def unblock_user(hub: Hub, user_name: str, *, actor: str) -> User:
    """Let a person sign in again. Raises NotFoundError."""
    event = AuditEvent(action="user.unblocked", at=hub.clock.now(), actor=actor, target=user_name)

    def write(tx: Tx) -> User:
        user = _known(tx, user_name)
        tx.audit.add(event)
        return tx.users.save(replace(user, blocked=False)) if user.blocked else user

    user = await hub.store.write(write)
    hub.audit(event)
    return user


def _known(tx: Tx, user_name: str) -> User:
    user = tx.users.get(user_name)
    if user is None:
        raise NotFoundError("No access to resources or resources not found")
    return user


@dataclass(frozen=True, slots=True)
class _Recorded:
    session: Session
    user: User
    sealed: bytes | None


class Refresher:
    """Asks the authenticator again about people who stay signed in, and applies the rules again.

    Only a definite answer ends a session. While the authenticator is unavailable everybody stays signed in, and it is left
    alone for REFRESH_RETRY_S after each failure: an outage does not make every page slow.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._age = timedelta(seconds=hub.settings.hub.refresh_age)
        self._rest_until = float("-inf")
        self._busy: set[int] = set()

    def due(self, refreshed_at: datetime, now: datetime) -> bool:
        return bool(self._age) and refreshed_at + self._age <= now and self._hub.clock.monotonic() >= self._rest_until

    async def refresh(self, session: Session, hashed: bytes) -> datetime | None:
        """When the person was last found welcome; None: not any more, and the session has ended.

        A session that is being checked already, for another request, is taken as it stands.
        """
        if session.id in self._busy:
            return session.refreshed_at
        self._busy.add(session.id)
        try:
            return await self._refresh(session, hashed)
        finally:
            self._busy.discard(session.id)

    async def _refresh(self, session: Session, hashed: bytes) -> datetime | None:
        hub = self._hub
        recorded = await hub.store.read(lambda tx: _recorded(tx, hashed))
        if recorded is None:
            return None
        if not self.due(recorded.session.refreshed_at, hub.clock.now()):  # another replica did it
            return recorded.session.refreshed_at
        user = recorded.user
        claims = Claims(
            issuer=session.issuer,
            subject=session.subject,
            username=user.name,
            display_name=user.display_name,
            user_info=user.user_info,
            auth_state=unseal(hub, recorded.sealed, user.name),
        )
        reason = "the account is gone"
        try:
            fresh = await consult(hub, hub.authenticator.refresh(claims))
        except AuthenticatorUnavailableError as error:
            self._rest_until = hub.clock.monotonic() + REFRESH_RETRY_S
            _log.warning("nobody is checked again for a while: the authenticator is unavailable", reason=str(error), wait_s=REFRESH_RETRY_S)
            return session.refreshed_at
        except ForbiddenError as error:
            fresh, reason = None, error.message
        if fresh is not None and (fresh.issuer, fresh.subject) != (session.issuer, session.subject):
            fresh, reason = None, "the account belongs to somebody else now"
        return await self._conclude(session, claims, fresh, reason)

    async def _conclude(self, session: Session, before: Claims, fresh: Claims | None, reason: str) -> datetime | None:
        hub, now, rules = self._hub, self._hub.clock.now(), access_rules(self._hub)
        sealed = None if fresh is None or fresh.auth_state == before.auth_state else seal(hub, fresh.auth_state)

        def write(tx: Tx) -> tuple[bool, list[AuditEvent]]:
            user = tx.users.by_id(session.user_id)
            if user is None:
                return False, []
            why = reason
            if fresh is not None:
                verdict = admittance(fresh, user.name, rules, exists=True, blocked=user.blocked, recorded_groups=frozenset(user.groups))
                why = verdict.reason
                if verdict.allowed:
                    _, events = record(tx, hub, user, fresh, admin=verdict.admin, sealed=sealed, now=now)
                    tx.sessions.save_seen(session.id, seen=now, refreshed=now)
                    return True, events
            ended = end_sessions(tx, user.id, now)
            event = AuditEvent(
                action="session.ended", at=now, actor="hub", target=user.name, outcome="refused", detail={"reason": why, "sessions": ended}
            )
            tx.audit.add(event)
            return False, [event]

        welcome, events = await hub.store.write(write)
        for event in events:
            hub.audit(event)
        return now if welcome else None


def _recorded(tx: Tx, hashed: bytes) -> _Recorded | None:
    session = tx.sessions.find(hashed)
    user = tx.users.by_id(session.user_id) if session is not None else None
    return None if session is None or user is None else _Recorded(session, user, tx.users.auth_state(user.id))
