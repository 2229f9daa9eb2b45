"""Gateway and agent in this process, on real sockets, with whatever server a test wants behind them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from perijove.agent.dial import Dialler, Pace
from perijove.agent.job import Doorway
from perijove.gateway.serve import Gateway
from perijove.gateway.settings import GatewaySettings
from perijove.wire.agents import agent_token, connect_head

TOKEN = "proxies"
QUICK = Pace(connect=3.0, first=0.02, most=0.1, refused=0.1, same=30.0, beat=0.3, silence=1.0, keep=5.0)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(64 * 1024):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    writer.close()


@dataclass
class Wires:
    gateway: Gateway
    dialler: Dialler
    dialling: asyncio.Task[None]
    port: int
    said: list[str]

    async def open(self, start_id: str = "s1", token: str = TOKEN) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
        """A connection, and the first line of the gateway's answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=64 * 1024)
        writer.write(connect_head(start_id, token))
        head = await reader.readuntil(b"\r\n\r\n")
        return reader, writer, head.split(b"\r\n")[0]


async def until(look: Callable[[], object], what: str) -> None:
    async with asyncio.timeout(15):
        while not look():
            await asyncio.sleep(0.01)
    assert look(), what


@asynccontextmanager
async def wires(
    folder: Path, serve: Serve = echo, *, token: str = "", settings: GatewaySettings | None = None, dial: str = "", ca_file: str = ""
) -> AsyncIterator[Wires]:
    """`dial`: another way than straight to the gateway, with {port} for its port."""
    behind = await asyncio.start_unix_server(serve, folder / "server.sock", limit=64 * 1024)
    gateway = Gateway(settings or GatewaySettings(port=0, token=TOKEN))
    port = int((await gateway.start()).rpartition(":")[2])
    running = asyncio.create_task(gateway.run())
    doorway, said = Doorway(str(folder / "server.sock")), list[str]()
    dialler = Dialler(
        "s1",
        token or agent_token(TOKEN, "s1"),
        [(dial or "ws://127.0.0.1:{port}/tunnel/").replace("{port}", str(port))],
        ca_file=ca_file or None,
        opened=doorway.opened,
        say=said.append,
        pace=QUICK,
    )
    dialling = asyncio.create_task(dialler.run())
    try:
        yield Wires(gateway, dialler, dialling, port, said)
    finally:
        dialling.cancel()
        await asyncio.wait([dialling])
        await doorway.aclose()
        gateway.ask_to_end()
        await running
        behind.close()
        for _ in range(10):
            await asyncio.sleep(0)
