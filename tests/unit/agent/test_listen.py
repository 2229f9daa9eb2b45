"""An agent that listens: who knows the token is let in, and goes on where they were; nobody else learns or gets anything."""

import asyncio
import contextlib
import json
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from perijove.agent.frames import Frame, decoded
from perijove.agent.job import Doorway
from perijove.agent.listen import Listener
from perijove.agent.mux import Gone, Mux, Received
from perijove.agent.shake import Host, Peer, StrangerError, Unframer, framed

OPEN: list[asyncio.StreamWriter] = []


class Laptop:
    """The other end."""

    def __init__(self, mux: Mux, session: str) -> None:
        self.mux = mux
        self.session = session
        self.got = bytearray()
        self.gone: list[str] = []
        self.connected = False

    async def connect(self, port: int, token: str = "secret") -> bool:
        """Whether the agent says that this is a fresh start."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        OPEN.append(self.writer)
        self._unframer, self._messages = Unframer(), list[bytes]()
        peer = Peer(token, "s1")
        self.writer.write(peer.greeting())
        self.writer.write(peer.answered(await self.reader.readline()))
        self.writer.write(framed(self.mux.hello(session=self.session).encoded()))
        hello = await self.message()
        if hello.words["fresh"] and self.connected:
            self.see(self.mux.forget("fresh"))
        self.connected = True
        self.see(self.mux.resume(hello))
        self.send()
        return bool(hello.words["fresh"])

    async def message(self) -> Frame:
        while not self._messages:
            data = await self.reader.read(64 * 1024)
            assert data, "closed"
            self._messages += self._unframer.feed(data)
        return decoded(self._messages.pop(0))

    def send(self) -> None:
        while (frame := self.mux.take()) is not None:
            self.writer.write(framed(frame.encoded()))

    def see(self, events: list[object]) -> None:
        for event in events:
            if isinstance(event, Received):
                self.got += event.data
                self.mux.passed_on(event.stream, len(event.data))
            elif isinstance(event, Gone):
                self.gone.append(event.reason)

    async def read_until(self, count: int) -> bytes:
        while len(self.got) < count:
            self.see(self.mux.receive(await self.message()))
            self.send()
        return bytes(self.got)


@asynccontextmanager
async def listening(folder: Path) -> AsyncIterator[Listener]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1024):
            writer.write(data)
        writer.transport.abort()

    server = await asyncio.start_unix_server(echo, folder / "server.sock")
    doorway = Doorway(str(folder / "server.sock"))
    listener = Listener("s1", "secret", str(folder / "state.json"), opened=doorway.opened)
    task = asyncio.create_task(listener.run())
    try:
        async with asyncio.timeout(10):
            while not (folder / "state.json").exists():
                await asyncio.sleep(0)
        yield listener
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await doorway.aclose()
        server.close()
        while OPEN:
            writer = OPEN.pop()
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        for _ in range(5):
            await asyncio.sleep(0)


async def test_streams_go_on_over_a_connection_that_comes_again(tmp_path: Path) -> None:
    async with listening(tmp_path) as listener, asyncio.timeout(10):
        told = json.loads((tmp_path / "state.json").read_text())
        assert told["port"] == listener.port
        assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600
        laptop = Laptop(Mux(opens=True), "mine")
        assert await laptop.connect(told["port"])
        stream = laptop.mux.open("server")
        laptop.mux.send(stream, b"one ")
        laptop.send()
        assert await laptop.read_until(4) == b"one "
        laptop.writer.transport.abort()
        laptop.mux.send(stream, b"two")
        assert not await laptop.connect(told["port"])
        assert await laptop.read_until(7) == b"one two"
        other = Laptop(Mux(opens=True), "another")
        assert await other.connect(told["port"])
        assert await laptop.connect(told["port"]), "its session was given up for the other's"
        assert laptop.gone
    assert not (tmp_path / "state.json").exists()


async def test_who_does_not_know_the_token_is_closed_without_a_word(tmp_path: Path) -> None:
    async with listening(tmp_path) as listener, asyncio.timeout(10):
        with pytest.raises(StrangerError):
            await Laptop(Mux(opens=True), "mine").connect(listener.port, token="guessed")
        for lie in (b"GET / HTTP/1.1\r\n\r\n", b"PERIJOVE 1 " + b"0" * 64 + b"\n" + b"0" * 64 + b"\n", b"x" * 1000):
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            OPEN.append(writer)
            writer.write(lie)
            with contextlib.suppress(ConnectionResetError):
                answer = await reader.read()
                assert len(answer) <= 130
        assert listener.carrier.wire is None


def test_a_proof_is_good_for_one_start_one_end_and_once() -> None:
    peer, host = Peer("secret", "s1"), Host("secret", "s1")
    line = host.greeted(peer.greeting())
    proof = peer.answered(line)
    host.convinced(proof)
    with pytest.raises(StrangerError):
        Host("secret", "s1").convinced(proof)
    with pytest.raises(StrangerError):
        Peer("secret", "s2").answered(line)
    with pytest.raises(StrangerError):
        host.convinced(line.split()[1] + b"\n")
