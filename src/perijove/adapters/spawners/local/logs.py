"""Where the output of servers is kept, and its end."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from perijove.adapters.spawners.local.names import safe_name

_SECRET: Final = re.compile(r"(?i)(token[=:]\s*|token\s+)[\w.~+/=-]{12,}")


def log_file(state_dir: Path, user_name: str, server_name: str) -> Path:
    """One file for each server; the supervisor puts ".1" to the name of the one before."""
    return log_folder(state_dir, user_name) / (f"server-{server_name}.log" if server_name else "server.log")


def log_folder(state_dir: Path, user_name: str) -> Path:
    return state_dir / "logs" / safe_name(user_name, 64)


def tail(file: Path, max_bytes: int) -> str:
    """The last whole lines in `max_bytes`, without what looks like a token. "" if there are none."""
    try:
        with file.open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(0, size - max_bytes))
            text = log.read(max_bytes)
    except OSError:
        return ""
    if size > max_bytes and b"\n" in text:
        text = text.split(b"\n", 1)[1]
    return _SECRET.sub(r"\1(hidden)", text.decode(errors="replace").replace("\0", ""))


def remove(file: Path) -> None:
    """Remove a server's logs, and their folder if it is the person's last server."""
    for name in (file, file.with_name(f"{file.name}.1")):
        with suppress(OSError):
            name.unlink()
    with suppress(OSError):
        file.parent.rmdir()
