"""Who else opened a person's servers: what the owner is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from perijove.control.context import Hub

SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """`server` is the server's name, "" for the default one; `administrator`: the visitor was one then."""

    visitor: str
    administrator: bool
    server: str
    at: datetime


async def visits_to(hub: Hub, owner: str, servers: Sequence[str]) -> list[Visit]:
    """The last visits to these servers of the owner's, the latest first, as far back as the audit log goes."""
    if not servers:
        return []
    targets = [f"{owner}/{name}" for name in servers]
    found = await hub.store.read(lambda tx: tx.audit.about("server.opened", targets, SHOWN))
    return [
        Visit(visitor=event.actor, administrator=bool(event.detail.get("administrator")), server=event.target.partition("/")[2], at=event.at)
        for event in found
    ]
