"""Who may start now, and who waits: pure decisions with a reason."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """0 lifts a limit."""

    concurrent_starts: int = 100
    active_servers: int = 0
    active_servers_per_user: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much is going on: servers between admission and ready, servers that exist at all, and the asker's own."""

    starting: int
    active: int
    active_of_user: int


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a queued start may go on; if not, which limit holds it back, in words for the person who waits."""

    admitted: bool
    reason: str = ""


def admit(load: Load, limits: Limits) -> Admission:
    """Decide on the start at the head of the queue. `load` does not count the start itself."""
    if limits.active_servers_per_user and load.active_of_user >= limits.active_servers_per_user:
        return Admission(False, f"You have {load.active_of_user} servers, the most one person may have here. Stop one to start this one.")
    if limits.active_servers and load.active >= limits.active_servers:
        return Admission(False, f"All {limits.active_servers} places are taken. Your server starts when one is free.")
    if limits.concurrent_starts and load.starting >= limits.concurrent_starts:
        return Admission(False, "Many servers are starting just now. Yours is in the queue.")
    return Admission(True)
