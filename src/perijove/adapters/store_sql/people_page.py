"""Pages of people: searched, sorted and counted by the database."""

import unicodedata
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, GenerativeSelect, Select, Text, bindparam, exists, func, literal_column, select, union

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

_SORTS = ("id", "name", "last_activity")
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
    """The people of a page, and how many there are on all pages. What each costs on a large site: docs/explanation/performance.md."""

    def wanted(speech: Speech) -> list[ColumnElement[bool]]:
        terms: list[ColumnElement[bool]] = []
        if searched:
            terms.append(speech.holds(USERS.c.name, "search"))
        if not all_visible:
            terms.append(USERS.c.id.in_(_visible(speech)))
        return terms

    plain = not searched and all_visible
    order = {"id": [USERS.c.id], "name": [USERS.c.name], "last_activity": [USERS.c.last_activity, USERS.c.id]}[sort]
    ordered = [column.desc() for column in order] if falling else order

    def part(speech: Speech) -> GenerativeSelect:
        if sort == "id" and not searched and (found := _numbered(speech, state, all_visible)) is not None:
            return found.order_by(literal_column("1 DESC" if falling else "1"))
        terms = wanted(speech)
        if state is not None:
            at_work = exists(_busy(state).where(SERVERS.c.user_id == USERS.c.id).correlate(USERS))
            terms.append(~at_work if state == "inactive" else at_work)
        return select(USERS.c.id).where(*terms).order_by(*ordered)

    def items(speech: Speech) -> Any:
        # The page's ids first: what is skipped costs an index entry, not a row with its groups and roles.
        ids = part(speech).limit(bindparam("size")).offset(bindparam("skip")).subquery("part")
        return select_people(speech).where(USERS.c.id.in_(select(ids.c[0]))).order_by(*ordered)

    def count(speech: Speech) -> Any:
        everybody = select(func.count()).select_from(USERS).where(*wanted(speech))
        if not searched and not all_visible:
            everybody = select(func.count()).select_from(_visible(speech).subquery("seen"))
        if state is None:
            return everybody
        if plain:
            at_work = select(func.count()).select_from(_busy(state).distinct().subquery("busy"))
        else:
            at_work = select(func.count()).select_from(USERS).where(*wanted(speech), USERS.c.id.in_(_busy(state)))
        # Those at rest are the others: asking that of each person would be the dearest way to know.
        return select(everybody.scalar_subquery() - at_work.scalar_subquery()) if state == "inactive" else at_work

    return Statement(items), Statement(count)


def _numbered(speech: Speech, state: str | None, all_visible: bool) -> GenerativeSelect | None:
    """Ids of people, where an index has them in order without a look at each person; None where none has."""
    if not all_visible:
        return _visible(speech) if state is None else None
    if state == "inactive":
        return speech.without(select(USERS.c.id), _busy(state))
    return None if state is None else _busy(state).distinct()


def _busy(state: str) -> Select[Any]:
    """Ids of people with a server that is not at rest, or one that is ready; of some of them several times."""
    busy = SERVERS.c.phase.in_(constants(sorted(phase.value for phase in Phase if phase not in IDLE_PHASES)))
    found = select(SERVERS.c.user_id).where(busy).with_hint(SERVERS, "INDEXED BY ix_servers_busy", "sqlite")
    return found.where(SERVERS.c.phase == constant(Phase.READY.value)) if state == "ready" else found


def _visible(speech: Speech) -> CompoundSelect[Any]:
    """Ids of the people who may be seen: by their groups, or by name."""
    members = select(MEMBERSHIPS.c.user_id).where(
        MEMBERSHIPS.c.group_id.in_(select(GROUPS.c.id).where(GROUPS.c.name.in_(speech.listed("visible_groups", Text()))))
    )
    return union(members, select(USERS.c.id).where(USERS.c.name.in_(speech.listed("visible_users", Text()))))
