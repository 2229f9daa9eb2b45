"""Pages of servers, for administrators."""

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Text, bindparam, func, or_, select

from perijove.adapters.store_sql.link import Link
from perijove.adapters.store_sql.rows import to_json
from perijove.adapters.store_sql.schema import SERVERS, USERS
from perijove.adapters.store_sql.server_rows import select_servers, server_of
from perijove.adapters.store_sql.statement import Speech, Statement
from perijove.domain.page import Page
from perijove.domain.server import Phase, Server


def page_of_servers(link: Link, offset: int, limit: int, search: str, phases: Sequence[Phase]) -> Page[Server]:
    items, count = _statements(bool(search), bool(phases))
    given: dict[str, Any] = {}
    if search:
        given["search"] = unicodedata.normalize("NFC", search).lower()
    if phases:
        given["phases"] = to_json([phase.value for phase in phases])
    found = link.rows(items, size=limit, skip=offset, **given)
    return Page(tuple(map(server_of, found)), offset, limit, link.value(count, **given))


@cache
def _statements(searched: bool, phased: bool) -> tuple[Statement, Statement]:
    def wanted(speech: Speech) -> list[ColumnElement[bool]]:
        terms = [SERVERS.c.user_id == USERS.c.id]
        if searched:
            terms.append(or_(speech.holds(USERS.c.name, "search"), speech.holds(SERVERS.c.name, "search")))
        if phased:
            terms.append(SERVERS.c.phase.in_(speech.listed("phases", Text())))
        return terms

    def items(speech: Speech) -> Any:
        part = (
            select(SERVERS.c.id)
            .where(*wanted(speech))
            .order_by(USERS.c.name, SERVERS.c.name)
            .limit(bindparam("size"))
            .offset(bindparam("skip"))
            .subquery("part")
        )
        return (
            select_servers()
            .join(USERS, USERS.c.id == SERVERS.c.user_id)
            .where(SERVERS.c.id.in_(select(part.c.id)))
            .order_by(USERS.c.name, SERVERS.c.name)
        )

    return Statement(items), Statement(lambda speech: select(func.count()).select_from(SERVERS, USERS).where(*wanted(speech)))
