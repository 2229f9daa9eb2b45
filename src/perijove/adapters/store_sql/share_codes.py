"""Links that give access to a server."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, bindparam, delete, func, select, update

from perijove.adapters.store_sql.link import Link, Row
from perijove.adapters.store_sql.rows import from_optional_us, from_us, strings, to_json, to_us
from perijove.adapters.store_sql.schema import SERVERS, SHARE_CODES
from perijove.adapters.store_sql.share_rows import server_columns, shared_server
from perijove.adapters.store_sql.statement import Statement, equals, insert_all
from perijove.domain.page import Page
from perijove.domain.server import ServerId, UserId
from perijove.domain.share import ShareCode

_COLUMNS: Final = ("id", "scopes", "created", "expires_at", "exchange_count", "last_exchanged_at")


def _codes(*terms: ColumnElement[bool]) -> Select[Any]:
    return select(*(SHARE_CODES.c[name] for name in _COLUMNS), *server_columns(SHARE_CODES)).where(*terms)


def _code(row: Row) -> ShareCode:
    code_id, names, created, expires_at, exchange_count, last_exchanged_at, *server = row
    return ShareCode(
        id=code_id,
        server=shared_server(*server),
        names=frozenset(strings(names)),
        created=from_us(created),
        expires_at=from_us(expires_at),
        exchange_count=exchange_count,
        last_exchanged_at=from_optional_us(last_exchanged_at),
    )


_WORKS: Final = SHARE_CODES.c.expires_at > bindparam("now")
_OF_SERVER: Final = equals(SHARE_CODES.c.server_id, "key")
_OF_OWNER: Final = SHARE_CODES.c.server_id.in_(select(SERVERS.c.id).where(equals(SERVERS.c.user_id, "key")))
_BY_ID: Final = equals(SHARE_CODES.c.id, "code_id")
_BY_HASH: Final = equals(SHARE_CODES.c.hash, "hash")
_ADD = Statement(insert_all(SHARE_CODES, "server_id", "scopes", "hash", "created", "expires_at").returning(SHARE_CODES.c.id))
_GET = Statement(_codes(_BY_ID))
_FIND = Statement(_codes(_BY_HASH, _WORKS))
_EXCHANGED = Statement(update(SHARE_CODES).where(_BY_ID).values(exchange_count=SHARE_CODES.c.exchange_count + 1, last_exchanged_at=bindparam("now")))
_DELETE = {
    (False, False): Statement(delete(SHARE_CODES).where(_OF_SERVER)),
    (True, False): Statement(delete(SHARE_CODES).where(_OF_SERVER, _BY_ID)),
    (False, True): Statement(delete(SHARE_CODES).where(_OF_SERVER, _BY_HASH)),
    (True, True): Statement(delete(SHARE_CODES).where(_OF_SERVER, _BY_ID, _BY_HASH)),
}
_PURGE = Statement(delete(SHARE_CODES).where(SHARE_CODES.c.expires_at <= bindparam("now")))


def _pages(term: ColumnElement[bool]) -> tuple[Statement, Statement]:
    page = _codes(term, _WORKS).order_by(SHARE_CODES.c.id).limit(bindparam("size")).offset(bindparam("skip"))
    return Statement(page), Statement(select(func.count()).select_from(SHARE_CODES).where(term, _WORKS))


_PAGE_OF_SERVER, _PAGE_OF_OWNER = _pages(_OF_SERVER), _pages(_OF_OWNER)


class SqlShareCodes:
    """Implements ports.store.ShareCodes."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def add(self, server_id: ServerId, names: frozenset[str], hashed: bytes, *, now: datetime, expires_at: datetime) -> ShareCode:
        added = self._link.returned(
            _ADD, server_id=server_id, scopes=to_json(sorted(names)), hash=hashed, created=to_us(now), expires_at=to_us(expires_at)
        )
        return _code(self._link.rows(_GET, code_id=added[0][0])[0])

    def find(self, hashed: bytes, now: datetime) -> ShareCode | None:
        row = self._link.row(_FIND, hash=hashed, now=to_us(now))
        return None if row is None else _code(row)

    def exchanged(self, code_id: int, now: datetime) -> None:
        self._link.run(_EXCHANGED, code_id=code_id, now=to_us(now))

    def delete(self, server_id: ServerId, *, code_id: int | None = None, hashed: bytes | None = None) -> int:
        return self._link.run(_DELETE[code_id is not None, hashed is not None], key=server_id, code_id=code_id, hash=hashed)

    def page(self, offset: int, limit: int, now: datetime, *, owner: UserId | None = None, server: ServerId | None = None) -> Page[ShareCode]:
        items, count = _PAGE_OF_OWNER if owner is not None else _PAGE_OF_SERVER
        key, at = owner if owner is not None else server, to_us(now)
        found = self._link.rows(items, key=key, now=at, size=limit, skip=offset)
        return Page(tuple(map(_code, found)), offset, limit, int(self._link.value(count, key=key, now=at)))

    def purge_expired(self, now: datetime) -> int:
        return self._link.run(_PURGE, now=to_us(now))
