"""Who may start now, and who waits: pure decisions with a reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from perijove.domain.server import Phase, Server, UserId

STARTING_PHASES = frozenset({Phase.STARTING, Phase.WAITING, Phase.ROUTING})
"""Between admission and ready."""
ACTIVE_PHASES = STARTING_PHASES | {Phase.READY, Phase.STOPPING, Phase.UNKNOWN}
"""Something may exist outside the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """0 lifts a limit."""

    concurrent_starts: int = 100
    active_servers: int = 0
    active_servers_per_user: int = 0

    def __bool__(self) -> bool:
        """Whether anything is limited."""
        return bool(self.concurrent_starts or self.active_servers or self.active_servers_per_user)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much is going on: servers between admission and ready, servers that exist at all, and the asker's own."""

    starting: int
    active: int
    active_of_user: int = 0


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a queued start may go on; if not, which limit holds it back, in words for the person who waits.

    `all_wait`: the limit is not about this person, so whoever stands behind waits, too.
    """

    admitted: bool
    reason: str = ""
    all_wait: bool = False


def admit(load: Load, limits: Limits) -> Admission:
    """Decide on one start. `load` does not count the start itself."""
    if limits.active_servers and load.active >= limits.active_servers:
        return Admission(False, f"All {limits.active_servers} places are taken. Your server starts when one is free.", all_wait=True)
    if limits.concurrent_starts and load.starting >= limits.concurrent_starts:
        return Admission(False, "Many servers are starting just now. Yours is in the queue.", all_wait=True)
    if limits.active_servers_per_user and load.active_of_user >= limits.active_servers_per_user:
        return Admission(False, f"You have {load.active_of_user} servers, the most one person may have here. Stop one to start this one.")
    return Admission(True)


def admit_queue(queue: Sequence[Server], load: Load, active_of: Mapping[UserId, int], limits: Limits) -> list[Server]:
    """Who of the queue, in its order, may go on now. Somebody with too many servers of their own is passed by, not waited for."""
    admitted: list[Server] = []
    own = dict(active_of)
    for server in queue:
        mine = own.get(server.user_id, 0)
        answer = admit(replace(load, active_of_user=mine), limits)
        if answer.all_wait:
            break
        if answer.admitted:
            admitted.append(server)
            own[server.user_id] = mine + 1
            load = replace(load, starting=load.starting + 1, active=load.active + 1)
    return admitted
