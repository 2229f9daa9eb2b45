"""A spawner that starts the job's program on this machine, as a batch system would elsewhere. What it starts outlives the hub."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

from perijove.domain.options import OptionField
from perijove.domain.server import JsonObject
from perijove.ports.plugin import PluginContext
from perijove.ports.spawner import Address, Exited, Handle, Running, StartEvent, StartRequest, Status
from perijove.wire.agents import agent_token


class Dialling:
    class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
        program: str
        python: str
        dial: str
        hub: str
        token: str
        folder: str

    def __init__(self, config: Config) -> None:
        self._config = config

    @classmethod
    @asynccontextmanager
    async def open(cls, config: Config, context: PluginContext) -> AsyncIterator["Dialling"]:
        yield cls(config)

    async def start(self, request: StartRequest) -> AsyncIterator[StartEvent]:
        config, handle = self._config, request.handle
        environment = request.options.get("environment")
        told = {
            "start_id": handle.start_id,
            "dial": [config.dial],
            "environment": environment,
            "command": ["python" if environment else config.python, "-m", "perijove_singleuser", "--allow-root"],
            "folder": config.folder,
            "report_url": f"{config.hub}/hub/api/perijove/users/{handle.user_name}/server/report",
        }
        environ = {
            **request.env,
            "PATH": os.environ["PATH"],
            "HOME": config.folder,
            "TMPDIR": config.folder,
            "PERIJOVE_AGENT": json.dumps(told),
            "PERIJOVE_AGENT_TOKEN": agent_token(config.token, handle.start_id),
        }
        with (Path(config.folder) / f"{handle.start_id}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                config.python, config.program, "serve", env=environ, stdout=log, stderr=log, start_new_session=True
            )
        yield Address(f"tunnel://{handle.start_id}", {"pid": process.pid})

    async def poll(self, handles: Sequence[Handle]) -> Sequence[Status]:
        return [Running() if _lives(handle) else Exited(0, "it ended") for handle in handles]

    async def stop(self, handle: Handle, grace_s: float) -> None:
        with suppress(ProcessLookupError, TypeError):
            os.kill(_pid(handle), signal.SIGTERM)
        async with asyncio.timeout(grace_s + 10):
            while _lives(handle):
                await asyncio.sleep(0.05)

    async def log_tail(self, handle: Handle, max_bytes: int) -> str:
        return (Path(self._config.folder) / f"{handle.start_id}.log").read_text()[-max_bytes:]

    def option_fields(self, user_name: str) -> Sequence[OptionField]:
        return ()

    def check_options(self, options: Mapping[str, Any]) -> JsonObject:
        return dict(options)

    async def forget(self, user_name: str, server_name: str) -> None:
        """Nothing is left."""


def _pid(handle: Handle) -> int:
    return int((handle.state or {})["pid"])


def _lives(handle: Handle) -> bool:
    try:
        state = Path(f"/proc/{_pid(handle)}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, KeyError):
        return False
    return state != "Z"
