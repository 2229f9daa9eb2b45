"""What the database keeps of one attempt, and what it means on this machine now."""

import hashlib
import os
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from perijove.domain.errors import SpawnerError
from perijove.domain.server import JsonObject
from perijove.processes.claims import Launched, RunFolder
from perijove.processes.process import Process

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_MACHINE: Final = Path("/etc/machine-id")


class Whereabouts(Enum):
    HERE = auto()
    BEFORE_RESTART = auto()
    """On this machine, which was restarted since: all its processes are gone."""
    ELSEWHERE = auto()


@dataclass(frozen=True, slots=True)
class Machine:
    """`boot` changes with every start of the machine."""

    name: str
    boot: str


@cache
def this_machine() -> Machine:
    """The machine we run on."""
    try:
        name = _MACHINE.read_text("ascii").strip()
    except OSError:
        name = ""
    return Machine(name or os.uname().nodename, _BOOT.read_text("ascii").strip())


class State(msgspec.Struct, frozen=True, kw_only=True):
    """`root` and `key` name the run folder, `port` is 0 for a socket, `memory` is the limit in bytes, 0 for none."""

    machine: str
    boot: str
    root: str
    key: str
    account: str
    uid: int
    gid: int
    log: str
    port: int = 0
    memory: int = 0
    cgroups: tuple[str, ...] = ()
    processes: tuple[int, int, int, int] | None = None
    """Once it is up: pid and start of the supervisor, pid and start of the server."""

    @property
    def run(self) -> RunFolder:
        return RunFolder(Path(self.root), self.key)

    @property
    def launched(self) -> Launched | None:
        """The processes, if it came up; else the claim may know."""
        if self.processes is None:
            return None
        supervisor, since, server, begun = self.processes
        return Launched(Process(supervisor, since), Process(server, begun))

    def up(self, launched: Launched) -> "State":
        """The state of the same attempt once it is up."""
        supervisor, server = launched.supervisor, launched.server
        return msgspec.structs.replace(self, processes=(supervisor.pid, supervisor.started, server.pid, server.started))

    @property
    def whereabouts(self) -> Whereabouts:
        here = this_machine()
        if self.boot == here.boot:
            return Whereabouts.HERE
        return Whereabouts.BEFORE_RESTART if self.machine == here.name else Whereabouts.ELSEWHERE

    def as_json(self) -> JsonObject:
        made = msgspec.to_builtins(self)
        assert isinstance(made, dict)  # noqa: S101 - what to_builtins makes of a Struct
        return made


def read_state(stored: JsonObject) -> State:
    """Raises SpawnerError for what another spawner stored."""
    try:
        return msgspec.convert(stored, State)
    except msgspec.ValidationError as error:
        raise SpawnerError(
            f"What was stored of this server is not from the local spawner: {error}.",
            "Was spawner.use changed while servers ran? The administrator can change it back, stop them, and change it again.",
        ) from None


def attempt_key(start_id: str, boot: str) -> str:
    """Short, for socket paths; another one after each restart of the machine, so that an attempt can begin again then."""
    return hashlib.sha256(f"{boot} {start_id}".encode()).hexdigest()[:16]
