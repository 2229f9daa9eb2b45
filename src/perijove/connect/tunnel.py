"""From a port of this machine to the server in the job: connections go through one SSH session as streams, and outlive it."""

import asyncio
import random  # noqa: TID251 - jitter
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from perijove.agent.carry import BUFFER, Carrier, Socket, Wire
from perijove.agent.frames import FrameError, decoded
from perijove.agent.mux import Mux
from perijove.agent.shake import LONGEST_LINE, Peer, StrangerError, Unframer, framed
from perijove.connect.login import ConnectError, LoginLostError, Pipe, Ways


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. `beat`: between two questions whether the other end is there; `silence`: after which it is believed gone; `first` and `most`: before
    the connection is made again."""

    beat: float = 10.0
    silence: float = 35.0
    shake: float = 20.0
    first: float = 0.5
    most: float = 15.0


class Tunnel:
    """`argv`: the relay over there. `up` is set while the job is reached; `trouble` says why it is not. `told` is called when either changes. `runs` returns
    once the job runs."""

    def __init__(
        self, ways: Ways, argv: list[str], *, start_id: str, secret: str, told: Callable[[], None], runs: Callable[[], Awaitable[object]], pace: Pace
    ) -> None:
        self._ways = ways
        self._argv = argv
        self._start_id = start_id
        self._secret = secret
        self._told = told
        self._runs = runs
        self._pace = pace
        self._session = secrets.token_hex(16)
        self._stood = False
        self.carrier = Carrier(Mux(opens=True), noted=lambda _: None)
        self.up = asyncio.Event()
        self.trouble = ""

    async def run(self) -> None:
        """Until cancelled. Raises RefusedLoginError when the login node lets nobody in any more."""
        failures = 0
        try:
            while True:
                await self._runs()
                try:
                    await self._once()
                    self._away("the connection ended")
                except (LoginLostError, _NotThereError, FrameError, StrangerError) as error:
                    self._away(str(error))
                failures = 0 if self._stood_now else min(failures + 1, 16)
                pause_s = min(self._pace.most, self._pace.first * 2**failures)
                await asyncio.sleep(pause_s * (0.5 + random.random() / 2))  # noqa: S311 - jitter
        finally:
            self.carrier.forget("given up")

    async def _once(self) -> None:
        """One connection, to its end. Raises ConnectError, FrameError, StrangerError."""
        self._stood_now = False
        login = await self._ways.login()
        async with login.open(self._argv) as pipe:
            try:
                async with asyncio.timeout(self._pace.shake):
                    rest = await self._shake(pipe)
            except TimeoutError:
                raise _NotThereError("the job did not answer in time") from None
            async with _Way(pipe, self.carrier) as way:
                await self._carry(way, rest)

    async def _shake(self, pipe: Pipe) -> bytes:
        """What comes behind the agent's line."""
        peer = Peer(self._secret, self._start_id)
        pipe.write(peer.greeting())
        data = b""
        while b"\n" not in data:
            more = await pipe.read()
            if not more:
                said = await pipe.ended()
                raise _NotThereError(said.trouble)
            data += more
            if len(data) > LONGEST_LINE and b"\n" not in data:
                raise StrangerError("what answers is no agent")
        line, _, rest = data.partition(b"\n")
        pipe.write(peer.answered(line + b"\n"))
        return rest

    async def _carry(self, way: "_Way", data: bytes) -> None:
        way.send([self.carrier.mux.hello(session=self._session).encoded()])
        unframer = Unframer()
        greeted = False
        try:
            while True:
                for message in unframer.feed(data):
                    if greeted:
                        self.carrier.receive(message)
                    else:
                        greeted = True
                        self._greeted(message, way)
                data = await way.next(self._pace)
                if not data:
                    return
        finally:
            self.carrier.detach(way)

    def _greeted(self, message: bytes, way: "_Way") -> None:
        hello = decoded(message)
        if hello.words.get("fresh") is True and self._stood:
            self.carrier.forget("the job was started again")
        self.carrier.attach(way, hello)
        self._stood = self._stood_now = True
        self.trouble = ""
        self.up.set()
        self._told()

    def _away(self, why: str) -> None:
        changed = self.up.is_set() or why != self.trouble
        self.up.clear()
        self.trouble = why
        if changed:
            self._told()

    def visitor(self) -> asyncio.Protocol:
        """For a connection to the local port."""
        try:
            stream = self.carrier.mux.open("server")
        except OverflowError:
            return _Refused()
        socket = Socket(self.carrier, stream)
        self.carrier.put(stream, socket)
        return socket


class _NotThereError(ConnectError):
    """The agent in the job is not there, or not yet."""


class _Refused(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


class _Way(Wire):
    """One relay. It reads, and waits for room, in tasks of its own that end with it."""

    def __init__(self, pipe: Pipe, carrier: Carrier) -> None:
        self._pipe = pipe
        self._carrier = carrier
        self._unsent = 0
        self._wrote = asyncio.Event()
        self._dropped = asyncio.Event()
        self._tasks: list[asyncio.Task[object]] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._reading: asyncio.Task[bytes] = loop.create_task(self._pipe.read())
        self._draining = loop.create_task(self._drain())
        self._dropping = loop.create_task(self._dropped.wait())
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks: list[asyncio.Task[object]] = [self._reading, self._draining, self._dropping]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.exception()  # it is seen: whoever waited for it knows, or does not care any more

    def send(self, messages: list[bytes]) -> None:
        data = b"".join([framed(message) for message in messages])
        self._pipe.write(data)
        self._unsent += len(data)
        self.full = self._unsent >= BUFFER
        self._wrote.set()

    def drop(self, reason: str) -> None:
        del reason
        self._dropped.set()

    async def next(self, pace: Pace) -> bytes:
        """The next bytes; b"" at the end. Raises LoginLostError, and _NotThereError after too long a silence."""
        silent_s = 0.0
        while True:
            done, _ = await asyncio.wait([self._reading, self._draining, self._dropping], timeout=pace.beat, return_when=asyncio.FIRST_COMPLETED)
            if self._dropping in done:
                return b""
            if self._draining in done:
                self._draining.result()  # it ends by an error only
            if self._reading in done:
                data = self._reading.result()
                if data:
                    self._reading = asyncio.get_running_loop().create_task(self._pipe.read())
                return data
            silent_s += pace.beat
            if silent_s >= pace.silence:
                raise _NotThereError(f"nothing was heard for {silent_s:.0f} s")
            self._carrier.mux.note({"ping": 1})
            self._carrier.pump()

    async def _drain(self) -> None:
        while True:
            await self._wrote.wait()
            self._wrote.clear()
            await self._pipe.drain()
            self._unsent = 0
            self.full = False
            self._carrier.pump()


async def port_opened(tunnel: Tunnel, wished: int) -> asyncio.Server:
    """On 127.0.0.1: the port that is wished for if it is free, or else any."""
    loop = asyncio.get_running_loop()
    if wished:
        with suppress(OSError):
            return await loop.create_server(tunnel.visitor, "127.0.0.1", wished)
    return await loop.create_server(tunnel.visitor, "127.0.0.1", 0)


async def answers(port: int, timeout_s: float = 10.0) -> bool:
    """Whether a Jupyter server answers behind the port."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(f"GET /api HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
                return (await reader.readline()).startswith(b"HTTP/1.1 200")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
