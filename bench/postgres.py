"""A PostgreSQL server of one run's own, to keep the hub's data in: socket and files in a folder, gone afterwards."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from http_client import BenchError
from hubs import clean_environ, running

_ACCOUNT = "postgres"
"""The server refuses to run as root; root runs it as this account, which Debian's package made."""
_READY_S = 30.0


def _prepared(folder: Path, account: str | None) -> Path:
    """The folder of PostgreSQL's programs. Raises BenchError."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise BenchError("PostgreSQL is not installed: `apt-get install postgresql`.")
    folder.parent.chmod(0o755)
    folder.mkdir()
    if account:
        shutil.chown(folder, account, account)
    command: list[str | Path] = [found[-1], "-D", folder / "data", "-U", "hub", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8"]
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/",
        user=account,
        group=account,
        extra_groups=[] if account else None,
        env=clean_environ(),
    )
    return found[-1].parent


def _ready(programs: Path, folder: Path) -> bool:
    return subprocess.run([programs / "pg_isready", "-q", "-h", folder, "-U", "hub"], check=False).returncode == 0


@dataclass(frozen=True, slots=True)
class Database:
    """An empty database. `pid` of PostgreSQL's first process."""

    url: str
    pid: int


@asynccontextmanager
async def postgres(folder: Path) -> AsyncIterator[Database]:
    """With PostgreSQL's own settings (it waits for the disk at each commit). Raises BenchError."""
    account = _ACCOUNT if os.geteuid() == 0 else None
    programs = await asyncio.to_thread(_prepared, folder, account)
    settings, log = {"listen_addresses": "", "unix_socket_directories": str(folder)}, folder / "log"
    command: list[str | Path] = [
        programs / "postgres",
        "-D",
        folder / "data",
        *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
    ]
    with running(command, log, clean_environ(), account=account, cwd=Path("/")) as pid:
        deadline = asyncio.get_running_loop().time() + _READY_S
        while not await asyncio.to_thread(_ready, programs, folder):
            if asyncio.get_running_loop().time() > deadline:
                raise BenchError(f"PostgreSQL did not start:\n{await asyncio.to_thread(log.read_text, errors='replace')}")
            await asyncio.sleep(0.1)
        yield Database(f"postgresql://hub@/postgres?host={quote(str(folder), safe='')}", pid)
