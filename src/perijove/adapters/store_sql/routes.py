"""Where the proxies send what."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Text, bindparam, delete, select

from perijove.adapters.store_sql.link import Link, Row
from perijove.adapters.store_sql.notices import last_revision
from perijove.adapters.store_sql.rows import from_json, to_json
from perijove.adapters.store_sql.schema import ROUTES
from perijove.adapters.store_sql.statement import Statement, equals
from perijove.domain.change import Topic
from perijove.domain.server import ServerId
from perijove.ports.store.servers import StoredRoute

_COLUMNS: Final = ("spec", "target", "data", "server_id", "revision")
_SELECT: Final = select(*(ROUTES.c[name] for name in _COLUMNS))
_GONE: Final[Mapping[str, Any]] = {"target": None}

_FIND = Statement(_SELECT.where(equals(ROUTES.c.spec, "key")))
_SERVERS_OF = Statement(
    lambda speech: select(ROUTES.c.spec, ROUTES.c.server_id).where(ROUTES.c.spec.in_(speech.listed("specs", Text())), ROUTES.c.server_id.is_not(None))
)
_ALL = Statement(_SELECT.order_by(ROUTES.c.spec))
_PART = Statement(_SELECT.order_by(ROUTES.c.spec).limit(bindparam("size")).offset(bindparam("skip")))
_SET = Statement(lambda speech: speech.upsert(ROUTES, *_COLUMNS, keys=("spec",), update=_COLUMNS[1:]))
_DELETE = Statement(delete(ROUTES).where(equals(ROUTES.c.spec, "key")).returning(ROUTES.c.spec))
_DELETE_OF_SERVER = Statement(delete(ROUTES).where(equals(ROUTES.c.server_id, "key")).returning(ROUTES.c.spec))


def _route(row: Row) -> StoredRoute:
    spec, target, data, server_id, _ = row
    return StoredRoute(spec=spec, target=target, data=from_json(data), server_id=server_id)


class SqlRoutes:
    """Implements ports.store.Routes."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def set(self, route: StoredRoute, at: datetime) -> int:
        data = to_json(route.data)
        known = self._link.row(_FIND, key=route.spec)
        if known is not None and tuple(known[:4]) == (route.spec, route.target, data, route.server_id):
            return int(known[4])
        self._link.announce(Topic.ROUTE, route.spec, {"target": route.target, "data": dict(route.data)}, at=at)
        revision = self._link.announced()
        self._link.run(_SET, spec=route.spec, target=route.target, data=data, server_id=route.server_id, revision=revision)
        return revision

    def delete(self, spec: str, at: datetime) -> None:
        self._announce_gone(self._link.returned(_DELETE, key=spec), at)

    def delete_of_server(self, server_id: ServerId, at: datetime) -> None:
        self._announce_gone(self._link.returned(_DELETE_OF_SERVER, key=server_id), at)

    def servers_of(self, specs: Sequence[str]) -> dict[str, ServerId]:
        rows = self._link.rows(_SERVERS_OF, specs=to_json(list(specs))) if specs else []
        return {spec: ServerId(server_id) for spec, server_id in rows}

    def all(self) -> tuple[int, list[StoredRoute]]:
        return last_revision(self._link), [_route(row) for row in self._link.rows(_ALL)]

    def part(self, offset: int, limit: int) -> list[StoredRoute]:
        return [_route(row) for row in self._link.rows(_PART, size=limit, skip=offset)]

    def find(self, spec: str) -> StoredRoute | None:
        row = self._link.row(_FIND, key=spec)
        return None if row is None else _route(row)

    def _announce_gone(self, rows: list[Row], at: datetime) -> None:
        for (spec,) in rows:
            self._link.announce(Topic.ROUTE, spec, _GONE, at=at)
