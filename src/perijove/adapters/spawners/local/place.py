"""The spawner's own folders: where sockets and run files are, checked before anything is put there."""

import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from perijove.domain.errors import SettingsError

_LONGEST_SOCKET: Final = 103
"""sun_path has 108 bytes on Linux and 104 elsewhere, the last of them a NUL: unix(7)."""
_SYSTEM_RUNTIME: Final = Path("/run")


def run_root(configured: str, runtime_dir: Path) -> Path:
    """The folder below which run folders are. As root it can be passed by the accounts, whose sockets are below. Raises SettingsError."""
    privileged = os.geteuid() == 0
    root = Path(configured) if configured else runtime_dir
    if privileged and not configured and not _can_be_passed(root):
        root = _SYSTEM_RUNTIME / f"perijove-{hashlib.sha256(str(runtime_dir).encode()).hexdigest()[:8]}"
    mode = 0o711 if privileged else 0o700
    try:
        root.mkdir(mode=mode, parents=True, exist_ok=True)
        _check_ours(root)
        root.chmod(mode)
    except OSError as error:
        raise SettingsError(
            f"The folder for sockets {root} cannot be made: {error.strerror}.", "The administrator can name another in spawner.socket_dir."
        ) from None
    if privileged and (closed := next((folder for folder in root.resolve().parents if not folder.stat().st_mode & 0o001), None)):
        raise SettingsError(
            f"Servers cannot make their sockets below {root}: other accounts may not pass {closed}.",
            "The administrator can name another folder in spawner.socket_dir, e.g. /run/perijove.",
        )
    longest = len(os.fsencode(root / ("0" * 16) / "u" / "s"))
    if longest > _LONGEST_SOCKET:
        raise SettingsError(
            f"The path of sockets below {root} would have {longest} bytes, and the system allows {_LONGEST_SOCKET}.",
            "The administrator can name a shorter folder in spawner.socket_dir.",
        )
    return root


def _can_be_passed(root: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in root.resolve().parents if folder.exists())


def _check_ours(root: Path) -> None:
    found = root.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise SettingsError(
            f"The folder for sockets {root} is a link, belongs to another account, or can be written by others.",
            "The administrator must remove it, or name another in spawner.socket_dir.",
        )
