"""What the programs beside servers report."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, Text, and_, bindparam, select, update
from sqlalchemy.types import TypeEngine

from perijove.adapters.store_sql.link import Link, Row
from perijove.adapters.store_sql.rows import from_optional_us, from_us, to_json, to_optional_us, to_us
from perijove.adapters.store_sql.schema import SERVER_REPORTS, SERVERS, USERS
from perijove.adapters.store_sql.statement import Speech, Statement, equals
from perijove.domain.report import Facts, Report
from perijove.domain.server import Phase, ServerId
from perijove.ports.store.reports import Reporter

_COLUMNS: Final = ("server_id", "start_id", "at", "ends_at", "facts", "log_tail")
_BRIEF: Final = tuple(SERVER_REPORTS.c[name] for name in _COLUMNS[:-1])
_PRESENT: Final = and_(SERVERS.c.id == SERVER_REPORTS.c.server_id, SERVERS.c.start_id == SERVER_REPORTS.c.start_id)
_facts: Final = msgspec.json.Decoder(Facts)

_REPORTERS = Statement(
    lambda speech: (
        select(SERVERS.c.id, USERS.c.name, SERVERS.c.name, SERVERS.c.start_id, SERVERS.c.phase, *_BRIEF)
        .select_from(SERVERS.join(USERS, USERS.c.id == SERVERS.c.user_id).outerjoin(SERVER_REPORTS, SERVER_REPORTS.c.server_id == SERVERS.c.id))
        .where(SERVERS.c.id.in_(speech.listed("ids", BigInteger())))
    )
)


def _put_all(speech: Speech) -> Any:
    kinds: dict[str, TypeEngine[Any]] = {
        "server_id": BigInteger(),
        "start_id": Text(),
        "at": BigInteger(),
        "ends_at": BigInteger(),
        "facts": Text(),
        "log_tail": Text(),
    }
    told = speech.tuples("reports", **kinds).subquery("told")
    rows = (
        select(*(told.c[name] for name in _COLUMNS))
        .select_from(told.join(SERVERS, and_(SERVERS.c.id == told.c.server_id, SERVERS.c.start_id == told.c.start_id)))
        .where(SERVERS.c.id > 0)  # SQLite's upsert of a SELECT needs a WHERE
        .order_by(told.c.server_id)  # two hubs that write some of the same rows do so in one order
    )
    return speech.upsert_from(SERVER_REPORTS, _COLUMNS, rows, keys=("server_id",))


_PUT_ALL = Statement(_put_all)
_END_AT = Statement(
    update(SERVER_REPORTS)
    .where(equals(SERVER_REPORTS.c.server_id, "key"), equals(SERVER_REPORTS.c.start_id, "attempt"))
    .values(ends_at=bindparam("end"))
)
_GET = Statement(select(*SERVER_REPORTS.c).where(equals(SERVER_REPORTS.c.server_id, "key"), equals(SERVER_REPORTS.c.start_id, "attempt")))
_OF_SERVERS = Statement(
    lambda speech: (
        select(*_BRIEF).select_from(SERVER_REPORTS.join(SERVERS, _PRESENT)).where(SERVER_REPORTS.c.server_id.in_(speech.listed("ids", BigInteger())))
    )
)


def _report(row: Row) -> Report:
    server_id, start_id, at, ends_at, facts, *log = row
    return Report(
        server_id=ServerId(server_id),
        start_id=start_id,
        at=from_us(at),
        ends_at=from_optional_us(ends_at),
        facts=_facts.decode(facts),
        log_tail=log[0] if log else "",
    )


def _row(report: Report) -> tuple[Any, ...]:
    return report.server_id, report.start_id, to_us(report.at), to_optional_us(report.ends_at), to_json(report.facts), report.log_tail


class SqlReports:
    """Implements ports.store.Reports."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def reporters(self, server_ids: Sequence[ServerId]) -> dict[ServerId, Reporter]:
        rows = self._link.rows(_REPORTERS, ids=to_json(list(server_ids))) if server_ids else ()
        return {
            ServerId(key): Reporter(ServerId(key), user, name, start_id, Phase(phase), None if before[0] is None else _report(tuple(before)))
            for key, user, name, start_id, phase, *before in rows
        }

    def put_all(self, reports: Sequence[Report]) -> None:
        if reports:
            self._link.run(_PUT_ALL, reports=to_json([_row(report) for report in reports]))

    def end_at(self, server_id: ServerId, start_id: str, ends_at: datetime) -> None:
        self._link.run(_END_AT, key=server_id, attempt=start_id, end=to_us(ends_at))

    def get(self, server_id: ServerId, start_id: str) -> Report | None:
        row = self._link.row(_GET, key=server_id, attempt=start_id)
        return None if row is None else _report(row)

    def of_servers(self, server_ids: Sequence[ServerId]) -> dict[ServerId, Report]:
        rows = self._link.rows(_OF_SERVERS, ids=to_json(list(server_ids))) if server_ids else ()
        return {report.server_id: report for report in map(_report, rows)}
