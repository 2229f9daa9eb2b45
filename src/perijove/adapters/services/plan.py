"""What a managed service is started as: account, environment, and the launcher's plan."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from perijove.adapters.services.places import LOG_SIZE
from perijove.ports.service_processes import ServiceOrder, ServiceProcessError
from perijove.processes.account import Account, find_account, own_account
from perijove.processes.claims import RunFolder
from perijove.processes.launching import SUPERVISOR

_SYSTEM_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_KEPT: Final = ("LANG", "LANGUAGE", "TZ")
_UMASK: Final = 0o077


def account_for(order: ServiceOrder) -> Account:
    """Raises ServiceProcessError."""
    if not order.user:
        return own_account()
    account = find_account(order.user)
    if account is None:
        raise ServiceProcessError(
            f"The service {order.name!r} is to run as {order.user!r}, and there is no such account on this machine.",
            "The administrator can make it (useradd --system NAME), or name another in `user`.",
        )
    if os.geteuid() not in {0, account.uid}:
        raise ServiceProcessError(
            f"The service {order.name!r} is to run as {order.user!r}, and only a hub that root started can do that.",
            "The administrator can leave `user` out, or start the hub as root.",
        )
    return account


def environment(order: ServiceOrder, account: Account, hub: Mapping[str, str], mark: Mapping[str, str]) -> dict[str, str]:
    """All variables: nothing of the hub's own but its language. Programs beside the hub's Python are found without a path."""
    return {
        **{name: value for name, value in hub.items() if name in _KEPT or name.startswith("LC_")},
        "HOME": str(account.home),
        "USER": account.name,
        "LOGNAME": account.name,
        "SHELL": account.shell,
        "PATH": f"{Path(sys.executable).parent}:{_SYSTEM_PATH}",
        "PYTHONUNBUFFERED": "1",  # what it says is to be in the log before it ends
        **order.env,
        **mark,
    }


def launch_plan(order: ServiceOrder, account: Account, env: Mapping[str, str], run: RunFolder, log: Path, lifeline: Path) -> dict[str, Any]:
    """All the launcher has to know."""
    home = account.home if account.home.is_dir() else Path("/")
    return {
        "claim_file": str(run.claim_file),
        "run_folder": str(run.folder),
        "failure_file": str(run.failure_file),
        "log_file": str(log),
        "log_size": LOG_SIZE,
        "append_log": True,
        "lifeline": str(lifeline),
        "argv": list(order.command),
        "env": dict(env),
        "account": account.name,
        "uid": account.uid,
        "gid": account.gid,
        "home": order.cwd or str(home),
        "home_is_written": False,
        "umask": _UMASK,
        "cgroup_files": [],
        "oom_file": "",
        "supervisor": SUPERVISOR,
    }
