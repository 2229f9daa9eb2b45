"""A server is one row: what is wanted of it, how far it is, and who works on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, NewType

from perijove.wire.names import ServerName, UserName

ServerId = NewType("ServerId", int)
UserId = NewType("UserId", int)
JsonObject = Mapping[str, Any]


class Desired(Enum):
    """The wish. ABSENT: stop it, then delete the row (a named server, or a user, is being removed)."""

    STOPPED = "stopped"
    RUNNING = "running"
    ABSENT = "absent"


class Phase(Enum):
    """How far a server is. `lifecycle.py` holds the one table of how it moves."""

    STOPPED = "stopped"
    QUEUED = "queued"
    STARTING = "starting"
    WAITING = "waiting"
    ROUTING = "routing"
    READY = "ready"
    STOPPING = "stopping"
    FAILED = "failed"
    UNKNOWN = "unknown"


IDLE_PHASES = frozenset({Phase.STOPPED, Phase.FAILED})
"""Nothing exists outside the database."""
START_PHASES = frozenset({Phase.QUEUED, Phase.STARTING, Phase.WAITING, Phase.ROUTING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why the last attempt ended badly, for the person who waited.

    `code` is "start-timeout" (the spawner took too long), "ready-timeout" (it is up, but did not answer in time), "exited"
    (it ended before it was ready), "died" (it ended later), "environment" (the person's environment could not be made ready),
    "spawner" (the spawner could not, and said why), "spawner-error" (the spawner failed in a way it should not), or the code of
    another error of ours. `log_tail` is the end of the server's
    own log (at most 8 KiB), `exit_code` as a shell counts (negative: signal), if known.
    """

    code: str
    message: str
    hint: str = ""
    exit_code: int | None = None
    log_tail: str = ""

    @property
    def ended_well(self) -> bool:
        """It served, and ended itself without an error, as servers do that are set to when nobody uses them. To people that is stopped."""
        return self.code == "died" and self.exit_code == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One person's Jupyter server.

    `start_id` names the present attempt; the server's API token is derived from it. `spawner_state` is what the spawner
    yielded last, opaque to us. `address` is where the proxy reaches it ("http://host:port" or "http+unix://%2Fpath").
    `revision` grows with every change of the row; `lease_holder` may work on it until `lease_until`.
    """

    id: ServerId
    user_id: UserId
    user_name: UserName
    name: ServerName
    display_name: str = ""
    desired: Desired = Desired.STOPPED
    phase: Phase = Phase.STOPPED
    attempt: int = 0
    start_id: str = ""
    spawner_state: JsonObject | None = None
    address: str | None = None
    options: JsonObject = field(default_factory=dict)
    failure: Failure | None = None
    version: str | None = None
    """The X-JupyterHub-Version the server announced."""
    queued_at: datetime | None = None
    started_at: datetime | None = None
    ready_at: datetime | None = None
    last_activity: datetime | None = None
    created: datetime | None = None
    revision: int = 0
    lease_holder: str | None = None
    lease_until: datetime | None = None

    @property
    def full_name(self) -> str:
        """ "alice/" for a default server, "alice/lab" for a named one."""
        return f"{self.user_name}/{self.name}"

    @property
    def ready(self) -> bool:
        return self.phase is Phase.READY

    @property
    def stopped(self) -> bool:
        return self.phase in IDLE_PHASES

    @property
    def pending(self) -> str | None:
        """What JupyterHub's API calls pending: None, "spawn", "stop" or "check"."""
        if self.phase in START_PHASES:
            return "spawn"
        if self.phase is Phase.STOPPING:
            return "stop"
        return "check" if self.phase is Phase.UNKNOWN else None
