"""Pages of people: searched, sorted and counted by the database."""

import unicodedata
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Text, bindparam, func, or_, select

from perijove.adapters.store_sql.link import Link
from perijove.adapters.store_sql.people import select_people, user_of
from perijove.adapters.store_sql.rows import to_json
from perijove.adapters.store_sql.schema import GROUPS, MEMBERSHIPS, SERVERS, USERS
from perijove.adapters.store_sql.statement import Speech, Statement, constant, constants
from perijove.domain.errors import BadInputError
from perijove.domain.page import Page
from perijove.domain.server import IDLE_PHASES, Phase
from perijove.domain.user import User
from perijove.ports.store.access import UserQuery

_SORTS = {"id": USERS.c.id, "name": USERS.c.name, "last_activity": USERS.c.last_activity}
_STATES = frozenset({None, "active", "inactive", "ready"})


def page_of_people(link: Link, query: UserQuery) -> Page[User]:
    """Raises BadInputError for a sort or state that is none."""
    sort = query.sort.removeprefix("-")
    if sort not in _SORTS:
        raise BadInputError(f"{query.sort!r} is no order of users.", f"Sort by {', '.join(_SORTS)}, or one of them with '-' before it.")
    if query.state not in _STATES:
        raise BadInputError(f"{query.state!r} is no state of users.", "Ask for active, inactive or ready.")
    items, count = _statements(sort, query.sort.startswith("-"), bool(query.search), query.state, query.visible.all)
    given: dict[str, Any] = {}
    if query.search:
        given["search"] = unicodedata.normalize("NFC", query.search).lower()
    if not query.visible.all:
        given |= {"visible_users": to_json(sorted(query.visible.users)), "visible_groups": to_json(sorted(query.visible.groups))}
    people = tuple(map(user_of, link.rows(items, size=query.limit, skip=query.offset, **given)))
    ends_here = len(people) < query.limit and (people or query.offset == 0)
    total = query.offset + len(people) if ends_here else link.value(count, **given)
    return Page(people, query.offset, query.limit, total)


@cache
def _statements(sort: str, falling: bool, searched: bool, state: str | None, all_visible: bool) -> tuple[Statement, Statement]:
    def wanted(speech: Speech) -> list[ColumnElement[bool]]:
        terms: list[ColumnElement[bool]] = []
        if searched:
            terms.append(speech.contains(USERS.c.name, "search"))
        if state is not None:
            terms.append(_in_state(state))
        if not all_visible:
            members = select(MEMBERSHIPS.c.user_id).where(
                MEMBERSHIPS.c.group_id == GROUPS.c.id, GROUPS.c.name.in_(speech.listed("visible_groups", Text()))
            )
            terms.append(or_(USERS.c.name.in_(speech.listed("visible_users", Text())), USERS.c.id.in_(members)))
        return terms

    order = [_SORTS[sort], USERS.c.id] if sort != "id" else [USERS.c.id]
    ordered = [column.desc() for column in order] if falling else order

    def items(speech: Speech) -> Any:
        # The page's ids first: what is skipped costs an index entry, not a row with its groups and roles.
        part = select(USERS.c.id).where(*wanted(speech)).order_by(*ordered).limit(bindparam("size")).offset(bindparam("skip")).subquery("part")
        return select_people(speech).where(USERS.c.id.in_(select(part.c.id))).order_by(*ordered)

    return Statement(items), Statement(lambda speech: select(func.count()).select_from(USERS).where(*wanted(speech)))


def _in_state(state: str) -> ColumnElement[bool]:
    if state == "ready":
        return USERS.c.id.in_(select(SERVERS.c.user_id).where(SERVERS.c.phase == constant(Phase.READY.value)))
    busy = select(SERVERS.c.user_id).where(SERVERS.c.phase.in_(constants(sorted(phase.value for phase in Phase if phase not in IDLE_PHASES))))
    return USERS.c.id.in_(busy) if state == "active" else USERS.c.id.not_in(busy)
