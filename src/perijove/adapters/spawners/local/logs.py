"""Where the output of servers is kept."""

from contextlib import suppress
from pathlib import Path

from perijove.adapters.spawners.local.names import safe_name


def log_file(state_dir: Path, user_name: str, server_name: str) -> Path:
    """One file for each server; the supervisor puts ".1" to the name of the one before."""
    return log_folder(state_dir, user_name) / (f"server-{server_name}.log" if server_name else "server.log")


def log_folder(state_dir: Path, user_name: str) -> Path:
    return state_dir / "logs" / safe_name(user_name, 64)


def remove(file: Path) -> None:
    """Remove a server's logs, and their folder if it is the person's last server."""
    for name in (file, file.with_name(f"{file.name}.1")):
        with suppress(OSError):
            name.unlink()
    with suppress(OSError):
        file.parent.rmdir()
