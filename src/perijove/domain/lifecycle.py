"""The life of a server: one table from (phase, event) to (phase, effects). All else derives from it.

Theory of operation
-------------------
A request handler writes a wish (`Desired`) and raises an `ASK_…` event. The reconciler holds the row's lease, looks up the
phase's *activity* (start, probe, poll, stop, …), runs it, and reports its outcome as the next event. A transition is one
database transaction: the new phase, the bookkeeping effects (token, route: rows in the same database) and the change
notice commit together or not at all. Only then the new phase's activity begins. So a hub that dies leaves a row that says
which activity was under way, and every activity can be run again from the row:

* QUEUED: nothing exists yet, and whichever replica looks next lets it through;
* STARTING: the spawner is given its last checkpoint and picks up what exists, or starts anew;
* WAITING, ROUTING: LOST makes them UNKNOWN; the server is polled, and goes on or is cleaned up;
* READY: needs nobody; it is polled with all the others;
* STOPPING: stopping what is already gone succeeds.

Invariants, which the tests walk the table for: a token is valid from ADMIT until the server is known to be gone; a route
stands only while a server may be behind it; whatever may exist outside the database is stopped before the phase is idle.

An illegal pair raises `IllegalTransitionError` and changes nothing. The diagram in the docs is generated from `TABLE`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from perijove.domain.errors import PerijoveError
from perijove.domain.server import Phase, Server


class Event(Enum):
    """What can happen to a server."""

    ASK_START = "ask_start"
    ASK_STOP = "ask_stop"
    ADMIT = "admit"
    """The limits let a queued start through."""
    CHECKPOINT = "checkpoint"
    """The spawner yielded state that must survive; also if a wish to stop overtook it, for what exists must be found again."""
    UP = "up"
    """The spawner says the process is up, at an address."""
    ANSWERED = "answered"
    """The server answers HTTP."""
    ROUTED = "routed"
    """Every live proxy knows the route."""
    MOVED = "moved"
    """A poll found it running at another address (a requeued job). It is asked anew whether it answers."""
    REQUEUED = "requeued"
    """A poll found that it exists, but does not run any more or yet (a requeued job that waits for a node)."""
    BROKE = "broke"
    """The attempt failed or ran out of time."""
    DIED = "died"
    """A poll found that the server has ended."""
    LOST = "lost"
    """The replica that worked on it is gone and another takes over; what is true must be found out."""
    FOUND = "found"
    """A poll of an unknown server found it running."""
    GONE = "gone"
    """Stopped, as wished."""
    GONE_FAILED = "gone_failed"
    """Cleaned up after a failure."""
    GONE_AGAIN = "gone_again"
    """Stopped, and wanted again meanwhile."""


class Effect(Enum):
    """Bookkeeping done in the transition's own transaction."""

    ISSUE_TOKEN = "issue_token"
    REVOKE_TOKEN = "revoke_token"
    ADD_ROUTE = "add_route"
    REMOVE_ROUTE = "remove_route"


class Activity(Enum):
    """What the reconciler does while a server is in a phase. None: nothing to do until somebody asks or a poll tells."""

    ADMISSION = "admission"
    START = "start"
    PROBE = "probe"
    ROUTE = "route"
    POLL = "poll"
    STOP = "stop"


ACTIVITY: Mapping[Phase, Activity] = MappingProxyType(
    {
        Phase.QUEUED: Activity.ADMISSION,
        Phase.STARTING: Activity.START,
        Phase.WAITING: Activity.PROBE,
        Phase.ROUTING: Activity.ROUTE,
        Phase.UNKNOWN: Activity.POLL,
        Phase.STOPPING: Activity.STOP,
    }
)

Step = tuple[Phase, tuple[Effect, ...]]
_P, _E, _F = Phase, Event, Effect

TABLE: Mapping[tuple[Phase, Event], Step] = MappingProxyType(
    {
        (_P.STOPPED, _E.ASK_START): (_P.QUEUED, ()),
        (_P.FAILED, _E.ASK_START): (_P.QUEUED, ()),
        (_P.FAILED, _E.ASK_STOP): (_P.STOPPED, ()),
        (_P.QUEUED, _E.ADMIT): (_P.STARTING, (_F.ISSUE_TOKEN,)),
        (_P.QUEUED, _E.ASK_STOP): (_P.STOPPED, ()),
        (_P.STARTING, _E.CHECKPOINT): (_P.STARTING, ()),
        (_P.STARTING, _E.UP): (_P.WAITING, ()),
        (_P.STARTING, _E.BROKE): (_P.STOPPING, ()),
        (_P.STARTING, _E.ASK_STOP): (_P.STOPPING, ()),
        (_P.STARTING, _E.LOST): (_P.STARTING, ()),
        (_P.WAITING, _E.ANSWERED): (_P.ROUTING, (_F.ADD_ROUTE,)),
        (_P.WAITING, _E.BROKE): (_P.STOPPING, (_F.REMOVE_ROUTE,)),
        (_P.WAITING, _E.DIED): (_P.STOPPING, (_F.REMOVE_ROUTE,)),
        (_P.WAITING, _E.ASK_STOP): (_P.STOPPING, (_F.REMOVE_ROUTE,)),
        (_P.WAITING, _E.LOST): (_P.UNKNOWN, ()),
        (_P.ROUTING, _E.ROUTED): (_P.READY, ()),
        (_P.ROUTING, _E.ASK_STOP): (_P.STOPPING, (_F.REMOVE_ROUTE,)),
        (_P.ROUTING, _E.LOST): (_P.UNKNOWN, ()),
        (_P.READY, _E.ASK_STOP): (_P.STOPPING, (_F.REMOVE_ROUTE,)),
        (_P.READY, _E.DIED): (_P.STOPPING, (_F.REMOVE_ROUTE,)),
        (_P.READY, _E.MOVED): (_P.WAITING, (_F.REMOVE_ROUTE,)),
        (_P.READY, _E.REQUEUED): (_P.UNKNOWN, (_F.REMOVE_ROUTE,)),
        (_P.UNKNOWN, _E.FOUND): (_P.WAITING, ()),
        (_P.UNKNOWN, _E.DIED): (_P.STOPPING, (_F.REMOVE_ROUTE,)),
        (_P.UNKNOWN, _E.ASK_STOP): (_P.STOPPING, (_F.REMOVE_ROUTE,)),
        (_P.UNKNOWN, _E.LOST): (_P.UNKNOWN, ()),
        (_P.STOPPING, _E.CHECKPOINT): (_P.STOPPING, ()),
        (_P.STOPPING, _E.GONE): (_P.STOPPED, (_F.REMOVE_ROUTE, _F.REVOKE_TOKEN)),
        (_P.STOPPING, _E.GONE_FAILED): (_P.FAILED, (_F.REMOVE_ROUTE, _F.REVOKE_TOKEN)),
        (_P.STOPPING, _E.GONE_AGAIN): (_P.QUEUED, (_F.REMOVE_ROUTE, _F.REVOKE_TOKEN)),
        (_P.STOPPING, _E.LOST): (_P.STOPPING, ()),
    }
)


class IllegalTransitionError(PerijoveError):
    """The event cannot happen in this phase; nothing was changed."""

    code = "illegal-transition"


@dataclass(frozen=True, slots=True)
class Transition:
    """One move of one server: what metrics, audit, progress streams and log lines are told."""

    before: Server
    event: Event
    after: Server
    effects: tuple[Effect, ...]


def step(phase: Phase, event: Event) -> Step:
    """Look one move up. Raises IllegalTransitionError."""
    try:
        return TABLE[phase, event]
    except KeyError:
        raise IllegalTransitionError(f"A server that is {phase.value} cannot take the event {event.value}.") from None


def can(phase: Phase, event: Event) -> bool:
    """Whether the table has the pair."""
    return (phase, event) in TABLE
