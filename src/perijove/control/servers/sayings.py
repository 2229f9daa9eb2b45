"""News for people who wait, written down without keeping anybody: what all starts say in a moment goes in one transaction."""

import asyncio
from datetime import UTC
from typing import Any, Final

from perijove.control.context import Hub
from perijove.control.trouble import complain
from perijove.domain.change import Topic
from perijove.domain.server import Server
from perijove.ports.spawner import Progress
from perijove.ports.store.store import Tx

MOST_DETAIL: Final = 1000
"""Characters of the scheduler's own words that are passed on."""


class Sayings:
    """`run` must be running for anything to be heard."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._said: list[tuple[str, dict[str, Any]]] = []
        self._wanted = asyncio.Event()

    def say(self, server: Server, news: Progress) -> None:
        """Its percent is on the spawner's own scale."""
        data: dict[str, Any] = {"message": news.message, "percent": news.percent, "start_id": server.start_id}
        if news.place is not None:
            data["place"] = news.place
        if news.estimate is not None:
            data["estimate"] = news.estimate.astimezone(UTC).isoformat(timespec="seconds")
        if news.waits:
            data["waits"] = True
        if news.detail:
            data["detail"] = news.detail[:MOST_DETAIL]
        self._said.append((str(server.id), data))
        self._wanted.set()

    async def run(self) -> None:
        """Until cancelled."""
        hub = self._hub
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            said, self._said = self._said, []
            now = hub.clock.now()

            def write(tx: Tx) -> None:
                for key, data in said:  # noqa: B023 - run before the loop goes on
                    tx.notices.add(Topic.PROGRESS, key, data, at=now)  # noqa: B023 - likewise

            try:
                await hub.store.write(write)
            except Exception as error:  # noqa: BLE001 - news may be lost, servers not
                complain("progress of starts was not written down", error, count=len(said))
