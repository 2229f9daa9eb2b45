"""Rows of servers as records, and back."""

from typing import Any, Final

import msgspec
from sqlalchemy import Select, select

from perijove.adapters.store_sql.link import Row
from perijove.adapters.store_sql.rows import from_json, from_optional_json, from_optional_us, to_json, to_optional_json, to_optional_us
from perijove.adapters.store_sql.schema import SERVERS, USERS
from perijove.domain.server import Desired, Failure, Phase, Server

SAVED: Final = (
    "name",
    "display_name",
    "desired",
    "phase",
    "attempt",
    "start_id",
    "spawner_state",
    "address",
    "options",
    "failure",
    "version",
    "queued_at",
    "started_at",
    "ready_at",
    "last_activity",
    "lease_holder",
    "lease_until",
)
"""What a save writes, beside the revision."""
USER_NAME: Final = select(USERS.c.name).where(USERS.c.id == SERVERS.c.user_id).correlate(SERVERS).scalar_subquery()
ALL: Final = (SERVERS.c.id, SERVERS.c.user_id, USER_NAME, SERVERS.c.created, SERVERS.c.revision, *(SERVERS.c[name] for name in SAVED))
"""What `server_of` takes, for SELECT and RETURNING."""

_DESIRED: Final = {wish.value: wish for wish in Desired}
_PHASES: Final = {phase.value: phase for phase in Phase}
_failure: Final = msgspec.json.Decoder(Failure)


def select_servers() -> Select[Any]:
    return select(*ALL)


def server_of(row: Row) -> Server:
    (
        server_id,
        user_id,
        user_name,
        created,
        revision,
        name,
        display_name,
        desired,
        phase,
        attempt,
        start_id,
        spawner_state,
        address,
        options,
        failure,
        version,
        queued_at,
        started_at,
        ready_at,
        last_activity,
        lease_holder,
        lease_until,
    ) = row
    return Server(
        id=server_id,
        user_id=user_id,
        user_name=user_name,
        name=name,
        display_name=display_name,
        desired=_DESIRED[desired],
        phase=_PHASES[phase],
        attempt=attempt,
        start_id=start_id,
        spawner_state=from_optional_json(spawner_state),
        address=address,
        options=from_json(options),
        failure=None if failure is None else _failure.decode(failure),
        version=version,
        queued_at=from_optional_us(queued_at),
        started_at=from_optional_us(started_at),
        ready_at=from_optional_us(ready_at),
        last_activity=from_optional_us(last_activity),
        created=from_optional_us(created),
        revision=revision,
        lease_holder=lease_holder,
        lease_until=from_optional_us(lease_until),
    )


def saved(server: Server) -> dict[str, Any]:
    """A value for each of SAVED."""
    return {
        "name": server.name,
        "display_name": server.display_name,
        "desired": server.desired.value,
        "phase": server.phase.value,
        "attempt": server.attempt,
        "start_id": server.start_id,
        "spawner_state": to_optional_json(server.spawner_state),
        "address": server.address,
        "options": to_json(server.options),
        "failure": to_optional_json(server.failure),
        "version": server.version,
        "queued_at": to_optional_us(server.queued_at),
        "started_at": to_optional_us(server.started_at),
        "ready_at": to_optional_us(server.ready_at),
        "last_activity": to_optional_us(server.last_activity) or 0,
        "lease_holder": server.lease_holder,
        "lease_until": to_optional_us(server.lease_until),
    }
