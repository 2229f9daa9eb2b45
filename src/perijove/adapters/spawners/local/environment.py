"""The whole environment of a server: nothing of the hub's own but what the administrator named."""

from collections.abc import Mapping, Sequence

from perijove.adapters.spawners.local.command import search_path
from perijove.adapters.spawners.local.config import Config
from perijove.adapters.spawners.local.limits import Limits
from perijove.adapters.spawners.local.names import filled
from perijove.domain.environment import merged, service_url
from perijove.ports.spawner import StartRequest
from perijove.processes.account import Account
from perijove.processes.process import MARKER


def kept(hub: Mapping[str, str], patterns: Sequence[str]) -> dict[str, str]:
    """The hub's variables with these names; a last * stands for anything."""
    exact = {pattern for pattern in patterns if not pattern.endswith("*")}
    beginnings = tuple(pattern[:-1] for pattern in patterns if pattern.endswith("*"))
    return {name: value for name, value in hub.items() if name in exact or (beginnings and name.startswith(beginnings))}


def placeholders(request: StartRequest, account: Account) -> dict[str, str]:
    """What templates know of this start."""
    return {"username": request.handle.user_name, "server_name": request.handle.server_name, "account": account.name, "home": str(account.home)}


def environment(
    request: StartRequest, account: Account, limits: Limits, *, config: Config, hub: Mapping[str, str], command: Sequence[str], bind_url: str
) -> dict[str, str]:
    """All variables of one server. The administrator's win over the hub's, but not over where it listens."""
    values = placeholders(request, account)
    return merged(
        {
            "HOME": str(account.home),
            "USER": account.name,
            "LOGNAME": account.name,
            "SHELL": account.shell,
            "PATH": search_path(command),
        },
        kept(hub, config.keep_env),
        limits.environment(),
        request.env,
        {name: filled(value, values) for name, value in config.environment.items()},
        {"JUPYTERHUB_SERVICE_URL": service_url(bind_url, request.prefix), MARKER: request.handle.start_id},
    )
