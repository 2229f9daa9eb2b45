"""What a plugin is: a configuration type and a way to open it. Built-ins come through the same door."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from perijove.ports.authenticator import Authenticator
from perijove.ports.clock import Clock
from perijove.ports.secrets import Secrets
from perijove.ports.spawner import Spawner
from perijove.ports.store.store import Store

Port = TypeVar("Port", covariant=True)


def _no_token(start_id: str) -> str:
    raise LookupError(f"there is no gateway to which {start_id} could come")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginContext:
    """What the hub offers a plugin. `state_dir` is kept for ever, `runtime_dir` is short (for sockets) and may vanish at a
    reboot; both exist, are private to the hub's account, and are the plugin's own. `exposed` tells whether the public
    address can be reached from other machines.
    """

    state_dir: Path
    runtime_dir: Path
    base_url: str
    exposed: bool
    store: Store
    clock: Clock
    secrets: Secrets
    environ: Mapping[str, str] = field(default_factory=dict)
    agent_url: str = ""
    """What the program in a job dials (wss://host/tunnel/); "": there is no gateway."""
    agent_token: Callable[[str], str] = _no_token
    """What it shows there, by the id of the start."""


class Plugin(Protocol, Generic[Port]):
    """Named in configuration by its entry point or as "package.module:Name"; usually a class with a classmethod `open`.

    `Config` is a msgspec.Struct (frozen, forbid_unknown_fields) that decodes the plugin's own section; raise ValueError in
    its `__post_init__` for what types cannot say.
    """

    Config: type[Any]

    def open(self, config: Any, context: PluginContext) -> AbstractAsyncContextManager[Port]:
        """Open it for the life of the hub. Raises SettingsError if it cannot work here, saying who can mend it."""
        ...


SpawnerPlugin = Plugin[Spawner]
AuthenticatorPlugin = Plugin[Authenticator]
