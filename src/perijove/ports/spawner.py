"""Where servers run. A spawner knows one kind of place; it never sees database rows, requests or the hub.

All methods are async; blocking libraries go to a thread. Every call is given a time limit by the hub and may be cancelled
at any await. Any method may be called by another hub replica than the one that started the server, after any crash.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from perijove.domain.options import OptionField
from perijove.domain.server import JsonObject, ServerId


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """Names one attempt of one server. `state` is the last checkpoint the spawner yielded (None: it yielded none)."""

    server_id: ServerId
    user_name: str
    server_name: str
    start_id: str
    state: JsonObject | None
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """`env` is the whole hub-made environment (JUPYTERHUB_…), complete but for JUPYTERHUB_SERVICE_URL, which the spawner
    adds because it alone knows the bind address: bind URL + `prefix` (domain/environment.py: service_url).
    `handle.state` is not None when an earlier run of this same attempt got that far: pick up what exists.
    """

    handle: Handle
    prefix: str
    env: Mapping[str, str]
    options: JsonObject = field(default_factory=dict)
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Must survive: in the database before the spawner is asked to go on. Yield it BEFORE the side effect it announces."""

    state: JsonObject


@dataclass(frozen=True, slots=True)
class Progress:
    """News for the person who waits. `percent` 0 to 100, or None.

    A spawner whose servers wait in a queue of its own says where: `place` (1 is first), `estimate` (when it will begin, with a time zone), and
    `detail`, the scheduler's own words, at most 1,000 characters of them are shown. With `waits` it is in that queue, for hours perhaps: the hub's time limit
    of a start does not run until something else is yielded.
    """

    message: str
    percent: float | None = None
    place: int | None = None
    estimate: datetime | None = None
    detail: str = ""
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """The process is up (perhaps not answering yet) and will be reached here. Ends the start.

    "http://host:port", "https://host:port" or "http+unix://%2Fpath%2Fto%2Fsocket". `state`: final state, kept if not None.
    """

    url: str
    state: JsonObject | None = None


StartEvent = Checkpoint | Progress | Address


@dataclass(frozen=True, slots=True)
class Running:
    """It runs; `address` if it has one by now (None: unchanged or not known yet)."""

    address: str | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """It exists but has not begun (waits in a batch queue). `news` instead of the message says also where it stands there."""

    message: str = ""
    news: Progress | None = None


@dataclass(frozen=True, slots=True)
class Exited:
    """It has ended. `exit_code` negative for a signal. `message` is for the person ("killed: out of memory"), and so is `hint`: what to do next
    and who does it, where the place knows better than that an administrator finds more in the hub's log."""

    exit_code: int | None = None
    message: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Unclear:
    """The place could not be asked. Never taken for dead."""

    message: str


Status = Running | Pending | Exited | Unclear


class Spawner(Protocol):
    def start(self, request: StartRequest) -> AsyncIterator[StartEvent]:
        """Start one server and yield how it goes; the last event is an Address.

        Called again for the same `start_id` after a crash, with the last checkpoint: then it must pick up what exists, or
        start if nothing does, and never leave two running. Raises SpawnerError with words for the person.
        """
        ...

    async def poll(self, handles: Sequence[Handle]) -> Sequence[Status]:
        """One answer per handle, in order, with as few questions to the place as it can do with."""
        ...

    async def stop(self, handle: Handle, grace_s: float) -> None:
        """End it, politely for at most `grace_s` seconds, then by force. Returns when it is gone and its remains (sockets,
        run files) are removed. Succeeds if it is gone already or never was (`state` None). Raises SpawnerError if it cannot be ended.

        From then on this attempt is never begun again, also not by a replica that was asked to start it before, and is late: a
        replica may have been paused for longer than its lease lasts (tests/model shows what happens otherwise).
        """
        ...

    async def log_tail(self, handle: Handle, max_bytes: int) -> str:
        """The end of the server's own output, or "" if there is none. Must not raise for a server that is gone."""
        ...

    def option_fields(self, user_name: str) -> Sequence[OptionField]:
        """What a person may choose on the start page."""
        ...

    def check_options(self, options: Mapping[str, Any]) -> JsonObject:
        """The options, checked and completed. Raises BadInputError that lists every mistake. Unknown keys are kept
        (JupyterHub clients send what they like) unless they would change what the spawner does."""
        ...

    async def forget(self, user_name: str, server_name: str) -> None:
        """The server was deleted for good: remove what would otherwise stay for ever (volumes, run folders). Never a person's files in a home directory."""
        ...


@runtime_checkable
class BearsStarts(Protocol):
    """A spawner may have this beside the methods above."""

    @property
    def concurrent_starts(self) -> int:
        """How many starts the place bears at once, whichever replicas they come from; 0: any number. The smaller of this and of the site's own
        limit holds; the others wait in the queue."""
        ...


@runtime_checkable
class QueuesStarts(Protocol):
    """A spawner may have this beside the methods above."""

    @property
    def queues_starts(self) -> bool:
        """Whether starts wait in a queue of the place's own (a batch system's). Then the site's limit of concurrent starts does not hold: whoever
        waits there for hours must not keep others from that queue."""
        ...


@runtime_checkable
class PollsTogether(Protocol):
    """A spawner may have this beside the methods above."""

    @property
    def poll_together(self) -> bool:
        """Whether one question tells about all servers there are, and costs the same for few (`squeue`). Then one replica asks for all;
        otherwise the replicas share the servers among them, and there are more questions the more replicas there are."""
        ...
