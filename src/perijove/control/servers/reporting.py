"""What the programs beside servers report. Each reports once or twice a minute, five thousand of them a hundred times a second: so what comes in
while the database writes what came before is written together, and of each server only the newest."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from perijove.control.context import Hub
from perijove.domain.change import Topic
from perijove.domain.errors import ConflictError, NotFoundError, PerijoveError
from perijove.domain.report import Report, busy
from perijove.domain.server import START_PHASES, Server, ServerId
from perijove.ports.store.asking import on_request
from perijove.ports.store.reports import Reporter
from perijove.ports.store.store import Tx

AT_ONCE: Final = 200
"""How many reports one transaction writes: with full logs 1.6 MB."""


@dataclass(frozen=True, slots=True)
class _Sent:
    user: str
    name: str
    report: Report
    written: "asyncio.Future[None]" = field(compare=False)


class ReportDesk:
    """Takes reports. `run` must be running."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._waiting: list[_Sent] = []
        self._wanted = asyncio.Event()

    async def add(self, user: str, name: str, report: Report) -> None:
        """Of the server whose own token was sent with it, as the one that the path names; returns when it is written.

        Raises NotFoundError if the path names another server, ConflictError if another attempt is under way, and what Store.write raises.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Sent(user, name, report, written))
        self._wanted.set()
        await written

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wanted.wait()
            batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            if not self._waiting:
                self._wanted.clear()
            batch = [sent for sent in batch if not sent.written.done()]
            if batch:
                await self._write(batch)

    async def _write(self, batch: Sequence[_Sent]) -> None:
        failures: Sequence[Exception | None]
        try:
            with on_request():  # those who sent them wait, and can send them again
                failures = await self._hub.store.write(lambda tx: _record(tx, batch))
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it, and the next reports be written
            failures = [error] * len(batch)
        for sent, failure in zip(batch, failures, strict=True):
            if sent.written.done():
                continue
            if failure is None:
                sent.written.set_result(None)
            else:
                sent.written.set_exception(failure)


def _record(tx: Tx, batch: Sequence[_Sent]) -> list[PerijoveError | None]:
    """Two statements, however many reports (and one for each that waits to hear where its server is); returns what is wrong with each."""
    known = tx.reports.reporters(list(dict.fromkeys(sent.report.server_id for sent in batch)))
    failures: list[PerijoveError | None] = []
    newest: dict[ServerId, Report] = {}
    for sent in batch:
        who, report = known.get(sent.report.server_id), sent.report
        failure = _wrong(sent, who)
        failures.append(failure)
        if failure is None and who is not None:
            facts = replace(report.facts, cpus_busy=busy(who.before, report.facts, report.at, report.start_id))
            newest[report.server_id] = replace(report, facts=facts)
    for server_id, report in newest.items():
        _tell(tx, known[server_id], report)
    tx.reports.put_all([newest[server_id] for server_id in sorted(newest)])
    return failures


def _wrong(sent: _Sent, who: Reporter | None) -> PerijoveError | None:
    if who is None or (who.user_name, who.name) != (sent.user, sent.name):
        return NotFoundError("No access to resources or resources not found", "Report to the address that was given with the server's token.")
    if who.start_id != sent.report.start_id:
        return ConflictError(
            "This report is of another start of the server than the present one.", "Nobody needs it any more: end, or stop reporting."
        )
    return None


def _tell(tx: Tx, who: Reporter, report: Report) -> None:
    """Who waits hears where the server begins, once for each run of its job, and how far its environment is."""
    before = who.before if who.before is not None and who.before.start_id == report.start_id else None
    if who.phase not in START_PHASES:
        return
    said: list[tuple[str, float | None]] = []
    if report.facts.host and (before is None or before.facts.session != report.facts.session):
        again = " again" if before is not None else ""
        job = f" as job {report.facts.job}" if report.facts.job else ""
        said.append((f"It begins{again} on {report.facts.host}{job}", None))
    preparing = report.facts.preparing
    if preparing is not None and (before is None or before.facts.preparing != preparing):
        said.append((preparing.text, preparing.percent))
    for message, percent in said:
        data = {"message": message, "percent": percent, "start_id": report.start_id}
        tx.notices.add(Topic.PROGRESS, str(report.server_id), data, at=report.at)


async def report_of(hub: Hub, server: Server) -> Report | None:
    """The newest of the server's present or last attempt, with its log."""
    return await hub.store.read(lambda tx: tx.reports.get(server.id, server.start_id)) if server.start_id else None


async def reports_of(hub: Hub, servers: Sequence[Server]) -> dict[ServerId, Report]:
    """Of those that run or begin, without their logs."""
    ids = [server.id for server in servers if not server.stopped]
    return await hub.store.read(lambda tx: tx.reports.of_servers(ids)) if ids else {}
