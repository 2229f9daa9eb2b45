"""What an attempt's job is: its name, whose it is, what it asks for, what it runs."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from perijove.adapters.spawners.batch.settings import Config
from perijove.adapters.spawners.batch.state import State
from perijove.domain.batch.options import requested
from perijove.domain.batch.request import JobRequest, Program
from perijove.domain.errors import SpawnerError
from perijove.domain.server import JsonObject, ServerId
from perijove.ports.plugin import PluginContext
from perijove.ports.spawner import Handle, StartRequest
from perijove.wire.agents import is_start_id

_STRANGE: Final = re.compile(r"[^A-Za-z0-9_.@-]")


class Jobs:
    def __init__(self, config: Config, context: PluginContext) -> None:
        self._config = config
        self._context = context
        self._site = context.secrets.key("batch jobs").hex()[:8]

    @property
    def prefix(self) -> str:
        """How the names of all jobs of this site begin, and of no other site's on the cluster."""
        return f"perijove-{self._site}-"

    def name(self, handle: Handle) -> str:
        """Unique among all jobs of the cluster; says whose attempt it is."""
        if not is_start_id(handle.start_id):
            raise SpawnerError(f"The start {handle.start_id!r} has an id that no job can be named after.", "This is a fault of the hub.")
        return f"{self.prefix}{handle.server_id}-{handle.start_id}"

    def meant(self, name: str) -> tuple[ServerId, str] | None:
        """The server and the attempt that a job of ours is named after; None if it is not named as ours are."""
        number, dash, start_id = name.removeprefix(self.prefix).partition("-")
        if not (name.startswith(self.prefix) and dash and number.isdecimal()):
            return None
        return ServerId(int(number)), start_id

    def person(self, handle: Handle) -> str:
        return self.person_of(handle.user_name)

    def person_of(self, user_name: str) -> str:
        """The account on the cluster."""
        return self._config.unix_name.replace("{username}", user_name)

    def request(self, handle: Handle, state: State, options: JsonObject) -> JobRequest:
        """Raises BadInputError."""
        comment = f"perijove user={_STRANGE.sub('_', handle.user_name)} server={_STRANGE.sub('_', handle.server_name)}"
        return requested(
            options, name=state.name, comment=comment[:512], may_requeue=self._config.may_requeue, output=self._config.output or None
        ).checked()

    def program(self, request: StartRequest) -> Program:
        """Raises BadInputError, SpawnerError."""
        config, handle = self._config, request.handle
        dial = list(config.dial) or [self._context.agent_url]
        if not dial[0]:
            raise SpawnerError("There is no gateway by which the server could be reached.", "The administrator can set enabled = true in [gateway].")
        told = {
            "start_id": handle.start_id,
            "dial": dial,
            "ca_file": config.ca_file or None,
            "report_url": _report_url(request),
            "environment": config.choices.described(request.options.get("environment") or config.choices.default),
            "command": list(config.command) or None,
            "arguments": list(config.arguments),
            "folder": _text(request.options, "folder"),
            "grace_s": config.grace,
            "warn_s": config.warn,
        }
        environ = {
            **config.environ,
            **request.env,
            "PERIJOVE_AGENT": json.dumps({name: value for name, value in told.items() if value is not None}),
            "PERIJOVE_AGENT_TOKEN": self._context.agent_token(handle.start_id),
        }
        return Program(argv=(config.agent, "serve"), environ=environ, prologue=config.prologue, epilogue=config.epilogue)


def _report_url(request: StartRequest) -> str:
    handle = request.handle
    server = f"servers/{quote(handle.server_name, safe='')}" if handle.server_name else "server"
    return f"{request.env['JUPYTERHUB_API_URL']}/perijove/users/{quote(handle.user_name, safe='@~')}/{server}/report"


def _text(options: Mapping[str, Any], name: str) -> str | None:
    value = options.get(name)
    return value if isinstance(value, str) and value else None
