"""A hub of one spawner: opens it, starts servers by it, and can be 'killed' and opened again over the same folders."""

import asyncio
import http.client
import json
import os
import shutil
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import token_hex
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from perijove.adapters.spawners.local import Config, LocalSpawner
from perijove.adapters.system_clock import SystemClock
from perijove.domain.server import JsonObject, ServerId
from perijove.ports.plugin import PluginContext
from perijove.ports.spawner import Address, Checkpoint, Exited, Handle, StartEvent, StartRequest

PYTHON = "/usr/bin/python3"
TOKEN = "s3cret-token-of-the-server"


class Unix(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self._path)


@dataclass
class Stage:
    """`folder` may be passed by all accounts. `account` is the Unix account of "alice", or ours."""

    folder: Path
    account: str
    uid: int
    handles: list[Handle] = field(default_factory=list)
    environ: dict[str, str] = field(default_factory=lambda: {"LC_ALL": "C.UTF-8", "HUB_SECRET": "never to be seen"})

    @property
    def command(self) -> tuple[str, ...]:
        return (PYTHON, str(self.folder / "little_server.py"))

    @property
    def context(self) -> PluginContext:
        for name in ("state", "run"):
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)
        return PluginContext(
            state_dir=self.folder / "state",
            runtime_dir=self.folder / "run",
            base_url="/",
            exposed=False,
            store=cast("Any", None),
            secrets=cast("Any", None),
            clock=SystemClock(),
            environ=self.environ,
        )

    @asynccontextmanager
    async def spawner(self, **settings: Any) -> AsyncIterator[LocalSpawner]:
        """As a hub opens it. Again, with the same folders: as the next hub does."""
        if os.geteuid() == 0:
            settings.setdefault("account", self.account)
        settings.setdefault("command", self.command)
        async with LocalSpawner.open(Config(**settings), self.context) as spawner:
            yield spawner

    def request(self, name: str = "", **options: Any) -> StartRequest:
        handle = Handle(server_id=ServerId(1), user_name="alice", server_name=name, start_id=token_hex(8), state=None)
        return StartRequest(
            handle=handle,
            prefix=f"/user/alice/{name}/" if name else "/user/alice/",
            env={"JUPYTERHUB_API_TOKEN": TOKEN, "JUPYTERHUB_USER": "alice", "JUPYTERHUB_BASE_URL": "/"},
            options=options,
        )

    async def started(self, spawner: LocalSpawner, request: StartRequest | None = None) -> Handle:
        """Start as the reconciler does, and return the handle as it is in the database then."""
        handle, _ = await self.drive(spawner, request or self.request())
        assert handle.address is not None
        return handle

    async def drive(self, spawner: LocalSpawner, request: StartRequest, *, until: int = 1000) -> tuple[Handle, list[StartEvent]]:
        """Take at most `until` events, keeping what a database would keep."""
        handle = request.handle
        events: list[StartEvent] = []
        stream = spawner.start(request)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(cast("Any", stream).aclose)
            async for event in stream:
                events.append(event)
                if isinstance(event, Checkpoint):
                    handle = replace(handle, state=stored(event.state))
                    self.handles.append(handle)
                elif isinstance(event, Address):
                    handle = replace(handle, address=event.url, state=stored(event.state) if event.state is not None else handle.state)
                if len(events) >= until:
                    break
        return handle, events

    async def ended(self, spawner: LocalSpawner, handle: Handle) -> Exited:
        """Wait until polling says that it has ended."""
        deadline = time.monotonic() + 20
        while True:
            (status,) = await spawner.poll([handle])
            if isinstance(status, Exited):
                return status
            assert time.monotonic() < deadline, f"still {status}"
            await asyncio.sleep(0.02)

    def processes(self, start_id: str) -> set[int]:
        """Everything alive that was started for this attempt, the supervisor not counted."""
        found = set()
        for entry in Path("/proc").iterdir():
            try:
                if (
                    entry.name.isdecimal()
                    and f"PERIJOVE_START_ID={start_id}".encode() in (entry / "environ").read_bytes().split(b"\0")
                    and alive(int(entry.name))
                ):
                    found.add(int(entry.name))
            except OSError:
                continue
        return found

    async def clean(self) -> None:
        async with self.spawner() as spawner:
            for handle in self.handles:
                await spawner.stop(handle, 0)
        shutil.rmtree(self.folder)


def stored(state: JsonObject | None) -> JsonObject:
    """Through the database and back."""
    loaded: JsonObject = json.loads(json.dumps(state))
    return loaded


def ask(handle: Handle, path: str = "about") -> Any:
    """One request as the proxy sends it."""
    assert handle.address is not None
    parts = urlsplit(handle.address)
    connection: http.client.HTTPConnection
    if parts.scheme == "http+unix":
        connection = Unix(unquote(parts.netloc))
    else:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        prefix = f"/user/{handle.user_name}/{handle.server_name}/" if handle.server_name else f"/user/{handle.user_name}/"
        connection.request("GET", prefix + path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


async def until(look: Callable[[], bool], what: str, within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not look():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(") ")[2][0] not in "ZX"
