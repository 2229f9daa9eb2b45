"""Agents that have a token and mean ill: they are sent away, and cost what others cost."""

import asyncio
import contextlib
import json
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode

from perijove.agent.frames import DATA, END, HELLO, NOTE, OPEN, Frame, counting, saying
from perijove.agent.mux import Mux
from perijove.wire.agents import agent_token
from tests.integration.tunnel.wires import TOKEN, until, wires

HELLO_FRAME = Mux(opens=False).hello(session="s").encoded()


def hello(**changes: object) -> bytes:
    return saying(HELLO, {"version": 1, "highest": 0, "streams": {}, "session": "s", **changes}).encoded()


@pytest.mark.parametrize(
    "messages",
    [
        [b""],
        [b"nonsense"],
        [Frame(NOTE, 0, b"{}").encoded()],
        [hello(session="")],
        [hello(session="x" * 65)],
        [hello(version=2)],
        [hello(streams={"9" * 5000: [0, False, 0]})],
        [hello(streams={"1": [-1, False, 0]})],
        [Frame(HELLO, 0, b"[" * 100_000).encoded()],
        [Frame(HELLO, 0, json.dumps({"version": 1}).encode()).encoded()],
        [HELLO_FRAME, HELLO_FRAME],
        [HELLO_FRAME, Frame(OPEN, 1, b"server").encoded()],
        [HELLO_FRAME, Frame(DATA, 7, b"x").encoded()],
        [HELLO_FRAME, counting(END, 1, 0).encoded()],
        [HELLO_FRAME, b"x" * 2_000_000],
    ],
)
async def test_what_is_not_understood_is_sent_away(tmp_path: Path, messages: list[bytes]) -> None:
    async with wires(tmp_path) as found, asyncio.timeout(20):
        fields = {"Authorization": f"token {agent_token(TOKEN, 'evil')}", "Perijove-Start": "evil"}
        async with connect(f"ws://127.0.0.1:{found.port}/tunnel/0", additional_headers=fields, max_size=None) as socket:
            with contextlib.suppress(ConnectionClosed):
                for message in messages:
                    await socket.send(message)
            with contextlib.suppress(ConnectionClosed):
                async for _ in socket:  # until it is closed
                    continue
        await until(lambda: (evil := found.gateway.front.agents.find("evil")) is None or not evil.here, "it to be away")
        await until(lambda: (agent := found.gateway.front.agents.find("s1")) is not None and agent.here, "the other to be untouched")


async def test_who_asks_and_does_not_listen_is_dropped(tmp_path: Path) -> None:
    async with wires(tmp_path) as found, asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", found.port)
        key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade\r\nUpgrade: websocket"
        token = agent_token(TOKEN, "evil")
        writer.write(f"GET /tunnel/1 HTTP/1.1\r\nHost: x\r\n{key}\r\nPerijove-Start: evil\r\nAuthorization: token {token}\r\n\r\n".encode())
        assert (await reader.readline()).split()[1] == b"101"
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        pings = WebSocketFrame(Opcode.PING, b"x" * 125).serialize(mask=True) * 1000
        with contextlib.suppress(OSError):  # until it is closed
            while True:
                writer.write(pings)
                await writer.drain()
        writer.transport.abort()
