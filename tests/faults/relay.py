"""A way between two programs that can be cut: a cable, for tests."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum

Open = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class Way(Enum):
    OPEN = "open"
    SILENT = "silent"
    """Nothing arrives, and nobody is told: a cable is out, or a firewall drops."""
    CLOSED = "closed"
    """Whoever comes is refused, and who was there is thrown out."""


class Relay:
    """From a port of its own (`port`, after `listen`) to wherever `far` leads."""

    def __init__(self, far: Open) -> None:
        self._far = far
        self._open = asyncio.Event()
        self._open.set()
        self._way = Way.OPEN
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.came = 0
        """How many connections were tried."""

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._throw_out()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def lead_to(self, far: Open) -> None:
        """From now on, for those who come. What those who were there say gets lost in silence."""
        self._far = far
        self._open = asyncio.Event()
        if self._way is Way.OPEN:
            self._open.set()

    def turn(self, way: Way) -> None:
        self._way = way
        if way is Way.OPEN:
            self._open.set()
        else:
            self._open.clear()
        if way is Way.CLOSED:
            self._throw_out()

    def _throw_out(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _pass_on(self, near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.came += 1
        self._tasks.add(task)
        self._writers.add(near_writer)
        far_writer: asyncio.StreamWriter | None = None
        try:
            if self._way is Way.CLOSED:
                return
            is_open = self._open
            await is_open.wait()
            far_reader, far_writer = await self._far()
            self._writers.add(far_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(near_reader, far_writer, is_open))
                group.create_task(_copy(far_reader, near_writer, is_open))
        except* OSError:
            pass  # one side is gone; so is the other, in a moment
        finally:
            for writer in (near_writer, far_writer):
                if writer is not None:
                    self._writers.discard(writer)
                    writer.close()
            self._tasks.discard(task)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_open: asyncio.Event) -> None:
    while data := await reader.read(1 << 16):
        await is_open.wait()
        writer.write(data)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()
