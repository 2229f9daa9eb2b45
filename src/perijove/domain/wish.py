"""What people's wishes change: which field, and which event of the table. Pure; control/servers/ask.py writes it down."""

from dataclasses import dataclass, replace

from perijove.domain.errors import BadInputError, ConflictError
from perijove.domain.lifecycle import Event
from perijove.domain.server import START_PHASES, Desired, Phase, Server


@dataclass(frozen=True, slots=True)
class Wish:
    """`server` has the wish written in, in its old phase; `event` moves it (None: it is moved when it has stopped)."""

    server: Server
    event: Event | None


def wish_to_run(server: Server) -> Wish | None:
    """None if it is starting already. While it stops, the wish stands until it is gone.

    Clears the last failure, so that a server that failed and is being cleaned up is started again. Raises BadInputError if it
    runs, ConflictError if it is being deleted.
    """
    if server.desired is Desired.ABSENT:
        raise ConflictError(f"{server.full_name} is being deleted.", "Wait until it is gone.")
    if server.phase is Phase.READY:
        raise BadInputError(f"{server.full_name} is already running")
    if server.phase in START_PHASES or server.phase is Phase.UNKNOWN:
        return None
    wanted = replace(server, desired=Desired.RUNNING, failure=None)
    return Wish(wanted, None if server.phase is Phase.STOPPING else Event.ASK_START)


def wish_to_end(server: Server, desired: Desired) -> Wish | None:
    """`desired` is STOPPED or ABSENT. None if that is wished already, or it has stopped.

    A wish to delete is not taken back. Stopping a failed server makes it a stopped one: the person has seen the failure. While
    a failed attempt is being cleaned up, its failure is kept.
    """
    if server.desired is Desired.ABSENT:
        return None
    if server.phase is Phase.STOPPED:
        return Wish(replace(server, desired=desired), None) if desired is Desired.ABSENT else None
    if server.phase is Phase.STOPPING:
        return Wish(replace(server, desired=desired), None) if server.desired is not desired else None
    if server.phase is Phase.FAILED and desired is Desired.ABSENT:
        return Wish(replace(server, desired=desired), None)
    return Wish(replace(server, desired=desired, failure=None), Event.ASK_STOP)


def end_of_stop(server: Server) -> tuple[Event, Desired]:
    """Which of the three ends of STOPPING is due, and what is wished from then on.

    A failure wins over a standing wish to run, so that a server that dies at each start is not started for ever; asking for a
    start while it stops clears the failure, and so starts it again.
    """
    if server.failure is not None:
        return Event.GONE_FAILED, Desired.STOPPED if server.desired is Desired.RUNNING else server.desired
    if server.desired is Desired.RUNNING:
        return Event.GONE_AGAIN, Desired.RUNNING
    return Event.GONE, server.desired
