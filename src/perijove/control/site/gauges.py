"""Numbers that are looked up rather than counted: how many servers and people there are."""

from datetime import timedelta
from typing import Protocol

from perijove.control.context import Hub
from perijove.control.trouble import complain
from perijove.domain.server import Phase
from perijove.ports.store.store import Tx

EVERY_S = 15.0
PERIODS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}


class Gauges(Protocol):
    """Takes the numbers; telemetry.metrics.Metrics is one."""

    def census(self, *, running: int, queued: int, users: int, active: dict[str, int]) -> None: ...


async def watch_gauges(hub: Hub, gauges: Gauges) -> None:
    """Look the numbers up now and then, until cancelled."""
    while True:
        now = hub.clock.now()

        def query(tx: Tx) -> tuple[dict[Phase, int], int, dict[str, int]]:
            return tx.servers.counts(), tx.users.count(), {name: tx.users.count_active_since(now - age) for name, age in PERIODS.items()}  # noqa: B023 - run before the loop goes on

        try:
            counts, users, active = await hub.store.read(query)
            gauges.census(running=counts.get(Phase.READY, 0), queued=counts.get(Phase.QUEUED, 0), users=users, active=active)
        except Exception as error:  # noqa: BLE001 - the database may be away for a while
            complain("cannot count servers and people", error)
        await hub.clock.sleep(EVERY_S)
