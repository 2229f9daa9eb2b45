"""Who was active when: reported by servers, and seen by proxies on routes.

Every server reports every five minutes, and every proxy all its routes every ten seconds: so what comes in a moment is written together.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from perijove.control.context import Hub
from perijove.domain.errors import BadInputError, NotFoundError, PerijoveError
from perijove.domain.server import ServerId, UserId
from perijove.ports.store.asking import on_request
from perijove.ports.store.store import Tx

AT_ONCE = 500
"""How many reports one transaction writes."""


@dataclass(frozen=True, slots=True)
class _Report:
    name: str
    at: datetime | None
    servers: Mapping[str, datetime]
    written: "asyncio.Future[None]" = field(compare=False)


class Reports:
    """What servers report while the database writes what was reported before is written in one transaction. `run` must be running."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._waiting: list[_Report] = []
        self._wanted = asyncio.Event()

    async def add(self, name: str, at: datetime | None, servers: Mapping[str, datetime]) -> None:
        """Move activity forward, never back; returns when it is written. Raises NotFoundError for the user, BadInputError for a server that
        is not there, and what Store.write raises."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Report(name, at, servers, written))
        self._wanted.set()
        await written

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wanted.wait()
            batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            if not self._waiting:
                self._wanted.clear()
            batch = [report for report in batch if not report.written.done()]
            if batch:
                await self._write(batch)

    async def _write(self, batch: Sequence[_Report]) -> None:
        failures: Sequence[Exception | None]
        try:
            with on_request():  # those who sent them wait, and can send them again
                failures = await self._hub.store.write(lambda tx: _record(tx, batch))
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it, and the next reports be written
            failures = [error] * len(batch)
        for report, failure in zip(batch, failures, strict=True):
            if report.written.done():
                continue
            if failure is None:
                report.written.set_result(None)
            else:
                report.written.set_exception(failure)


def _record(tx: Tx, batch: Sequence[_Report]) -> list[PerijoveError | None]:
    """Three statements, however many reports; returns what is wrong with each."""
    known = tx.servers.ids_of(list(dict.fromkeys(report.name for report in batch)))
    of_users, of_servers = dict[UserId, datetime](), dict[ServerId, datetime]()
    failures: list[PerijoveError | None] = []
    for report in batch:
        person = known.get(report.name)
        if person is None:
            failures.append(NotFoundError("No access to resources or resources not found"))
            continue
        user_id, servers = person
        # Everybody has a default server, only that it may never have been started.
        missing = next((name for name in report.servers if name and name not in servers), None)
        if missing is not None:
            failures.append(BadInputError(f"No such server '{missing}' for user {report.name}"))
            continue
        failures.append(None)
        seen = {servers[name]: at for name, at in report.servers.items() if name in servers}
        for server_id, at in seen.items():
            of_servers[server_id] = max(at, of_servers.get(server_id, at))
        moments = [*seen.values(), *([] if report.at is None else [report.at])]
        if moments:
            of_users[user_id] = max(*moments, of_users.get(user_id, moments[0]))
    tx.users.touch_all(of_users)  # users before servers, as everybody locks them
    tx.servers.touch_alone(of_servers)
    return failures


async def report_route_activity(hub: Hub, routes: Mapping[str, datetime]) -> None:
    """What a proxy saw. Routes that are gone, or lead to no server, are passed over."""

    def query(tx: Tx) -> dict[ServerId, datetime]:
        seen: dict[ServerId, datetime] = {}
        for spec, server_id in tx.routes.servers_of(list(routes)).items():
            seen[server_id] = max(routes[spec], seen.get(server_id, routes[spec]))
        return seen

    await report_activity(hub, await hub.store.read(query))


async def report_activity(hub: Hub, seen: Mapping[ServerId, datetime]) -> None:
    """Move the activity of servers and of their users forward, never back."""
    if seen:
        await hub.store.write(lambda tx: tx.servers.touch(seen))
