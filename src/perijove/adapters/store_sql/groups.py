"""Groups of people."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Select, Text, bindparam, cast, delete, func, select, update

from perijove.adapters.store_sql.link import Link, Row
from perijove.adapters.store_sql.people import announce_people, ids_of
from perijove.adapters.store_sql.rows import from_json, sorted_strings, to_json
from perijove.adapters.store_sql.schema import GROUP_ROLES, GROUPS, MEMBERSHIPS, USERS
from perijove.adapters.store_sql.statement import Speech, Statement, equals
from perijove.domain.change import Topic
from perijove.domain.errors import ConflictError, NotFoundError
from perijove.domain.page import Page
from perijove.domain.user import Group


def _select_groups(speech: Speech) -> Select[Any]:
    roles = select(speech.gathered(GROUP_ROLES.c.role)).where(GROUP_ROLES.c.group_id == GROUPS.c.id)
    users = select(speech.gathered(USERS.c.name)).where(MEMBERSHIPS.c.group_id == GROUPS.c.id, MEMBERSHIPS.c.user_id == USERS.c.id)
    return select(GROUPS.c.name, GROUPS.c.properties, roles.correlate(GROUPS).scalar_subquery(), users.correlate(GROUPS).scalar_subquery())


def _group(row: Row) -> Group:
    name, properties, roles, users = row
    return Group(name=name, properties=from_json(properties), roles=sorted_strings(roles), users=sorted_strings(users))


_GET = Statement(lambda speech: _select_groups(speech).where(equals(GROUPS.c.name, "key")))
_ID = Statement(select(GROUPS.c.id).where(equals(GROUPS.c.name, "key")))
_ADD = Statement(lambda speech: speech.insert_missing(GROUPS, "name", keys=("name",)).returning(GROUPS.c.id))
_DELETE = Statement(delete(GROUPS).where(equals(GROUPS.c.id, "key")))
_MEMBERS = Statement(select(USERS.c.name).where(equals(MEMBERSHIPS.c.group_id, "key"), MEMBERSHIPS.c.user_id == USERS.c.id))
_JOIN = Statement(
    lambda speech: speech.insert_missing_from(
        MEMBERSHIPS,
        ("user_id", "group_id"),
        select(USERS.c.id, cast(bindparam("key"), BigInteger)).where(USERS.c.id.in_(speech.listed("ids", BigInteger()))),
        keys=("user_id", "group_id"),
    ).returning(MEMBERSHIPS.c.user_id)
)
_LEAVE = Statement(
    lambda speech: (
        delete(MEMBERSHIPS)
        .where(equals(MEMBERSHIPS.c.group_id, "key"), MEMBERSHIPS.c.user_id.in_(speech.listed("ids", BigInteger())))
        .returning(MEMBERSHIPS.c.user_id)
    )
)
_SET_PROPERTIES = Statement(update(GROUPS).where(equals(GROUPS.c.name, "key")).values(properties=bindparam("properties")))
_PAGE = Statement(lambda speech: _select_groups(speech).order_by(GROUPS.c.id).limit(bindparam("size")).offset(bindparam("skip")))
_COUNT = Statement(select(func.count()).select_from(GROUPS))
_PAGE_OF = Statement(
    lambda speech: (
        _select_groups(speech)
        .where(GROUPS.c.name.in_(speech.listed("names", Text())))
        .order_by(GROUPS.c.id)
        .limit(bindparam("size"))
        .offset(bindparam("skip"))
    )
)
_COUNT_OF = Statement(lambda speech: select(func.count()).select_from(GROUPS).where(GROUPS.c.name.in_(speech.listed("names", Text()))))


class SqlGroups:
    """Implements ports.store.Groups."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def get(self, name: str) -> Group | None:
        row = self._link.row(_GET, key=name)
        return None if row is None else _group(row)

    def add(self, name: str, *, now: datetime) -> Group:
        if not self._link.returned(_ADD, name=name):
            raise ConflictError(f"Group {name} already exists", "Choose another name.")
        self._link.announce(Topic.GROUP, name, at=now)
        return Group(name=name)

    def delete(self, name: str, *, now: datetime) -> None:
        found = self._link.row(_ID, key=name)
        if found is None:
            return
        members = [row[0] for row in self._link.rows(_MEMBERS, key=found[0])]
        self._link.run(_DELETE, key=found[0])
        announce_people(self._link, members, now)
        self._link.announce(Topic.GROUP, name, at=now)

    def add_users(self, name: str, users: Sequence[str], *, now: datetime) -> None:
        group, ids = self._group_id(name), ids_of(self._link, users)
        for user in users:
            if user not in ids:
                raise NotFoundError(f"There is no user {user!r}.")
        self._change_members(_JOIN, name, group, ids, now)

    def remove_users(self, name: str, users: Sequence[str], *, now: datetime) -> None:
        """Those who do not exist, or are no members, stay so."""
        self._change_members(_LEAVE, name, self._group_id(name), ids_of(self._link, users), now)

    def set_properties(self, name: str, properties: Mapping[str, Any], *, now: datetime) -> None:
        if not self._link.run(_SET_PROPERTIES, key=name, properties=to_json(properties)):
            raise NotFoundError(f"There is no group {name!r}.")
        self._link.announce(Topic.GROUP, name, at=now)

    def page(self, offset: int, limit: int, *, names: frozenset[str] | None = None) -> Page[Group]:
        if names is None:
            found, total = self._link.rows(_PAGE, size=limit, skip=offset), self._link.value(_COUNT)
        else:
            listed = to_json(sorted(names))
            found, total = self._link.rows(_PAGE_OF, size=limit, skip=offset, names=listed), self._link.value(_COUNT_OF, names=listed)
        return Page(tuple(map(_group, found)), offset, limit, total)

    def _group_id(self, name: str) -> int:
        found = self._link.row(_ID, key=name)
        if found is None:
            raise NotFoundError(f"There is no group {name!r}.")
        return int(found[0])

    def _change_members(self, how: Statement, name: str, group: int, ids: Mapping[str, int], now: datetime) -> None:
        changed = {row[0] for row in self._link.returned(how, key=group, ids=to_json(sorted(ids.values())))}
        if changed:
            announce_people(self._link, (user for user, user_id in ids.items() if user_id in changed), now)
            self._link.announce(Topic.GROUP, name, at=now)
