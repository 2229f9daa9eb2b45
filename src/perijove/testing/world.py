"""The place where a ScriptedSpawner's servers live. It outlives hubs, and remembers what each of them did to it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from perijove.domain.errors import SpawnerError
from perijove.domain.server import ServerId


class Moment(Enum):
    """Where in a spawner's work something can befall it."""

    BEFORE_CHECKPOINT = "before checkpoint"
    AFTER_CHECKPOINT = "after checkpoint"
    BEGUN = "begun"
    """The process lives, but the hub was not told its address yet."""
    POLL = "poll"
    STOP = "stop"


@dataclass(kw_only=True)
class Script:
    """What befalls a server; nothing if left alone. May be changed while it happens; call `World.go_on` then."""

    hangs: Moment | None = None
    fails: tuple[Moment, Exception] | None = None
    dies: Moment | None = None
    """BEGUN: ends with exit code 3 before its address is known. POLL: as soon as its address is known."""
    ends_without_address: bool = False
    unclear: bool = False
    """Polls cannot tell."""
    status: int | None = 200
    """What it answers to a probe. None: nothing."""


@dataclass
class Process:
    """One attempt of one server."""

    server_id: ServerId
    start_id: str
    address: str
    exit_code: int | None = None
    message: str = ""

    @property
    def live(self) -> bool:
        return self.exit_code is None


@dataclass
class World:
    """`scripts`: by full name ("alice/lab"). `doubles`: servers of which two lived at once, which must never be."""

    scripts: dict[str, Script] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)
    doubles: list[ServerId] = field(default_factory=list)
    spent: set[str] = field(default_factory=set)
    """Attempts (start_id) that were stopped, and so never begin again."""
    forgotten: list[str] = field(default_factory=list)
    reached: list[tuple[str, Moment]] = field(default_factory=list)
    """Full name and moment of everything that came to pass."""
    _news: list[asyncio.Event] = field(default_factory=list)

    def script(self, full_name: str) -> Script:
        return self.scripts.setdefault(full_name, Script())

    def live(self, server_id: ServerId | None = None) -> list[Process]:
        """Whatever lives, or lives for this server."""
        return [process for process in self.processes.values() if process.live and server_id in {None, process.server_id}]

    def begin(self, server_id: ServerId, start_id: str) -> Process:
        """Raises SpawnerError for an attempt that was stopped."""
        if start_id in self.spent:
            raise SpawnerError("This start was called off.", "Start the server again.")
        if self.live(server_id):
            self.doubles.append(server_id)
        process = Process(server_id, start_id, f"http://127.0.0.1:{20000 + len(self.processes)}")
        self.processes[f"{start_id}#{len(self.processes)}"] = process
        self.go_on()
        return process

    def find(self, start_id: str) -> Process | None:
        """The last of this attempt."""
        return next((process for process in reversed(self.processes.values()) if process.start_id == start_id), None)

    def end(self, server_id: ServerId, exit_code: int = 0, message: str = "") -> None:
        """Whatever lives for this server ends."""
        for process in self.live(server_id):
            process.exit_code, process.message = exit_code, message
        self.go_on()

    async def come_to(self, full_name: str, moment: Moment) -> None:
        """What spawners call: hang or fail there, if the script says so."""
        self.reached.append((full_name, moment))
        self.go_on()
        await self.until(lambda: self.script(full_name).hangs is not moment, within_s=None)
        fails = self.script(full_name).fails
        if fails is not None and fails[0] is moment:
            raise fails[1]

    def go_on(self) -> None:
        """Something changed: whoever waits looks again."""
        for event in self._news:
            event.set()

    async def until(self, condition: Callable[[], bool], within_s: float | None = 10.0) -> None:
        """Raises TimeoutError."""
        news = asyncio.Event()
        self._news.append(news)
        try:
            async with asyncio.timeout(within_s):
                while not condition():
                    await news.wait()
                    news.clear()
        finally:
            self._news.remove(news)
