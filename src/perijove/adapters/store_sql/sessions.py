"""Browsers' sign-ins. Each end is announced with the cookie's hash, so that caches drop it at once."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, case, delete, func, select, update

from perijove.adapters.store_sql.link import Link, Row
from perijove.adapters.store_sql.rows import from_us, to_json, to_optional_us, to_us
from perijove.adapters.store_sql.schema import SESSIONS
from perijove.adapters.store_sql.statement import Speech, Statement, equals
from perijove.domain.change import Topic
from perijove.domain.errors import ConflictError
from perijove.domain.server import UserId
from perijove.domain.token import Session

MANY: Final = 100
"""More ends than this at once are announced as "*"."""
_MOMENTS: Final = ("created", "last_seen", "expires_at", "refreshed_at")
_COLUMNS: Final = ("user_id", "session_id", "issuer", "subject", *_MOMENTS, "address", "user_agent")
_SELECT: Final = select(SESSIONS.c.id, *(SESSIONS.c[name] for name in _COLUMNS))


def _session(row: Row) -> Session:
    session_key, user_id, session_id, issuer, subject, created, last_seen, expires_at, refreshed_at, address, user_agent = row
    return Session(
        id=session_key,
        user_id=user_id,
        session_id=session_id,
        issuer=issuer,
        subject=subject,
        created=from_us(created),
        last_seen=from_us(last_seen),
        expires_at=from_us(expires_at),
        refreshed_at=from_us(refreshed_at),
        address=address,
        user_agent=user_agent,
    )


_ADD = Statement(lambda speech: speech.insert_missing(SESSIONS, "hash", *_COLUMNS, keys=("hash",)).returning(SESSIONS.c.id))
_FIND = Statement(_SELECT.where(equals(SESSIONS.c.hash, "key")))
_OF_USER = Statement(_SELECT.where(equals(SESSIONS.c.user_id, "key")).order_by(SESSIONS.c.last_seen.desc(), SESSIONS.c.id.desc()))
_SAVE_SEEN = Statement(
    update(SESSIONS)
    .where(equals(SESSIONS.c.id, "key"))
    .values(
        last_seen=case((SESSIONS.c.last_seen < bindparam("seen"), bindparam("seen")), else_=SESSIONS.c.last_seen),
        refreshed_at=func.coalesce(bindparam("refreshed", type_=SESSIONS.c.refreshed_at.type), SESSIONS.c.refreshed_at),
        expires_at=func.coalesce(bindparam("expires", type_=SESSIONS.c.expires_at.type), SESSIONS.c.expires_at),
    )
)


def _seen_all(speech: Speech) -> Any:
    pairs = speech.pairs("seen").subquery("pairs")
    return update(SESSIONS).values(last_seen=pairs.c.at).where(SESSIONS.c.id == pairs.c.id, SESSIONS.c.last_seen < pairs.c.at)


_SEEN_ALL = Statement(_seen_all)
_DELETE = Statement(delete(SESSIONS).where(equals(SESSIONS.c.id, "key")).returning(SESSIONS.c.hash))
_DELETE_OF_USER = Statement(delete(SESSIONS).where(equals(SESSIONS.c.user_id, "key")).returning(SESSIONS.c.hash))
_PURGE = Statement(delete(SESSIONS).where(SESSIONS.c.expires_at <= bindparam("now")).returning(SESSIONS.c.hash))


class SqlSessions:
    """Implements ports.store.Sessions."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def add(self, session: Session, hashed: bytes) -> Session:
        moments = {name: to_us(getattr(session, name)) for name in _MOMENTS}
        others = {name: getattr(session, name) for name in _COLUMNS if name not in moments}
        added = self._link.returned(_ADD, hash=hashed, **moments, **others)
        if not added:
            raise ConflictError("This session exists already.", "Sign in again.")
        return replace(session, id=added[0][0])

    def find(self, hashed: bytes) -> Session | None:
        row = self._link.row(_FIND, key=hashed)
        return None if row is None else _session(row)

    def of_user(self, user_id: UserId) -> list[Session]:
        """Seen last first."""
        return [_session(row) for row in self._link.rows(_OF_USER, key=user_id)]

    def save_seen(self, session_id: int, *, seen: datetime, refreshed: datetime | None = None, expires: datetime | None = None) -> None:
        self._link.run(_SAVE_SEEN, key=session_id, seen=to_us(seen), refreshed=to_optional_us(refreshed), expires=to_optional_us(expires))

    def seen_all(self, seen: Mapping[int, datetime]) -> None:
        if seen:
            self._link.run(_SEEN_ALL, seen=to_json([(session_id, to_us(at)) for session_id, at in sorted(seen.items())]))

    def delete(self, session_id: int, *, at: datetime) -> None:
        self._delete(_DELETE, at, key=session_id)

    def delete_of_user(self, user_id: UserId, *, at: datetime) -> int:
        return self._delete(_DELETE_OF_USER, at, key=user_id)

    def purge_expired(self, now: datetime) -> int:
        return self._delete(_PURGE, now, now=to_us(now))

    def _delete(self, how: Statement, at: datetime, **given: Any) -> int:
        gone = self._link.returned(how, **given)
        for key in [bytes(row[0]).hex() for row in gone] if len(gone) <= MANY else ("*",):
            self._link.announce(Topic.SESSION, key, at=at)
        return len(gone)
