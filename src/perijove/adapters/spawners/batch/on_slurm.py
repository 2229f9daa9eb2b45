"""The spawner `slurm`: which way to the scheduler its settings name."""

import asyncio
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

from perijove.adapters.spawners.batch.settings import Config as Settings
from perijove.adapters.spawners.batch.settings import RestSettings
from perijove.adapters.spawners.batch.slurm import AsMyself, Commands, SlurmQueue, ThroughSudo
from perijove.adapters.spawners.batch.slurmrest import KeyTokens, Rest, RestQueue, TokenCommand
from perijove.adapters.spawners.batch.spawner import BatchSpawner
from perijove.domain.errors import SettingsError
from perijove.ports.batch import Queue
from perijove.ports.clock import Clock
from perijove.ports.plugin import PluginContext


class SlurmSpawner(BatchSpawner):
    """Servers as jobs of a Slurm cluster."""

    Config: ClassVar[type[Settings]] = Settings

    @classmethod
    @asynccontextmanager
    async def open(cls, config: Settings, context: PluginContext) -> AsyncIterator["SlurmSpawner"]:
        """Open it for the life of the hub; jobs outlive it. Raises SettingsError. A scheduler that is away at the moment is no reason not to open."""
        if not config.dial and not context.agent_url:
            raise SettingsError("Jobs have no way back to the hub.", "Set enabled = true in [gateway], or dial in [spawner].")
        made = cls(config, _queue(config, context.clock), context)
        async with asyncio.TaskGroup() as group:
            working = group.create_task(made.run(), name="batch spawner")
            try:
                yield made
            finally:
                working.cancel()


def _queue(config: Settings, clock: Clock) -> Queue:
    if config.rest is not None:
        return _by_rest(config.rest, clock)
    commands = Commands(bin=config.bin, slurm_conf=config.slurm_conf)
    if config.helper:
        return SlurmQueue(commands, ThroughSudo(helper=config.helper, rules=config.rules))
    return SlurmQueue(commands, AsMyself(commands=commands))


def _by_rest(rest: RestSettings, clock: Clock) -> Queue:
    tokens = (
        KeyTokens(key_file=Path(rest.key_file), clock=clock)
        if rest.key_file
        else TokenCommand(command=tuple(shlex.split(rest.token_command)), clock=clock)
    )
    return RestQueue(
        Rest(url=rest.url, tokens=tokens, ca_file=rest.ca_file),
        account=rest.account,
        kept_s=rest.kept,
        sees_all_jobs=rest.sees_all_jobs,
    )
