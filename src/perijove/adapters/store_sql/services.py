"""Programs that use the hub's API."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, delete, select

from perijove.adapters.store_sql.link import Link, Row
from perijove.adapters.store_sql.rows import from_json, sorted_strings, strings, to_json
from perijove.adapters.store_sql.schema import SERVICE_ROLES, SERVICE_STATES, SERVICES
from perijove.adapters.store_sql.statement import Speech, Statement, equals
from perijove.adapters.store_sql.tokens import SqlTokens
from perijove.domain.change import Topic
from perijove.domain.user import Service

_COLUMNS: Final = (
    "name",
    "admin",
    "url",
    "info",
    "display",
    "oauth_no_confirm",
    "oauth_client_id",
    "oauth_redirect_uri",
    "oauth_client_allowed_scopes",
    "from_config",
    "command",
    "timeout",
)


def _select_services(speech: Speech) -> Select[Any]:
    roles = select(speech.gathered(SERVICE_ROLES.c.role)).where(SERVICE_ROLES.c.service_id == SERVICES.c.id)
    run = select(SERVICE_STATES.c.run).where(SERVICE_STATES.c.service_id == SERVICES.c.id)
    return select(
        SERVICES.c.id,
        roles.correlate(SERVICES).scalar_subquery(),
        run.correlate(SERVICES).scalar_subquery(),
        *(SERVICES.c[name] for name in _COLUMNS),
    )


def _service(row: Row) -> Service:
    service_id, roles, run, name, admin, url, info, display, no_confirm, client_id, redirect_uri, scopes, from_config, command, timeout = row
    return Service(
        id=service_id,
        name=name,
        admin=bool(admin),
        url=url,
        roles=sorted_strings(roles),
        info=from_json(info),
        display=bool(display),
        oauth_no_confirm=bool(no_confirm),
        oauth_client_id=client_id,
        oauth_redirect_uri=redirect_uri,
        oauth_client_allowed_scopes=strings(scopes),
        from_config=bool(from_config),
        command=strings(command),
        timeout_s=timeout,
        pid=from_json(run).get("pid", 0) if run else 0,
    )


_GET = Statement(lambda speech: _select_services(speech).where(equals(SERVICES.c.name, "key")))
_BY_ID = Statement(lambda speech: _select_services(speech).where(equals(SERVICES.c.id, "key")))
_ALL = Statement(lambda speech: _select_services(speech).order_by(SERVICES.c.name))
_PUT = Statement(lambda speech: speech.upsert(SERVICES, *_COLUMNS, keys=("name",), update=_COLUMNS[1:]).returning(SERVICES.c.id))
_DELETE = Statement(delete(SERVICES).where(equals(SERVICES.c.id, "key")))


class SqlServices:
    """Implements ports.store.Services."""

    def __init__(self, link: Link, tokens: SqlTokens) -> None:
        self._link = link
        self._tokens = tokens

    def get(self, name: str) -> Service | None:
        row = self._link.row(_GET, key=name)
        return None if row is None else _service(row)

    def by_id(self, service_id: int) -> Service | None:
        row = self._link.row(_BY_ID, key=service_id)
        return None if row is None else _service(row)

    def put(self, service: Service, *, now: datetime) -> Service:
        given = {name: getattr(service, name) for name in _COLUMNS if name != "timeout"}
        given["timeout"] = service.timeout_s
        given["command"] = to_json(service.command)
        given["info"] = to_json(service.info)
        given["oauth_client_allowed_scopes"] = to_json(service.oauth_client_allowed_scopes)
        self._link.returned(_PUT, **given)
        self._link.announce(Topic.SERVICE, service.name, at=now)
        kept = self.get(service.name)
        return service if kept is None else kept

    def delete(self, name: str, *, now: datetime) -> None:
        service = self.get(name)
        if service is None:
            return
        self._tokens.delete_of_service(service.id, at=now)
        self._tokens.delete_of_service_clients(service.id, at=now)
        self._link.run(_DELETE, key=service.id)
        self._link.announce(Topic.SERVICE, name, at=now)

    def all(self) -> list[Service]:
        return [_service(row) for row in self._link.rows(_ALL)]
