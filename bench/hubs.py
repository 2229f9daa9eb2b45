"""Hubs to measure, each in a folder of its own, ended with everything it started."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from crowd import Crowd
from http_client import BenchError

JUPYTERHUB = "6.1.1"
CLONE = Path(__file__).resolve().parent.parent
CACHE = CLONE / ".cache"
_READY_S = 600.0


@dataclass(frozen=True, slots=True)
class Hub:
    """`url` of its API. `pid` if it runs here. `tokens` of more owners, by name. `others`: URLs and pids of more hubs of the same site."""

    name: str
    url: str
    token: str
    pid: int | None = None
    tokens: Mapping[str, str] = field(default_factory=dict)
    others: Sequence[tuple[str, int]] = ()
    database_pid: int | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """A service of the configuration that asks with a token of its own."""

    scopes: Sequence[str]
    token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)


BENCH = ("admin:users", "admin:servers", "list:users", "tokens", "read:hub")
"""What the service "bench" may do unless asked otherwise."""


def free_port() -> int:
    """Outside of those the system gives to outgoing connections: a hub with thousands of servers takes minutes before it listens."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", 10_000 + secrets.randbelow(20_000)))
            return int(probe.getsockname()[1])


@contextmanager
def scratch(keep: bool) -> Iterator[Path]:
    """A folder that is removed afterwards unless it is to be looked at."""
    if keep:
        path = Path(tempfile.mkdtemp(prefix="perijove-bench-"))
        print(f"Kept: {path}", file=sys.stderr)
        yield path
    else:
        with tempfile.TemporaryDirectory(prefix="perijove-bench-", ignore_cleanup_errors=True) as name:
            yield Path(name)


@contextmanager
def running(
    command: Sequence[str | Path], log: Path, environ: Mapping[str, str], *, account: str | None = None, cwd: Path | None = None
) -> Iterator[int]:
    """A process in a session of its own, whose whole process group is ended afterwards."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environ),
            cwd=cwd,
            start_new_session=True,
            user=account,
            group=account,
            extra_groups=[] if account else None,
        )
    try:
        yield process.pid
    finally:
        for how, patience_s in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)):
            try:
                os.killpg(process.pid, how)
                process.wait(patience_s)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        process.wait()


def _status(url: str) -> int | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


async def until_up(url: str, pid: int, log: Path) -> None:
    """Raises BenchError with the end of the log."""
    deadline = time.monotonic() + _READY_S
    while await asyncio.to_thread(_status, url) != 200:
        if _ended(pid) or time.monotonic() > deadline:
            raise BenchError(f"{url} did not answer 200. The log of what should answer there ends:\n{_tail(log)}")
        await asyncio.sleep(0.05)


def _ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-3000:]


def jupyterhub_venv() -> Path:
    """The environment JupyterHub runs in, made at the first call."""
    return cached_venv("bench-jupyterhub", f"jupyterhub=={JUPYTERHUB}")


def cached_venv(name: str, *packages: str, version: str = "") -> Path:
    """An environment in the cache, installed again when the packages asked for, or the `version` of those from a folder, change."""
    folder = CACHE / name
    stamp = folder / "bench-packages"
    wanted = "\n".join(filter(None, (*packages, version)))
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        print(f"Installing {', '.join(packages)} into {folder} …", file=sys.stderr)
        subprocess.run(["/usr/bin/python3", "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin/pip", "install", "-q", "--disable-pip-version-check", *packages], check=True)
        stamp.write_text(wanted, encoding="utf-8")
    return folder


def clean_environ(**more: str) -> dict[str, str]:
    """What a hub needs of ours, so that two people's figures do not differ by their shells."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "HOME": os.environ.get("HOME", "/"), **more}


@contextmanager
def listener() -> Iterator[str]:
    """URL of a process that answers in the place of every server."""
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("listener.py"), JUPYTERHUB], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


@asynccontextmanager
async def jupyterhub(keep: bool, owners: Mapping[str, Owner] = MappingProxyType({}), crowd: Crowd | None = None) -> AsyncIterator[Hub]:
    """JupyterHub without proxy and with a spawner that starts nothing. `crowd`: who is there from the start. Raises BenchError."""
    venv, url = jupyterhub_venv(), f"http://127.0.0.1:{free_port()}"
    owners = {"bench": Owner(BENCH), **owners}
    with scratch(keep) as folder, listener() as address:
        given = json.dumps({name: {"token": owner.token, "scopes": list(owner.scopes)} for name, owner in owners.items()})
        environ = clean_environ(BENCH_URL=url, BENCH_OWNERS=given, BENCH_LISTENER=address, BENCH_FOLDER=str(folder))
        if crowd is not None:
            filler = [Path(__file__).with_name("crowd_jupyterhub.py"), f"sqlite:///{folder}/jupyterhub.sqlite", address, crowd.people, crowd.servers]
            command: list[str | Path] = [venv / "bin/python", *map(str, filler)]
            await asyncio.to_thread(lambda: subprocess.run(command, env=environ, cwd=folder, check=True))
        config, log = Path(__file__).with_name("jupyterhub_config.py"), folder / "hub.log"
        with running([venv / "bin/jupyterhub", "--config", config], log, environ, cwd=folder) as pid:
            await until_up(f"{url}/hub/health", pid, log)
            yield Hub(f"jupyterhub {JUPYTERHUB}", f"{url}/hub/api", owners["bench"].token, pid, _tokens(owners))


def _tokens(owners: Mapping[str, Owner]) -> dict[str, str]:
    return {name: owner.token for name, owner in owners.items()}


_OURS = """\
[hub]
listen = "127.0.0.1:{port}"
state_dir = "{folder}/state"
[spawner]
use = "perijove.testing.null_spawner:NullSpawner"
{address}
[authenticator]
use = "dummy"
[access]
allow_all = true
admin_users = ["bench-admin"]
[limits]
concurrent_starts = 0
[log]
level = "warning"
"""
_OWNER = """\
[[services]]
name = "{name}"
api_token = "{token}"
[[roles]]
name = "{name}"
services = ["{name}"]
scopes = {scopes}
"""


@asynccontextmanager
async def perijove(
    keep: bool, owners: Mapping[str, Owner] = MappingProxyType({}), store: str = "", replicas: int = 1, database_pid: int | None = None
) -> AsyncIterator[Hub]:
    """Our hub, without proxy and with a spawner that starts nothing; `replicas` of them on one `store`: the URL of another database than its own
    file. Raises BenchError."""
    owners = {"bench": Owner(BENCH), **owners}
    with scratch(keep) as folder, ExitStack() as stack:
        address = f'address = "{stack.enter_context(listener())}"' if replicas > 1 else ""  # a server is where every hub finds it
        hubs: list[tuple[str, int]] = []
        for number in range(replicas):
            port, config, log = free_port(), folder / f"perijove-{number}.toml", folder / f"hub-{number}.log"
            parts = [_OURS.format(port=port, folder=folder, address=address), f'[store]\nurl = "{store}"\n' if store else ""]
            parts += [_OWNER.format(name=name, token=owner.token, scopes=json.dumps(list(owner.scopes))) for name, owner in owners.items()]
            config.write_text("".join(parts), encoding="utf-8")
            config.chmod(0o600)
            pid = stack.enter_context(running([sys.executable, "-m", "perijove", "hub", "--config", config], log, clean_environ(), cwd=folder))
            await until_up(f"http://127.0.0.1:{port}/hub/health", pid, log)
            hubs.append((f"http://127.0.0.1:{port}/hub/api", pid))
        name = f"perijove{f' x {replicas}' if replicas > 1 else ''}{' on PostgreSQL' if store else ''}"
        yield Hub(name, hubs[0][0], owners["bench"].token, hubs[0][1], _tokens(owners), hubs[1:], database_pid)
