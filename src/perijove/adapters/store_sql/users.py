"""People, their identities, memberships and what their authenticator left with us."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Text, bindparam, cast, delete, func, literal_column, select, update

from perijove.adapters.store_sql.link import Link
from perijove.adapters.store_sql.people import announce_people, held, name_of, select_people, user_of
from perijove.adapters.store_sql.people_page import page_of_people
from perijove.adapters.store_sql.rows import to_json, to_optional_json, to_us
from perijove.adapters.store_sql.schema import AUTH_STATES, GROUPS, IDENTITIES, MEMBERSHIPS, SERVERS, USERS
from perijove.adapters.store_sql.sessions import SqlSessions
from perijove.adapters.store_sql.shares import announce_share_holders
from perijove.adapters.store_sql.statement import Speech, Statement, equals
from perijove.adapters.store_sql.tokens import SqlTokens
from perijove.adapters.store_sql.touching import touching
from perijove.domain.change import Topic
from perijove.domain.errors import ConflictError, NotFoundError
from perijove.domain.page import Page
from perijove.domain.server import UserId
from perijove.domain.user import User
from perijove.ports.store.access import UserQuery
from perijove.wire.names import UserName

_COLUMNS = ("name", "admin", "blocked", "created")
_BY_IDENTITY = (IDENTITIES.c.user_id == USERS.c.id, equals(IDENTITIES.c.issuer, "issuer"), equals(IDENTITIES.c.subject, "subject"))

_GET = Statement(lambda speech: select_people(speech).where(equals(USERS.c.name, "key")))
_GET_HELD = Statement(lambda speech: held(select_people(speech).where(equals(USERS.c.name, "key"))))
_BY_ID = Statement(lambda speech: select_people(speech).where(equals(USERS.c.id, "key")))
_BY_ID_HELD = Statement(lambda speech: held(select_people(speech).where(equals(USERS.c.id, "key"))))
_OF_IDENTITY = Statement(lambda speech: select_people(speech).where(*_BY_IDENTITY))
_OF_IDENTITY_HELD = Statement(lambda speech: held(select_people(speech).where(*_BY_IDENTITY)))
_LINK = Statement(
    lambda speech: speech.insert_missing(IDENTITIES, "issuer", "subject", "user_id", keys=("issuer", "subject")).returning(IDENTITIES.c.user_id)
)
_LINKED = Statement(select(IDENTITIES.c.user_id).where(equals(IDENTITIES.c.issuer, "issuer"), equals(IDENTITIES.c.subject, "subject")))
_HAS_IDENTITY = Statement(select(IDENTITIES.c.user_id).where(equals(IDENTITIES.c.user_id, "key"), equals(IDENTITIES.c.issuer, "issuer")).limit(1))
_ADD = Statement(lambda speech: speech.insert_missing(USERS, *_COLUMNS, keys=("name",)).returning(USERS.c.id))


def _add_missing(speech: Speech) -> Any:
    names = speech.listed("names", Text()).subquery("given")
    flag = cast(bindparam("admin"), Boolean)
    rows = select(names.c[0], flag, literal_column("false"), cast(bindparam("created"), BigInteger)).where(literal_column("true"))
    return speech.insert_missing_from(USERS, _COLUMNS, rows, keys=("name",)).returning(USERS.c.name, USERS.c.id)


_ADD_MISSING = Statement(_add_missing)
_TAKEN = Statement(select(USERS.c.id).where(equals(USERS.c.name, "new_name"), USERS.c.id != bindparam("key")))
_SAVE = Statement(
    update(USERS)
    .where(equals(USERS.c.id, "key"))
    .values({name: bindparam(name) for name in ("name", "admin", "blocked", "display_name", "user_info")})
)
_SERVERS = Statement(select(func.count()).select_from(SERVERS).where(equals(SERVERS.c.user_id, "key")))
_DELETE = Statement(delete(USERS).where(equals(USERS.c.id, "key")))
_NAMES = Statement(select(USERS.c.name))
_COUNT = Statement(select(func.count()).select_from(USERS))
_COUNT_ACTIVE = Statement(select(func.count()).select_from(USERS).where(USERS.c.last_activity >= bindparam("moment")))
_TOUCH = Statement(update(USERS).where(equals(USERS.c.id, "key"), USERS.c.last_activity < bindparam("at")).values(last_activity=bindparam("at")))
_TOUCH_ALL = Statement(lambda speech: touching(speech, USERS, speech.pairs("activity")))
_PUT_AUTH_STATE = Statement(lambda speech: speech.upsert(AUTH_STATES, "user_id", "sealed", keys=("user_id",), update=("sealed",)))
_DROP_AUTH_STATE = Statement(delete(AUTH_STATES).where(equals(AUTH_STATES.c.user_id, "key")))
_AUTH_STATE = Statement(select(AUTH_STATES.c.sealed).where(equals(AUTH_STATES.c.user_id, "key")))
_AUTH_STATES = Statement(
    select(AUTH_STATES.c.user_id, AUTH_STATES.c.sealed)
    .where(AUTH_STATES.c.user_id > bindparam("after"))
    .order_by(AUTH_STATES.c.user_id)
    .limit(bindparam("size"))
)
_DROP_AUTH_STATES = Statement(delete(AUTH_STATES))

_ADD_GROUPS = Statement(
    lambda speech: speech.insert_missing_from(
        GROUPS, ("name",), select(speech.listed("names", Text()).subquery("given").c[0]).where(literal_column("true")), keys=("name",)
    )
)
_JOIN = Statement(
    lambda speech: speech.insert_missing_from(
        MEMBERSHIPS,
        ("user_id", "group_id"),
        select(cast(bindparam("key"), BigInteger), GROUPS.c.id).where(GROUPS.c.name.in_(speech.listed("names", Text()))),
        keys=("user_id", "group_id"),
    )
)
_LEAVE = Statement(
    lambda speech: delete(MEMBERSHIPS).where(
        equals(MEMBERSHIPS.c.user_id, "key"), MEMBERSHIPS.c.group_id.in_(select(GROUPS.c.id).where(GROUPS.c.name.in_(speech.listed("names", Text()))))
    )
)


class SqlUsers:
    """Implements ports.store.Users."""

    def __init__(self, link: Link, tokens: SqlTokens, sessions: SqlSessions) -> None:
        self._link = link
        self._tokens = tokens
        self._sessions = sessions

    def get(self, name: str) -> User | None:
        row = self._link.row(_GET_HELD if self._link.writable else _GET, key=name)
        return None if row is None else user_of(row)

    def by_id(self, user_id: UserId) -> User | None:
        row = self._link.row(_BY_ID_HELD if self._link.writable else _BY_ID, key=user_id)
        return None if row is None else user_of(row)

    def by_identity(self, issuer: str, subject: str) -> User | None:
        row = self._link.row(_OF_IDENTITY_HELD if self._link.writable else _OF_IDENTITY, issuer=issuer, subject=subject)
        return None if row is None else user_of(row)

    def link_identity(self, user_id: UserId, issuer: str, subject: str) -> None:
        if not self._link.returned(_LINK, issuer=issuer, subject=subject, user_id=user_id):
            if self._link.value(_LINKED, issuer=issuer, subject=subject) != user_id:
                raise ConflictError(
                    f"The identity {subject!r} of {issuer} belongs to somebody else.", "An administrator can tell whose it is, and take it from them."
                )
            return
        announce_people(self._link, (name_of(self._link, user_id) or "*",), self._link.now())

    def has_identity(self, user_id: UserId, issuer: str) -> bool:
        return self._link.row(_HAS_IDENTITY, key=user_id, issuer=issuer) is not None

    def add(self, name: str, *, admin: bool = False, now: datetime) -> User:
        added = self._link.returned(_ADD, name=name, admin=admin, blocked=False, created=to_us(now))
        if not added:
            raise ConflictError(f"User {name} already exists", "Choose another name.")
        self._link.announce(Topic.USER, name, at=now)
        return User(id=UserId(added[0][0]), name=UserName(name), admin=admin, created=now)

    def add_missing(self, names: Sequence[str], *, admin: bool = False, now: datetime) -> list[User]:
        if not names:
            return []
        ids: dict[str, int] = dict(self._link.returned(_ADD_MISSING, names=to_json(names), admin=admin, created=to_us(now)))
        added = [User(id=UserId(ids[name]), name=UserName(name), admin=admin, created=now) for name in dict.fromkeys(names) if name in ids]
        announce_people(self._link, (user.name for user in added), now)
        return added

    def save(self, user: User, *, was: str | None = None) -> User:
        if was is not None and self._link.row(_TAKEN, new_name=user.name, key=user.id) is not None:
            raise ConflictError(f"User {user.name} already exists", "Choose another name.")
        touched = self._link.run(
            _SAVE,
            key=user.id,
            name=user.name,
            admin=user.admin,
            blocked=user.blocked,
            display_name=user.display_name,
            user_info=to_optional_json(user.user_info),
        )
        if not touched:
            raise NotFoundError(f"User {user.name} is not there any more.")
        announce_people(self._link, (user.name,) if was is None else (user.name, was), self._link.now())
        if was is not None:
            announce_share_holders(self._link, self._link.now(), owner=user.id)
        return user

    def delete(self, user_id: UserId) -> None:
        name, now = name_of(self._link, user_id), self._link.now()
        if name is None:
            return
        left = self._link.value(_SERVERS, key=user_id)
        if left:
            raise ConflictError(f"User {name} still has {left} server(s).", "Stop and delete them first.")
        self._tokens.delete_of_user(user_id, at=now)
        self._sessions.delete_of_user(user_id, at=now)
        self._link.run(_DELETE, key=user_id)
        self._link.announce(Topic.USER, name, at=now)

    def page(self, query: UserQuery) -> Page[User]:
        return page_of_people(self._link, query)

    def names(self) -> list[str]:
        return [name for (name,) in self._link.rows(_NAMES)]

    def count(self) -> int:
        return int(self._link.value(_COUNT))

    def count_active_since(self, moment: datetime) -> int:
        return int(self._link.value(_COUNT_ACTIVE, moment=to_us(moment)))

    def touch(self, user_id: UserId, at: datetime) -> None:
        self._link.run(_TOUCH, key=user_id, at=to_us(at))

    def touch_all(self, activity: Mapping[UserId, datetime]) -> None:
        if activity:
            self._link.run(_TOUCH_ALL, activity=to_json([(user_id, to_us(at)) for user_id, at in sorted(activity.items())]))

    def set_groups(self, user_id: UserId, groups: frozenset[str], now: datetime) -> None:
        user = self.by_id(user_id)
        if user is None:
            raise NotFoundError("The user is not there any more.")
        had = frozenset(user.groups)
        joined, left = sorted(groups - had), sorted(had - groups)
        if joined:
            self._link.run(_ADD_GROUPS, names=to_json(joined))
            self._link.run(_JOIN, key=user_id, names=to_json(joined))
        if left:
            self._link.run(_LEAVE, key=user_id, names=to_json(left))
        if joined or left:
            announce_people(self._link, (user.name,), now)
        for group in (*joined, *left):
            self._link.announce(Topic.GROUP, group, at=now)

    def set_auth_state(self, user_id: UserId, sealed: bytes | None) -> None:
        if sealed is None:
            self._link.run(_DROP_AUTH_STATE, key=user_id)
        else:
            self._link.run(_PUT_AUTH_STATE, user_id=user_id, sealed=sealed)

    def auth_state(self, user_id: UserId) -> bytes | None:
        row = self._link.row(_AUTH_STATE, key=user_id)
        return None if row is None else bytes(row[0])

    def auth_states(self, after: UserId, limit: int) -> list[tuple[UserId, bytes]]:
        return [(UserId(row[0]), bytes(row[1])) for row in self._link.rows(_AUTH_STATES, after=after, size=limit)]

    def drop_auth_states(self) -> int:
        return self._link.run(_DROP_AUTH_STATES)
