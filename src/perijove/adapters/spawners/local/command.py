"""The command line a server is started with."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from perijove.adapters.spawners.local.config import Config
from perijove.domain.errors import SettingsError

_SERVERS: Final = ("perijove-singleuser", "jupyterhub-singleuser")
_NEEDS_SOCKET_ARGUMENTS: Final = frozenset({"jupyterhub-singleuser", "jupyter-labhub", "jupyterhub.singleuser", "batchspawner-singleuser"})
SYSTEM_PATH: Final = "/usr/local/bin:/usr/bin:/bin"


def server_command(config: Config, path: str | None) -> tuple[str, ...]:
    """The configured command, or the first of ours that is installed. `path`: the hub's PATH. Raises SettingsError."""
    if words := config.command_words:
        return words
    beside = Path(sys.executable).parent
    for name in _SERVERS:
        found = shutil.which(name, path=str(beside)) or shutil.which(name, path=path or SYSTEM_PATH)
        if found:
            return (found,)
    raise SettingsError(
        f"No server command is installed: neither {' nor '.join(_SERVERS)} is beside {sys.executable} or on PATH.",
        "The administrator can install one (pip install perijove-singleuser jupyterlab) or name another in spawner.command.",
    )


def socket_arguments(command: Sequence[str], args: Sequence[str]) -> tuple[str, ...]:
    """What makes jupyterhub-singleuser listen on a unix socket: it reads only addresses from JUPYTERHUB_SERVICE_URL.

    Templates. Nothing if the command is not one of its names or the administrator said where to listen.
    """
    if any(word.startswith(("--ServerApp.sock", "--sock")) for word in (*command, *args)):
        return ()
    if not any(Path(word).name in _NEEDS_SOCKET_ARGUMENTS for word in command):
        return ()
    return ("--ServerApp.sock={socket}", "--ServerApp.sock_mode=0600")


def socket_url(socket: Path) -> str:
    return f"http+unix://{quote(str(socket), safe='')}"


def search_path(command: Sequence[str]) -> str:
    """PATH for a server: its own environment's programs first, as if it had been activated."""
    program = Path(command[0])
    return f"{program.parent}:{SYSTEM_PATH}" if program.is_absolute() and str(program.parent) not in SYSTEM_PATH.split(":") else SYSTEM_PATH


def closed_folder(program: Path) -> Path | None:
    """The first folder on the way to `program`, links resolved, which accounts other than its owner cannot pass."""
    for place in (program, program.resolve()):
        for folder in reversed(place.parents):
            if folder.exists() and not folder.stat().st_mode & 0o001:
                return folder
    return None
