"""Connections through a tunnel: a reader that stops stops nobody else and costs a window, ends arrive, strangers do not get in."""

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

from perijove.agent.mux import WINDOW
from perijove.gateway.serve import Gateway
from perijove.gateway.settings import GatewaySettings
from perijove.wire.agents import agent_token
from tests.integration.tunnel.site import Relay
from tests.integration.tunnel.wires import TOKEN, Wires, until, wires


async def here(found: Wires) -> None:
    await until(lambda: (agent := found.gateway.front.agents.find("s1")) is not None and agent.here, "the agent")


def kept(found: Wires) -> int:
    """Bytes that both ends of the tunnel keep."""
    ends = [found.gateway.front.agents.find("s1"), *found.dialler.lines()]
    streams = [stream for end in ends if end is not None for stream in end.carrier.mux._streams.values()]
    return sum(len(stream.kept) for stream in streams)


async def test_bytes_and_ends_arrive_in_both_directions(tmp_path: Path) -> None:
    async with wires(tmp_path) as found, asyncio.timeout(20):
        await here(found)
        blob = os.urandom(2_000_000)
        reader, writer, said = await found.open()
        assert said == b"HTTP/1.1 200 Connected"
        writer.write(blob)
        writer.write_eof()
        assert await reader.read(-1) == blob
        writer.close()
        await until(lambda: not found.gateway.front.agents.counts()["connections"], "the stream to be forgotten")
        await until(lambda: not any(len(line.carrier.mux) for line in found.dialler.lines()), "the agent to forget it")


async def test_a_reader_that_stops_costs_a_window_and_stops_nobody_else(tmp_path: Path) -> None:
    written = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        with contextlib.suppress(OSError):
            if await reader.read(1) == b"f":
                while True:
                    writer.write(b"x" * 16_384)
                    await writer.drain()
                    written += 16_384
            writer.write(b"pong")
            await writer.drain()
        writer.close()

    async with wires(tmp_path, flood) as found, asyncio.timeout(30):
        await here(found)
        stopped = [await found.open() for _ in range(3)]
        for reader, writer, _ in stopped:
            writer.write(b"f")
            assert await reader.readexactly(1) == b"x"
        before = -1
        while written != before:
            before = written
            for _ in range(5):
                reader, writer, _ = await found.open()
                writer.write(b"p")
                assert await reader.readexactly(4) == b"pong"
                writer.close()
            await asyncio.sleep(0.1)
        assert kept(found) <= 3 * 2 * (WINDOW + 64 * 1024 + 256 * 1024)
        at = written
        await stopped[0][0].readexactly(WINDOW * 8)
        await until(lambda: written > at, "the first to go on")
        for _, writer, _ in stopped:
            writer.transport.abort()
        await until(lambda: not found.gateway.front.agents.counts()["connections"], "the streams to be broken off")


async def test_what_is_lost_on_the_way_is_sent_again(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        relay = Relay(0)
        await relay.start()
        stack.push_async_callback(relay.close)
        found = await stack.enter_async_context(wires(tmp_path, dial=f"ws://127.0.0.1:{relay.port}/tunnel/"))
        relay.to = found.port
        await here(found)
        reader, writer, _ = await found.open()
        blob = os.urandom(3_000_000)

        async def write() -> None:
            for at in range(0, len(blob), 100_000):
                writer.write(blob[at : at + 100_000])
                await writer.drain()

        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            group.create_task(write())
            got = await reader.readexactly(500_000)
            for _ in range(3):
                relay.break_off()
                await asyncio.sleep(0.05)
                relay.mend()
                got += await reader.readexactly(500_000)
            got += await reader.readexactly(len(blob) - len(got))
        assert got == blob
        assert found.gateway.front.agents.resumed >= 3
        writer.close()


async def test_a_connection_that_is_dead_without_a_word_is_noticed_and_replaced(tmp_path: Path) -> None:
    relay = Relay(0)
    await relay.start()
    async with wires(tmp_path, dial=f"ws://127.0.0.1:{relay.port}/tunnel/") as found, asyncio.timeout(20):
        relay.to = found.port
        await here(found)
        reader, writer, _ = await found.open()
        writer.write(b"before ")
        assert await reader.readexactly(7) == b"before "
        relay.swallow()
        writer.write(b"after")
        assert await reader.readexactly(5) == b"after"
        assert any("nothing was heard" in said for said in found.said)
        writer.close()
    await relay.close()


async def test_only_the_starts_own_token_opens_its_tunnel_and_only_proxies_use_it(tmp_path: Path) -> None:
    async with wires(tmp_path, token=agent_token(TOKEN, "s2")) as found, asyncio.timeout(20):
        await until(lambda: found.said, "a refusal")
        assert "does not accept this job's token" in found.said[0]
        assert found.gateway.front.agents.find("s1") is None
    async with wires(tmp_path) as found, asyncio.timeout(20):
        await here(found)
        for start_id, token, line in (("s1", "guessed", b"401"), ("s1", agent_token(TOKEN, "s1"), b"401"), ("s2", TOKEN, b"404")):
            _, writer, said = await found.open(start_id, token)
            assert said.split()[1] == line
            writer.close()


@pytest.mark.parametrize(("limit", "second"), [((1, 0), "503"), ((9, 1), "503"), ((9, 3), "101")])
async def test_agents_are_counted_altogether_and_by_where_they_come_from(tmp_path: Path, limit: tuple[int, int], second: str) -> None:
    async with (
        wires(tmp_path, settings=GatewaySettings(port=0, token=TOKEN, agents=limit[0], agents_per_address=limit[1])) as found,
        asyncio.timeout(20),
    ):
        await here(found)
        reader, writer = await asyncio.open_connection("127.0.0.1", found.port)
        key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade\r\nUpgrade: websocket"
        writer.write(
            f"GET /tunnel/1 HTTP/1.1\r\nHost: x\r\n{key}\r\nPerijove-Start: s9\r\nAuthorization: token {agent_token(TOKEN, 's9')}\r\n\r\n".encode()
        )
        assert (await reader.readline()).split()[1].decode() == second
        writer.transport.abort()


async def test_strangers_are_not_waited_for(tmp_path: Path) -> None:
    async with wires(tmp_path, settings=GatewaySettings(port=0, token=TOKEN, head_s=0.1, waiting=2)) as found, asyncio.timeout(20):
        await here(found)
        slow = [await asyncio.open_connection("127.0.0.1", found.port) for _ in range(2)]
        await until(lambda: len(found.gateway.front.waiting) == 2, "both to be counted")
        reader, writer = await asyncio.open_connection("127.0.0.1", found.port)
        assert (await reader.readline()).split()[1] == b"503"
        writer.close()
        for reader, writer in slow:
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
        for nonsense, status in (
            (b"x" * 20_000, b"431"),
            (b"GET / HTTP/1.1\r\nbad field\r\n\r\n", b"400"),
            (b"PUT /agents HTTP/1.1\r\n\r\n", b"405"),
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", found.port)
            writer.write(nonsense)
            assert (await reader.readline()).split()[1] == status
            writer.transport.abort()


async def test_a_gateway_that_gives_way_keeps_what_it_carries_and_ends_with_it(tmp_path: Path) -> None:
    async with wires(tmp_path) as found, asyncio.timeout(30):
        await here(found)
        reader, writer, _ = await found.open()
        found.gateway.retire()
        successor = Gateway(GatewaySettings(port=found.port, token=TOKEN))
        await successor.start()
        serving = asyncio.create_task(successor.run())
        await until(lambda: (agent := successor.front.agents.find("s1")) is not None and agent.here, "the agent at the new one")
        writer.write(b"still here")
        assert await reader.readexactly(10) == b"still here"
        again, other, said = await found.open()
        assert said == b"HTTP/1.1 200 Connected"
        other.write(b"here, too")
        assert await again.readexactly(9) == b"here, too"
        other.close()
        writer.close()
        await until(lambda: not len(found.gateway.front.agents), "the old one to be left")
        successor.ask_to_end()
        await serving


async def test_a_job_that_ends_leaves_nobody_waiting(tmp_path: Path) -> None:
    async with wires(tmp_path) as found, asyncio.timeout(20):
        await here(found)
        reader, writer, _ = await found.open()
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        found.dialling.cancel()
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        assert found.gateway.front.agents.find("s1") is None
        writer.close()
