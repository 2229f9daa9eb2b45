"""How the whole site stands: hubs, proxies, the queue, who does what. For administrators, wherever they look."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from perijove.control.context import Hub
from perijove.control.routing import ALIVE as PROXY_ALIVE
from perijove.control.servers.queueing import view_of
from perijove.control.site.replicas import ALIVE
from perijove.domain.change import Topic
from perijove.domain.outlook import QueueView
from perijove.domain.server import Phase
from perijove.ports.store.shared import ProxySeen, ReplicaSeen
from perijove.ports.store.store import Tx

MANY = 1000
LOCAL = "local"
"""The one spawner that comes along whose servers are on the hub's own machine."""
CLOCKS_AGREE_S = 2.0
"""Clocks that differ by more are worth mending: they do no harm here, but certificates and logs go by them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyStanding:
    """`behind`: how many changes of routes it has not applied yet; MANY stands for more."""

    proxy: ProxySeen
    behind: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`duties`: periodic work -> the replica that does it for all. `working_on`: replica -> on how many servers it works just now.
    `worries`: what an administrator should look at, in sentences."""

    at: datetime
    shared: bool
    replicas: list[ReplicaSeen]
    proxies: list[ProxyStanding]
    servers: dict[Phase, int]
    queue: QueueView
    duties: dict[str, str]
    working_on: dict[str, int]
    worries: list[str]


async def standing_of(hub: Hub) -> Standing:
    """As the database knows it now. Raises DatabaseUnavailableError."""
    now = hub.clock.now()
    shared = hub.store.shared

    def look(tx: Tx) -> Standing:
        replicas = tx.replicas.seen_since(now - ALIVE)
        proxies = [ProxyStanding(proxy=proxy, behind=_behind(tx, proxy)) for proxy in tx.proxies.seen_since(now - PROXY_ALIVE)]
        return Standing(
            at=now,
            shared=shared,
            replicas=replicas,
            proxies=proxies,
            servers=tx.servers.counts(),
            queue=view_of(tx, hub),
            duties=tx.leases.held(now) if shared else {},
            working_on=tx.servers.held(now),
            worries=[*_worries(replicas, proxies), *_out_of_reach(replicas, str(hub.settings.spawner.get("use")))],
        )

    return await hub.store.read(look)


def _behind(tx: Tx, proxy: ProxySeen) -> int:
    missed = tx.notices.after(proxy.revision, (Topic.ROUTE,), limit=MANY)
    return MANY if missed is None else len(missed)


def _worries(replicas: list[ReplicaSeen], proxies: list[ProxyStanding]) -> list[str]:
    found: list[str] = []
    if not replicas:
        found.append("No hub has said in the last seconds that it lives.")
    if not proxies:
        found.append(
            "No proxy follows a hub: people cannot reach new servers. Look whether `perijove proxy` runs, and whether it has the hubs' token."
        )
    versions = sorted({replica.version for replica in replicas})
    if len(versions) > 1:
        found.append(f"Hubs of several versions run: {', '.join(versions)}. That is meant for the time of an upgrade only.")
    for replica in replicas:
        if abs(replica.clock_ahead_s) > CLOCKS_AGREE_S:
            way = "ahead of" if replica.clock_ahead_s > 0 else "behind"
            found.append(f"The clock of {replica.name}'s machine is {abs(replica.clock_ahead_s):.0f} s {way} the database's. Set up NTP there.")
    return found


def _out_of_reach(replicas: list[ReplicaSeen], spawner: str) -> Iterator[str]:
    """Hubs are named after their machine (runtime.py)."""
    machines = sorted({replica.name.partition(":")[0] for replica in replicas})
    if spawner == LOCAL and len(machines) > 1:
        yield (
            f'Hubs on several machines ({", ".join(machines)}) have the spawner "{LOCAL}", whose servers can be reached, and looked after, on their '
            "own machine only. Choose a spawner whose servers all machines reach, or run hubs on one machine."
        )
