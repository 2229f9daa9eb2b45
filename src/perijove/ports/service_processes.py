"""Runs the processes of managed services."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from perijove.domain.errors import Blame, PerijoveError


class ServiceProcessError(PerijoveError):
    """A managed service cannot be started or ended; says why."""

    code = "service-process"
    status = 502
    blame = Blame.ADMINISTRATOR


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOrder:
    """What to run. `env` is the contract with the service (it wins over HOME, PATH and the like), `cwd` "" the account's home,
    `user` "" the hub's own account. `secrets` are values that must not be shown, should the service write them."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(repr=False)
    cwd: str = ""
    user: str = ""
    secrets: Sequence[str] = field(default=(), repr=False)


class ServiceProcesses(Protocol):
    """None of them outlives the hub, however that ends."""

    async def end_strays(self, grace_s: float) -> int:
        """End what any hub before us left behind on this machine; tells how many there were. Raises ServiceProcessError."""
        ...

    async def start(self, order: ServiceOrder) -> int:
        """Returns the pid. The one before of this name must have ended. Raises ServiceProcessError."""
        ...

    async def ended(self, name: str) -> int | None:
        """Wait until the process has ended, and all it left behind; its exit code, negative for a signal, None if nobody knows."""
        ...

    async def end(self, name: str, grace_s: float) -> int | None:
        """Ask it to end, then force it; as `ended`. Raises ServiceProcessError."""
        ...

    async def output(self, name: str, max_bytes: int) -> str:
        """The end of what it wrote, without its secrets and what looks like a token; "" if nothing is kept here."""
        ...
