"""How a server ended, or why it could not begin, in words for the person who waits."""

import errno
import signal
from typing import Any

from perijove.adapters.spawners.local.limits import size_text
from perijove.domain.errors import SpawnerError
from perijove.processes.claims import Ending

_DISK = {errno.ENOSPC, errno.EDQUOT}


def ending_text(ending: Ending | None, memory_limit: int) -> str:
    """`memory_limit` in bytes, 0 if none was set."""
    if ending is None:
        return "The server ended, and nobody was left to see how: its supervisor was killed too."
    if ending.out_of_memory and ending.code in {-signal.SIGKILL, 128 + signal.SIGKILL}:
        allowed = f"more than the {size_text(memory_limit)} of memory it may use" if memory_limit else "too much memory"
        return f"The server was killed because it used {allowed}. Load less at once, or ask the administrator for more."
    if ending.code == 0:
        return "The server ended by itself (exit code 0)."
    if ending.code < 0:
        return f"The server was killed by {_signal_name(-ending.code)}."
    return f"The server ended with exit code {ending.code}; its log says why."


def failure_error(told: dict[str, Any], account: str) -> SpawnerError:
    """What the launcher told of a step that did not work."""
    step, path, number, reason = told.get("step"), told.get("path", ""), told.get("errno", 0), told.get("reason", "unknown")
    if number in _DISK:
        return SpawnerError(f"There is no room left to write {path}.", "The administrator must make room on that disk, or raise the quota.")
    if step == "home" and number == errno.ENOENT:
        return SpawnerError(
            f"The home folder {path} of the account {account} does not exist.",
            "The administrator can make it (mkhomedir_helper), or mend the account's entry.",
        )
    if step == "home":
        return SpawnerError(
            f"The account {account} may not write in its home folder {path}: {reason}.", "The administrator must mend its owner and permissions."
        )
    if step == "command" and number in {errno.ENOENT, errno.EACCES, errno.ENOTDIR}:
        return SpawnerError(
            f"The account {account} cannot run the server command {path}: {reason}.",
            "The administrator must install it, with the Python it uses, where every account may read and run it (not below /root), or name another in spawner.command.",
        )
    if step == "command":
        return SpawnerError(
            f"The server command {path} cannot be run: {reason}.", "The administrator must mend spawner.command, spawner.args or spawner.environment."
        )
    if step == "cgroup":
        return SpawnerError(
            f"The limits of this server could not be set: {path}: {reason}.", "The administrator must mend the control groups of this machine."
        )
    return SpawnerError(f"The server could not be launched as {account}: {step} {path}: {reason}.", "The administrator finds more in the hub's log.")


def disk_error(error: OSError) -> SpawnerError:
    """A folder or file of the spawner's own that could not be written."""
    place = error.filename or "the spawner's folders"
    if error.errno in _DISK:
        return SpawnerError(f"There is no room left to write {place}.", "The administrator must make room on that disk.")
    return SpawnerError(f"The hub cannot write {place}: {error.strerror}.", "The administrator must mend its owner and permissions.")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
