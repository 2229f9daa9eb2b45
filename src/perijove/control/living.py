"""Which replicas live, as each says of itself every few seconds. Work is shared among them by this; what must not be done twice is decided by
leases alone."""

from datetime import timedelta
from typing import Final

from perijove.control.context import Hub

REPORT_EVERY_S: Final = 2.0
COUNTED: Final = timedelta(seconds=3.5 * REPORT_EVERY_S)
"""Who has said nothing for so long gets no share of the work any more."""


async def living(hub: Hub) -> frozenset[str]:
    """The replicas that said lately that they live, and this one, which does. Raises DatabaseUnavailableError."""
    now = hub.clock.now()
    seen = await hub.store.read(lambda tx: tx.replicas.seen_since(now - COUNTED))
    return frozenset(replica.name for replica in seen) | {hub.replica}
