"""Why a managed service could not begin, in words for the administrator."""

import errno
from typing import Any

from perijove.ports.service_processes import ServiceOrder, ServiceProcessError
from perijove.processes.account import Account

_DISK = {errno.ENOSPC, errno.EDQUOT}


def failure_error(order: ServiceOrder, account: Account, told: dict[str, Any]) -> ServiceProcessError:
    """What the launcher told of a step that did not work."""
    step, path, number, reason = told.get("step"), told.get("path", ""), told.get("errno", 0), told.get("reason", "unknown")
    if number in _DISK:
        return ServiceProcessError(f"There is no room left to write {path}.", "The administrator must make room on that disk.")
    if step == "home":
        return ServiceProcessError(
            f"The service {order.name!r} cannot run in {path} as {account.name}: {reason}.", "The administrator must mend that folder, or `cwd`."
        )
    if step == "command":
        return ServiceProcessError(
            f"The command {path} of the service {order.name!r} cannot be run as {account.name}: {reason}.",
            "The administrator must install it where that account may run it, or mend `command`.",
        )
    return ServiceProcessError(
        f"The service {order.name!r} could not be launched as {account.name}: {step} {path}: {reason}.",
        "The administrator finds more in the hub's log.",
    )
