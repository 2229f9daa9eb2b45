"""How PBS's commands are run as the hub. As the person: ThroughSudo with rules of `scheduler: pbs`, or PbsAsMyself."""

from dataclasses import dataclass, field
from typing import Any

from perijove.adapters.spawners.batch.slurm.runner import Said, as_myself, run


@dataclass(frozen=True, slots=True, kw_only=True)
class PbsCommands:
    """Where PBS's programs are (often /opt/pbs/bin), its pbs.conf if not /etc/pbs.conf, and how long one may take."""

    bin: str = "/opt/pbs/bin"
    pbs_conf: str = ""
    timeout_s: float = 30.0

    async def ask(self, name: str, *words: str) -> Said:
        """As the hub. Raises QueueAwayError when it takes too long or cannot be run."""
        environ = {"PATH": f"{self.bin}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        if self.pbs_conf:
            environ["PBS_CONF_FILE"] = self.pbs_conf
        return await run([f"{self.bin}/{name}", *words], environ, b"", self.timeout_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class PbsAsMyself:
    """The hub is the person: no other can be acted as."""

    commands: PbsCommands = field(default_factory=PbsCommands)
    timeout_s: float = 90.0

    async def act(self, person: str, question: dict[str, Any]) -> dict[str, str]:
        return await as_myself(person, [self.commands.pbs_conf, self.commands.bin, "pbs"], question, self.timeout_s)
