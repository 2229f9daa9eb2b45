"""What rows of shares and of their codes have in common: the server they are about."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Table, select

from perijove.adapters.store_sql.schema import SERVERS, USERS
from perijove.domain.server import Phase, ServerId
from perijove.domain.share import SharedServer


def server_columns(table: Table) -> tuple[ColumnElement[Any], ...]:
    """For the SELECT: what `shared_server` takes."""
    server = select(SERVERS.c.name).where(SERVERS.c.id == table.c.server_id).correlate(table).scalar_subquery()
    phase = select(SERVERS.c.phase).where(SERVERS.c.id == table.c.server_id).correlate(table).scalar_subquery()
    owner = select(USERS.c.name).where(SERVERS.c.id == table.c.server_id, USERS.c.id == SERVERS.c.user_id).correlate(table).scalar_subquery()
    return table.c.server_id, owner, server, phase


_READY: Final = Phase.READY.value


def shared_server(server_id: int, owner: str, name: str, phase: str) -> SharedServer:
    return SharedServer(id=ServerId(server_id), owner=owner, name=name, ready=phase == _READY)
