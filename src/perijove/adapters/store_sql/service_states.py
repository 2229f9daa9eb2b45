"""How services are."""

from typing import Final, TypeVar

import msgspec
from sqlalchemy import select

from perijove.adapters.store_sql.link import Link, Row
from perijove.adapters.store_sql.schema import SERVICE_STATES, SERVICES
from perijove.adapters.store_sql.statement import Statement, equals
from perijove.domain.service_life import ServiceHealth, ServiceRun, ServiceState

T = TypeVar("T")
_SELECT: Final = select(*SERVICE_STATES.c)
_GET = Statement(_SELECT.where(equals(SERVICE_STATES.c.service_id, "key")))
_ALL = Statement(_SELECT)
_RUN = Statement(lambda speech: speech.upsert(SERVICE_STATES, "service_id", "run", keys=("service_id",), update=("run",)))
_HEALTH = Statement(lambda speech: speech.upsert(SERVICE_STATES, "service_id", "health", keys=("service_id",), update=("health",)))
_ASK = Statement(
    lambda speech: speech.upsert_values(
        SERVICE_STATES,
        "service_id",
        "restarts_asked",
        keys=("service_id",),
        update={"restarts_asked": SERVICE_STATES.c.restarts_asked + 1},
    )
)
_KNOWN = Statement(select(SERVICES.c.id).where(equals(SERVICES.c.id, "key")))


def _state(row: Row) -> ServiceState:
    service_id, run, health, asked = row
    return ServiceState(service_id=service_id, run=_decoded(run, ServiceRun), health=_decoded(health, ServiceHealth), restarts_asked=asked)


def _decoded(text: str, kind: type[T]) -> T:
    return msgspec.json.decode(text, type=kind)


class SqlServiceStates:
    """Implements ports.store.ServiceStates."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def get(self, service_id: int) -> ServiceState:
        row = self._link.row(_GET, key=service_id)
        return ServiceState(service_id=service_id) if row is None else _state(row)

    def all(self) -> dict[int, ServiceState]:
        return {row[0]: _state(row) for row in self._link.rows(_ALL)}

    def save_run(self, service_id: int, run: ServiceRun) -> None:
        if self._exists(service_id):
            self._link.run(_RUN, service_id=service_id, run=msgspec.json.encode(run).decode())

    def save_health(self, service_id: int, health: ServiceHealth) -> None:
        if self._exists(service_id):
            self._link.run(_HEALTH, service_id=service_id, health=msgspec.json.encode(health).decode())

    def ask_restart(self, service_id: int) -> None:
        if self._exists(service_id):
            self._link.run(_ASK, service_id=service_id, restarts_asked=1)

    def _exists(self, service_id: int) -> bool:
        """It may have been deleted while somebody looked after it."""
        return self._link.row(_KNOWN, key=service_id) is not None
