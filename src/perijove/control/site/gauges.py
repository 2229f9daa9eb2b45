"""Numbers that are looked up rather than counted: how many servers and people there are."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

from perijove.control.context import Hub
from perijove.control.site.standing import standing_of
from perijove.control.trouble import complain
from perijove.domain.server import Phase
from perijove.ports.store.store import Tx

EVERY_S = 15.0
PERIODS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}


class Gauges(Protocol):
    """Takes the numbers; telemetry.metrics.Metrics is one."""

    def census(self, *, running: int, queued: int, users: int, active: dict[str, int]) -> None: ...

    def standing(
        self,
        *,
        clocks_ahead_s: Mapping[str, float],
        working_on: Mapping[str, int],
        duties: Mapping[str, str],
        proxies_behind: Mapping[str, int],
        longest_wait_s: float,
    ) -> None: ...


async def watch_gauges(hub: Hub, gauges: Gauges) -> None:
    """Look the numbers up now and then, until cancelled."""
    while True:
        now = hub.clock.now()

        def query(tx: Tx) -> tuple[dict[Phase, int], int, dict[str, int]]:
            return tx.servers.counts(), tx.users.count(), {name: tx.users.count_active_since(now - age) for name, age in PERIODS.items()}  # noqa: B023 - run before the loop goes on

        try:
            counts, users, active = await hub.store.read(query)
            await _tell_standing(hub, gauges)
            gauges.census(running=counts.get(Phase.READY, 0), queued=counts.get(Phase.QUEUED, 0), users=users, active=active)
        except Exception as error:  # noqa: BLE001 - the database may be away for a while
            complain("cannot count servers and people", error)
        await hub.clock.sleep(EVERY_S)


async def _tell_standing(hub: Hub, gauges: Gauges) -> None:
    """What `perijove status` shows, in numbers."""
    standing = await standing_of(hub)
    longest = standing.queue.longest_wait
    gauges.standing(
        clocks_ahead_s={replica.name: replica.clock_ahead_s for replica in standing.replicas},
        working_on=standing.working_on,
        duties=standing.duties,
        proxies_behind={each.proxy.proxy_id: each.behind for each in standing.proxies},
        longest_wait_s=0.0 if longest is None else longest.total_seconds(),
    )
