"""News for people who wait, written down without keeping anybody: what all starts say in a moment goes in one transaction."""

import asyncio
from typing import Any

from perijove.control.context import Hub
from perijove.control.trouble import complain
from perijove.domain.change import Topic
from perijove.domain.server import Server
from perijove.ports.store.store import Tx


class Sayings:
    """`run` must be running for anything to be heard."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._said: list[tuple[str, dict[str, Any]]] = []
        self._wanted = asyncio.Event()

    def say(self, server: Server, message: str, percent: float | None = None) -> None:
        """`percent`: 0 to 100 on the spawner's own scale."""
        self._said.append((str(server.id), {"message": message, "percent": percent, "start_id": server.start_id}))
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
