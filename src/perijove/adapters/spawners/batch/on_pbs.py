"""The spawner `pbs`: OpenPBS or PBS Professional by its commands. Tested against dialogues only."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

from perijove.adapters.spawners.batch.pbs import PbsAsMyself, PbsCommands, PbsQueue
from perijove.adapters.spawners.batch.settings import Config as Settings
from perijove.adapters.spawners.batch.slurm import ThroughSudo
from perijove.adapters.spawners.batch.spawner import BatchSpawner
from perijove.domain.batch.options import NAMES
from perijove.domain.errors import SettingsError
from perijove.ports.plugin import PluginContext


class PbsConfig(Settings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Servers as jobs of PBS. Tested against dialogues only: try it out before people use it."""

    bin: str = "/opt/pbs/bin"
    """Where PBS's commands are."""
    pbs_conf: str = ""
    """PBS's configuration, if not /etc/pbs.conf."""
    gpu_type: str = ""
    """The site's own resource that names a GPU's type, as in the helper's rules; empty: GPUs have no types."""
    shown: tuple[str, ...] = tuple(name for name in NAMES if name not in {"qos", "constraint"})
    """What the form asks for, and the API takes. PBS knows neither QOS nor constraint."""

    def __post_init__(self) -> None:
        """Raises ValueError with the first kind of mistake."""
        super().__post_init__()
        if self.rest is not None or self.slurm_conf:
            raise ValueError("rest and slurm_conf are Slurm's")
        if self.extend:
            raise ValueError("PBS lets nobody but its managers prolong a job: take `extend` out")


class PbsSpawner(BatchSpawner):
    """Servers as jobs of PBS."""

    Config: ClassVar[type[PbsConfig]] = PbsConfig

    @classmethod
    @asynccontextmanager
    async def open(cls, config: PbsConfig, context: PluginContext) -> AsyncIterator["PbsSpawner"]:
        """Open it for the life of the hub; jobs outlive it. Raises SettingsError. A scheduler that is away at the moment is no reason not to open."""
        if not config.dial and not context.agent_url:
            raise SettingsError("Jobs have no way back to the hub.", "Set enabled = true in [gateway], or dial in [spawner].")
        commands = PbsCommands(bin=config.bin, pbs_conf=config.pbs_conf)
        acting = ThroughSudo(helper=config.helper, rules=config.rules) if config.helper else PbsAsMyself(commands=commands)
        made = cls(config, PbsQueue(commands, acting, gpu_type=config.gpu_type), context)
        async with asyncio.TaskGroup() as group:
            working = group.create_task(made.run(), name="batch spawner")
            try:
                yield made
            finally:
                working.cancel()
