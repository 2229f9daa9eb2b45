"""Rows of users as records, and what several repositories ask about people."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Select, Text, select

from perijove.adapters.store_sql.link import Link, Row
from perijove.adapters.store_sql.rows import from_optional_json, from_optional_us, from_us, sorted_strings, to_json
from perijove.adapters.store_sql.schema import GROUPS, MEMBERSHIPS, USER_ROLES, USERS
from perijove.adapters.store_sql.statement import Speech, Statement, equals
from perijove.domain.change import Topic
from perijove.domain.server import UserId
from perijove.domain.user import User
from perijove.wire.names import UserName

_MANY: Final = 100
"""More changed people than this are announced as "*": caches then drop all at the price of one notice."""


def select_people(speech: Speech) -> Select[Any]:
    """One row per user, with groups and roles."""
    groups = select(speech.gathered(GROUPS.c.name)).where(MEMBERSHIPS.c.user_id == USERS.c.id, MEMBERSHIPS.c.group_id == GROUPS.c.id)
    roles = select(speech.gathered(USER_ROLES.c.role)).where(USER_ROLES.c.user_id == USERS.c.id)
    return select(
        USERS.c.id,
        USERS.c.name,
        USERS.c.admin,
        USERS.c.blocked,
        USERS.c.display_name,
        USERS.c.user_info,
        groups.correlate(USERS).scalar_subquery(),
        roles.correlate(USERS).scalar_subquery(),
        USERS.c.created,
        USERS.c.last_activity,
    )


def user_of(row: Row) -> User:
    user_id, name, admin, blocked, display_name, user_info, groups, roles, created, last_activity = row
    return User(
        id=UserId(user_id),
        name=UserName(name),
        admin=bool(admin),
        blocked=bool(blocked),
        display_name=display_name,
        user_info=from_optional_json(user_info),
        groups=sorted_strings(groups),
        roles=sorted_strings(roles),
        created=from_us(created),
        last_activity=from_optional_us(last_activity),
    )


_IDS = Statement(lambda speech: select(USERS.c.name, USERS.c.id).where(USERS.c.name.in_(speech.listed("names", Text()))))
_NAMES = Statement(lambda speech: select(USERS.c.name).where(USERS.c.id.in_(speech.listed("ids", BigInteger()))))
_NAME = Statement(select(USERS.c.name).where(equals(USERS.c.id, "key")))


def ids_of(link: Link, names: Sequence[str]) -> dict[str, int]:
    """Of those that exist."""
    return dict(link.rows(_IDS, names=to_json(names)))


def name_of(link: Link, user_id: UserId) -> str | None:
    found = link.row(_NAME, key=user_id)
    return None if found is None else found[0]


def announce_people(link: Link, names: Iterable[str], at: datetime) -> None:
    """One USER notice each, or one for all."""
    several = sorted(set(names))
    for name in several if len(several) <= _MANY else ("*",):
        link.announce(Topic.USER, name, at=at)


def held(statement: Select[Any]) -> Select[Any]:
    """The same, holding the rows of users until the transaction ends (SQLite's one writer holds them all)."""
    return statement.with_for_update(of=USERS, key_share=True)
