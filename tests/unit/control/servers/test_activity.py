"""What servers report is written together, and wrong reports are told apart from right ones."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from perijove.adapters.store_sql.sqlite_link import SqliteLink
from perijove.adapters.store_sql.statement import Statement
from perijove.control.servers.activity import Reports, report_route_activity
from perijove.domain.errors import BadInputError, NotFoundError
from perijove.domain.server import Server
from perijove.ports.store.asking import is_asked
from perijove.ports.store.servers import StoredRoute
from perijove.ports.store.store import Store, Tx
from perijove.wire.names import ServerName
from tests.unit.control.house import House

PEOPLE = 300


@asynccontextmanager
async def running(reports: Reports) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reports.run())
        yield
        task.cancel()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Statement]:
    """Every statement that reaches the database, from now on."""
    asked: list[Statement] = []
    rows, run = SqliteLink.rows, SqliteLink.run

    def count_rows(self: SqliteLink, statement: Statement, /, **given: Any) -> Any:
        asked.append(statement)
        return rows(self, statement, **given)

    def count_run(self: SqliteLink, statement: Statement, /, **given: Any) -> int:
        asked.append(statement)
        return run(self, statement, **given)

    monkeypatch.setattr(SqliteLink, "rows", count_rows)
    monkeypatch.setattr(SqliteLink, "run", count_run)
    return asked


class Witness:
    """A database that notes for whom it is asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.asked: list[bool] = []

    async def write(self, change: Callable[[Tx], Any]) -> Any:
        self.asked.append(is_asked())
        return await self._store.write(change)


async def test_reports_wait_for_a_database_that_is_away_no_longer_than_requests_do(house: House) -> None:
    await people(house)
    witness: Any = Witness(house.store)
    reports = Reports(replace(house.hub(), store=witness))
    async with running(reports):
        await reports.add("p1", None, {})
    assert witness.asked == [True]
    assert not is_asked()


async def people(house: House) -> list[Server]:
    now = house.time.now()

    def add(tx: Tx) -> list[Server]:
        users = tx.users.add_missing([f"p{number}" for number in range(PEOPLE)], now=now)
        return [tx.servers.add(user.id, ServerName(""), now=now) for user in users]

    return await house.store.write(add)


async def test_reports_that_wait_are_written_with_three_statements_however_many(house: House, asked: list[Statement]) -> None:
    servers, late = await people(house), house.time.now() + timedelta(minutes=1)
    hub = house.hub()
    reports = Reports(hub)
    asked.clear()
    async with running(reports):
        await asyncio.gather(*(reports.add(server.user_name, late, {"": late}) for server in servers))
    assert len(asked) == 3
    last = servers[-1]
    found = await house.store.read(lambda tx: (tx.servers.get(last.id), tx.users.get(last.user_name)))
    assert [one.last_activity for one in found if one is not None] == [late, late]


async def test_a_wrong_report_fails_alone(house: House) -> None:
    now = house.time.now()
    hub = house.hub()
    reports = Reports(hub)
    async with running(reports):
        told = await asyncio.gather(
            reports.add("alice", now, {}),
            reports.add("nobody", now, {"": now}),
            reports.add("bob", now, {"": now, "lab": now}),
            reports.add("alice", now - timedelta(hours=1), {"": now}),
            return_exceptions=True,
        )
    seen = await house.store.read(lambda tx: [tx.users.get(name) for name in ("alice", "bob")])
    assert [type(one) for one in told] == [type(None), NotFoundError, BadInputError, type(None)]
    assert [user.last_activity for user in seen if user is not None] == [now, None]


async def test_what_a_proxy_saw_on_many_routes_is_looked_up_in_one_statement(house: House, asked: list[Statement]) -> None:
    servers, now = await people(house), house.time.now()

    def routes(tx: Tx) -> None:
        for server in servers:
            tx.routes.set(StoredRoute(spec=f"/user/{server.user_name}/", target="http://127.0.0.1:1", server_id=server.id), now)
        tx.routes.set(StoredRoute(spec="/services/x/", target="http://127.0.0.1:1"), now)

    await house.store.write(routes)
    seen = {f"/user/{server.user_name}/": now for server in servers} | {"/services/x/": now, "/gone/": now}
    hub = house.hub()
    asked.clear()
    await report_route_activity(hub, seen)
    assert len(asked) == 3  # the routes, then people and servers
    rows = await house.store.read(lambda tx: tx.servers.of_users([server.user_id for server in servers]))
    assert {server.last_activity for (server,) in rows.values()} == {now}
