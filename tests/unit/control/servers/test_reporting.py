"""Reports of the programs beside servers are written together, and taken only of the start that is under way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from perijove.adapters.store_sql.sqlite_link import SqliteLink
from perijove.adapters.store_sql.statement import Statement
from perijove.control.servers.reporting import ReportDesk, report_of, reports_of
from perijove.control.servers.spawner_calls import log_tail
from perijove.domain.errors import ConflictError, NotFoundError
from perijove.domain.report import Facts, Report, Usage
from perijove.domain.server import Phase, Server
from perijove.ports.store.store import Tx
from perijove.wire.names import ServerName
from tests.unit.control.house import House

PEOPLE = 150


@asynccontextmanager
async def running(desk: ReportDesk) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(desk.run())
        yield
        task.cancel()


async def people(house: House, number: int, phase: Phase = Phase.READY) -> list[Server]:
    now = house.time.now()

    def add(tx: Tx) -> list[Server]:
        users = tx.users.add_missing([f"p{index}" for index in range(number)], now=now)
        made = [tx.servers.add(user.id, ServerName(""), now=now) for user in users]
        return [tx.servers.save(replace(server, phase=phase, start_id=f"start-{server.id}")) for server in made]

    return await house.store.write(add)


def report(house: House, server: Server, **facts: Any) -> Report:
    return Report(server_id=server.id, start_id=server.start_id, at=house.time.now(), facts=Facts(**facts))


async def test_reports_that_wait_are_written_with_two_statements_however_many(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    servers, hub, asked = await people(house, PEOPLE), house.hub(), list[Statement]()
    rows, run = SqliteLink.rows, SqliteLink.run

    def count_rows(self: SqliteLink, statement: Statement, /, **given: Any) -> Any:
        asked.append(statement)
        return rows(self, statement, **given)

    def count_run(self: SqliteLink, statement: Statement, /, **given: Any) -> int:
        asked.append(statement)
        return run(self, statement, **given)

    monkeypatch.setattr(SqliteLink, "rows", count_rows)
    monkeypatch.setattr(SqliteLink, "run", count_run)
    desk = ReportDesk(hub)
    async with running(desk):
        await asyncio.gather(*(desk.add(server.user_name, "", report(house, server, host="n1")) for server in servers))
    assert len(asked) == 2
    assert len(await reports_of(hub, servers)) == PEOPLE


async def test_a_report_for_another_server_or_start_is_refused_alone(house: House) -> None:
    mine, others = await people(house, 2)
    hub = house.hub()
    desk, right = ReportDesk(hub), report(house, mine, host="n1")
    async with running(desk):
        told = await asyncio.gather(
            desk.add(mine.user_name, "", right),
            desk.add(mine.user_name, "", report(house, others, host="forged")),
            desk.add(others.user_name, "", replace(report(house, others, host="late"), start_id="before")),
            return_exceptions=True,
        )
    assert [type(one) for one in told] == [type(None), NotFoundError, ConflictError]
    assert await report_of(hub, others) is None
    assert await report_of(hub, mine) == right


async def test_of_several_reports_of_one_server_the_newest_is_kept(house: House) -> None:
    (server,) = await people(house, 1)
    hub = house.hub()
    desk = ReportDesk(hub)
    async with running(desk):
        await asyncio.gather(*(desk.add(server.user_name, "", report(house, server, job=str(number))) for number in range(5)))
    found = await report_of(hub, server)
    assert found is not None
    assert found.facts.job == "4"


async def test_busy_cpus_are_told_from_two_reports_of_one_run(house: House) -> None:
    (server,) = await people(house, 1)
    hub = house.hub()
    desk, busy, began = ReportDesk(hub), [], house.time.now()
    async with running(desk):
        for minute, (session, cpu_s) in enumerate((("a", 10.0), ("a", 130.0), ("b", 5.0), ("b", 35.0))):
            sent = report(house, server, session=session, usage=Usage(cpu_s=cpu_s))
            await desk.add(server.user_name, "", replace(sent, at=began + timedelta(minutes=minute)))
            found = await report_of(hub, server)
            assert found is not None
            busy.append(found.facts.cpus_busy)
    assert busy == [None, 2.0, None, 0.5], "a job that was begun anew counts from nothing"


async def test_who_waits_hears_once_where_the_server_begins(house: House) -> None:
    (server,) = await people(house, 1, Phase.WAITING)
    hub = house.hub()
    desk = ReportDesk(hub)
    async with running(desk):
        for session in ("a", "a", "b"):
            await desk.add(server.user_name, "", report(house, server, host="n1", job="17", session=session))
    said = await house.store.read(lambda tx: tx.notices.progress(server.id))
    assert [notice.data["message"] for notice in said] == ["It begins on n1 as job 17", "It begins again on n1 as job 17"]


async def test_the_reported_log_stands_in_for_one_that_the_spawner_does_not_have(house: House) -> None:
    (server,) = await people(house, 1)
    hub = house.hub()
    assert await log_tail(hub, server) == ""
    await house.store.write(lambda tx: tx.reports.put_all([replace(report(house, server), log_tail="what the job said")]))
    assert await log_tail(hub, server) == "what the job said"
    house.world.begin(server.id, server.start_id)
    assert await log_tail(hub, replace(server, spawner_state={"job": server.start_id})) == f"log of {server.start_id}\n"
