"""With whom servers are shared."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, bindparam, delete, func, select, union_all

from perijove.adapters.store_sql.link import Link, Row
from perijove.adapters.store_sql.people import announce_people
from perijove.adapters.store_sql.rows import from_us, strings, to_json, to_us
from perijove.adapters.store_sql.schema import GROUPS, MEMBERSHIPS, SERVERS, SHARES, USERS
from perijove.adapters.store_sql.share_rows import server_columns, shared_server
from perijove.adapters.store_sql.statement import Statement, equals
from perijove.domain.change import Topic
from perijove.domain.errors import NotFoundError
from perijove.domain.page import Page
from perijove.domain.server import ServerId, UserId
from perijove.domain.share import Recipient, Share
from perijove.ports.store.shares import ShareQuery

_USER: Final = select(USERS.c.name).where(USERS.c.id == SHARES.c.user_id).correlate(SHARES).scalar_subquery()
_GROUP: Final = select(GROUPS.c.name).where(GROUPS.c.id == SHARES.c.group_id).correlate(SHARES).scalar_subquery()


def _shares(*terms: ColumnElement[bool]) -> Select[Any]:
    return select(SHARES.c.id, _USER, _GROUP, SHARES.c.scopes, SHARES.c.created, *server_columns(SHARES)).where(*terms)


def _recipient(user: str | None, group: str | None) -> Recipient:
    return Recipient("user", user) if user is not None else Recipient("group", group or "")


def _share(row: Row) -> Share:
    share_id, user, group, names, created, *server = row
    return Share(id=share_id, server=shared_server(*server), to=_recipient(user, group), names=frozenset(strings(names)), created=from_us(created))


_SERVER: Final = SHARES.c.server_id.in_(
    select(SERVERS.c.id).where(SERVERS.c.user_id == USERS.c.id, equals(USERS.c.name, "owner"), equals(SERVERS.c.name, "server_name"))
)
_OF_GROUP: Final = SHARES.c.group_id.in_(select(GROUPS.c.id).where(equals(GROUPS.c.name, "key")))
_OF_OWNER: Final = SHARES.c.server_id.in_(select(SERVERS.c.id).where(equals(SERVERS.c.user_id, "key")))
_OF_SERVER: Final = equals(SHARES.c.server_id, "key")
_OTHER: Final = SHARES.alias("other")
_HELD: Final = SHARES.c.id.in_(
    union_all(
        select(_OTHER.c.id).where(equals(_OTHER.c.user_id, "key")),
        select(_OTHER.c.id).where(_OTHER.c.group_id == MEMBERSHIPS.c.group_id, equals(MEMBERSHIPS.c.user_id, "key")),
    )
)
"""Not "by user or by group": PostgreSQL would then read all shares, and this is asked for everybody who comes."""
_COLUMN: Final = {"user": SHARES.c.user_id, "group": SHARES.c.group_id}
_TABLE: Final = {"user": USERS, "group": GROUPS}


def _per_kind(make: Callable[[str], Statement]) -> dict[str, Statement]:
    return {kind: make(kind) for kind in ("user", "group")}


_FIND = _per_kind(lambda kind: Statement(_shares(_SERVER, _COLUMN[kind].in_(select(_TABLE[kind].c.id).where(equals(_TABLE[kind].c.name, "name"))))))
_ID = _per_kind(lambda kind: Statement(select(_TABLE[kind].c.id).where(equals(_TABLE[kind].c.name, "name"))))
_PUT = _per_kind(
    lambda kind: Statement(
        lambda speech: speech.upsert(
            SHARES, "server_id", f"{kind}_id", "scopes", "created", keys=("server_id", f"{kind}_id"), update=("scopes",)
        ).returning(SHARES.c.id)
    )
)
_GET = Statement(_shares(equals(SHARES.c.id, "key")))
_SERVER_THERE = Statement(select(SERVERS.c.id).where(equals(SERVERS.c.id, "key")))
_DELETE = Statement(delete(SHARES).where(equals(SHARES.c.id, "key")))
_DELETE_OF_SERVER = Statement(delete(SHARES).where(_OF_SERVER))
_ALL_HELD = Statement(_shares(_HELD).order_by(SHARES.c.id))
_HOLDERS_OF_SERVER = Statement(select(_USER, _GROUP).where(_OF_SERVER))
_HOLDERS_OF_OWNER = Statement(select(_USER, _GROUP).where(_OF_OWNER))


def _pages(term: ColumnElement[bool]) -> tuple[Statement, Statement]:
    page = _shares(term).order_by(SHARES.c.id).limit(bindparam("size")).offset(bindparam("skip"))
    return Statement(page), Statement(select(func.count()).select_from(SHARES).where(term))


_PAGE_OF_OWNER, _PAGE_OF_SERVER, _PAGE_HELD, _PAGE_OF_GROUP = map(_pages, (_OF_OWNER, _OF_SERVER, _HELD, _OF_GROUP))


def announce_share_holders(link: Link, at: datetime, *, server: ServerId | None = None, owner: UserId | None = None) -> None:
    """Those who hold a share of a server, or of any server of a user: what they may do changes, or is called otherwise now."""
    statement, key = (_HOLDERS_OF_SERVER, server) if server is not None else (_HOLDERS_OF_OWNER, owner)
    _announce(link, [_recipient(*row) for row in link.rows(statement, key=key)], at)


def _announce(link: Link, holders: list[Recipient], at: datetime) -> None:
    announce_people(link, (holder.name for holder in holders if holder.kind == "user"), at)
    for group in sorted({holder.name for holder in holders if holder.kind == "group"}):
        link.announce(Topic.GROUP, group, at=at)


class SqlShares:
    """Implements ports.store.Shares."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def find(self, owner: str, server: str, to: Recipient) -> Share | None:
        row = self._link.row(_FIND[to.kind], owner=owner, server_name=server, name=to.name)
        return None if row is None else _share(row)

    def put(self, server_id: ServerId, to: Recipient, names: frozenset[str], *, now: datetime) -> Share:
        holder = self._link.row(_ID[to.kind], name=to.name)
        if holder is None:
            raise NotFoundError(f"There is no {to.kind} {to.name!r}.")
        if self._link.row(_SERVER_THERE, key=server_id) is None:
            raise NotFoundError("The server is not there any more.")
        given = {"server_id": server_id, f"{to.kind}_id": holder[0], "scopes": to_json(sorted(names)), "created": to_us(now)}
        put = self._link.returned(_PUT[to.kind], **given)
        _announce(self._link, [to], now)
        return _share(self._link.rows(_GET, key=put[0][0])[0])

    def delete(self, share_id: int, *, now: datetime) -> bool:
        row = self._link.row(_GET, key=share_id)
        if row is None or not self._link.run(_DELETE, key=share_id):
            return False
        _announce(self._link, [_share(row).to], now)
        return True

    def delete_of_server(self, server_id: ServerId, *, now: datetime) -> int:
        announce_share_holders(self._link, now, server=server_id)
        return self._link.run(_DELETE_OF_SERVER, key=server_id)

    def held_by(self, user_id: UserId) -> list[Share]:
        return [_share(row) for row in self._link.rows(_ALL_HELD, key=user_id)]

    def page(self, offset: int, limit: int, query: ShareQuery) -> Page[Share]:
        key: object
        if query.owner is not None:
            (items, count), key = _PAGE_OF_OWNER, query.owner
        elif query.server is not None:
            (items, count), key = _PAGE_OF_SERVER, query.server
        elif query.held_by is not None:
            (items, count), key = _PAGE_HELD, query.held_by
        else:
            (items, count), key = _PAGE_OF_GROUP, query.group
        found = self._link.rows(items, key=key, size=limit, skip=offset)
        return Page(tuple(map(_share, found)), offset, limit, int(self._link.value(count, key=key)))
