"""The agent dials out: it keeps a connection up to each of a few gateways, so that the loss of one is not noticed by new requests.

The address of connection `n` is the site's with a number at its end, from which the proxy tells which gateway is meant: it counts them
round and round. When the agent finds itself at a gateway that it is connected to already (Perijove-Gateway says which it is), there are
no more of them; it looks again later.

    GET /tunnel/NUMBER            Authorization: token SECRET, Perijove-Start: START_ID
    101                           Perijove-Gateway: ID
    HELLO of the agent            "session": of this mux; another one: the agent has forgotten all streams
    HELLO of the gateway          "fresh": it knows nothing of that session; "spread_s": over how long its agents spread their return to it
    NOTE of the gateway           "retiring": it takes no more connections, and ends with its last one
"""

from __future__ import annotations

import asyncio
import random  # noqa: TID251 - for jitter
import secrets
import ssl
import zlib
from typing import Any, Callable, NamedTuple, Sequence

from perijove.agent import NUMBERS, VERSION
from perijove.agent.carry import Carrier
from perijove.agent.frames import FrameError, decoded
from perijove.agent.mux import Mux
from perijove.agent.websocket import Address, RefusedError, WebSocket, connect, parse, tls_context

REPLACED = "another program with this job's token has come"
MOST = 4
"""Gateways that an agent is connected to."""
_WHY = {
    401: "the gateway does not accept this job's token; it may be of a start that is over, or hub and gateway have different proxy tokens",
    404: "there is no gateway at this address; check [gateway] and [proxy] gateways of the site",
}


class Pace(NamedTuple):
    """Seconds."""

    connect: float = 20.0
    first: float = 0.25
    """Before the first new attempt, at most; doubled with each failure."""
    most: float = 15.0
    refused: float = 60.0
    """After a refusal that time does not mend."""
    same: float = 300.0
    """After finding no gateway that we are not connected to."""
    beat: float = 10.0
    """Say something this often, so that whatever lies between does not take us for gone."""
    silence: float = 25.0
    """Without any answer, the connection is taken for broken."""
    keep: float = 90.0
    """How long streams wait for a broken connection to come back."""


class Dialler:
    """`opened`: what to do with a stream (see Carrier)."""

    def __init__(
        self,
        start_id: str,
        token: str,
        urls: Sequence[str],
        *,
        ca_file: str | None = None,
        opened: Callable[[Carrier, int, str], None],
        say: Callable[[str], None] = lambda _: None,
        pace: Pace | None = None,
    ) -> None:
        """Raises ValueError for an address that is none, OSError for a file of authorities that cannot be read."""
        self._addresses = [parse(url) for url in urls]
        self._context: ssl.SSLContext | None = tls_context(ca_file) if any(address.tls for address in self._addresses) else None
        self._fields = {"Authorization": f"token {token}", "Perijove-Start": start_id, "User-Agent": f"perijove-agent/{VERSION}"}
        self._first = zlib.crc32(start_id.encode())  # different starts begin with different gateways
        self._opened = opened
        self.say = say
        self.pace = pace or Pace()
        self._lines: list[Line] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._failed: asyncio.Future[None] | None = None
        self.ending = False

    async def run(self) -> None:
        """Until cancelled; then all is closed."""
        self._failed = asyncio.get_running_loop().create_future()
        self.another(-1)
        try:
            await self._failed
        finally:
            self.ending = True
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    def another(self, after: int) -> None:
        """Begin the line behind the one of this number, unless it was begun."""
        number = after + 1
        if number >= MOST or len(self._lines) > number:
            return
        line = Line(self, number, self._opened)
        self._lines.append(line)
        self._begin(line)

    def replace(self, line: Line) -> None:
        """Its gateway gives way to another: connections go on where they are, new ones come by a new line."""
        if line in self._lines:
            successor = Line(self, line.number, self._opened)
            self._lines[self._lines.index(line)] = successor
            self._begin(successor)

    def _begin(self, line: Line) -> None:
        task = asyncio.get_running_loop().create_task(line.run())
        self._tasks = [known for known in self._tasks if not known.done()] + [task]
        task.add_done_callback(self._ended)

    def taken(self, gateway: str, by: Line) -> bool:
        """Whether another line leads to this gateway, or did and is about to come back to where its streams are."""
        return any(line is not by and line.gateway == gateway for line in self._lines)

    def hurry(self) -> None:
        """The job was suspended: connections may be dead without our knowing."""
        for line in self._lines:
            line.hurry()

    def lines(self) -> list[Line]:
        """The connections, whether they stand or not."""
        return list(self._lines)

    @property
    def up(self) -> int:
        """Connections that stand."""
        return sum(line.up for line in self._lines)

    async def open(self, number: int, attempt: int) -> tuple[WebSocket, dict[str, str]]:
        """Raises RefusedError, OSError, ValueError."""
        address = self._addresses[attempt % len(self._addresses)]
        to = Address(address.tls, address.host, address.port, address.path.rstrip("/") + f"/{(self._first + number) % NUMBERS}")
        return await connect(to, self._context, self._fields, self.pace.connect)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None and self._failed is not None and not self._failed.done():
            self._failed.set_exception(task.exception() or RuntimeError())


class Line:
    """The connection to one gateway, time and again."""

    def __init__(self, dialler: Dialler, number: int, opened: Callable[[Carrier, int, str], None]) -> None:
        self._dialler = dialler
        self.number = number
        self._retiring = False
        self._spread_s = 0.0
        self.carrier = Carrier(Mux(opens=False), opened=lambda stream, target: opened(self.carrier, stream, target), noted=self._noted)
        self.gateway = ""
        self.up = False
        self._session = secrets.token_hex(8)
        self._socket: WebSocket | None = None
        self._said = ""
        self._awake = asyncio.Event()

    def hurry(self) -> None:
        self._awake.set()
        if self._socket is not None:
            self._socket.drop("the job was suspended")

    async def run(self) -> None:
        """Until cancelled, or its gateway has given way to another and is not needed any more."""
        pace, failures, attempt = self._dialler.pace, 0, 0
        lost_at: float | None = None
        try:
            while not self._retiring:
                attempt += 1
                stood, pause_s = await self._once(attempt)
                if self._retiring:
                    break
                now = asyncio.get_running_loop().time()
                if stood:
                    failures, lost_at = 0, now
                if lost_at is not None and now - lost_at > pace.keep:
                    self._forget("no gateway could be reached for too long")
                    self.gateway, lost_at = "", None
                if pause_s is None:
                    pause_s = min(pace.most, pace.first * 2**failures)
                    failures = min(failures + 1, 16)
                spread_s = self._spread_s if stood else 0.0
                await self._pause(pause_s * random.uniform(0.5, 1.0) + random.uniform(0.0, spread_s))  # noqa: S311 - not to come all at once
        finally:
            self._forget("the job ends" if self._dialler.ending else "the gateway gave way to another")

    async def _pause(self, pause_s: float) -> None:
        self._awake.clear()
        try:
            await asyncio.wait_for(self._awake.wait(), pause_s)
        except asyncio.TimeoutError:
            return

    async def _once(self, attempt: int) -> tuple[bool, float | None]:
        """Whether a connection stood, and how long to wait now, if that is known."""
        dialler, pace = self._dialler, self._dialler.pace
        try:
            socket, answer = await dialler.open(self.number, attempt)
            gateway = answer.get("perijove-gateway", "")
            if not gateway:
                socket.drop("no gateway")
                raise RefusedError(404, "no gateway")
        except RefusedError as error:
            self._say(f"not connected: {_WHY.get(error.status, error)}")
            if error.status >= 500 or error.status in (0, 408, 429):
                dialler.another(self.number)
                return False, None
            return False, pace.refused
        except (OSError, ValueError) as error:
            self._say(f"not connected: {str(error) or type(error).__name__}")
            return False, None
        if dialler.taken(gateway, self):
            socket.close()
            if not len(self.carrier.mux):
                self.gateway = ""
            return False, pace.same
        self._socket = socket
        try:
            stood, reason = await self._carry(socket, gateway)
        finally:
            self._socket, self.up = None, False
            self.carrier.detach(socket)
            if dialler.ending or self._retiring:
                socket.close()
            else:
                socket.drop("given up")
        return stood, pace.refused if reason == REPLACED else None

    async def _carry(self, socket: WebSocket, gateway: str) -> tuple[bool, str]:
        """Whether it stood, and why it ended."""
        if gateway != self.gateway:
            self._forget("the gateway was started anew")
            self.gateway = gateway
        self.up = True  # no other line is to take it meanwhile
        stood = False

        def first(message: bytes) -> None:
            nonlocal stood
            hello = decoded(message)
            if hello.words.get("fresh") is True:
                self.carrier.restart(Mux(opens=False), "the gateway knows nothing of it any more")
            socket.receive = self.carrier.receive
            socket.writable = self.carrier.pump
            self.carrier.attach(socket, hello)
            stood = True
            spread_s = hello.words.get("spread_s")
            self._spread_s = min(60.0, max(0.0, spread_s)) if isinstance(spread_s, (int, float)) else 0.0
            self._say("connected")
            self._dialler.another(self.number)

        try:
            socket.send([self.carrier.mux.hello(session=self._session, agent=VERSION).encoded()])
            socket.listen(first)
        except FrameError as error:
            socket.drop(str(error))
        reason = await self._until_lost(socket)
        self._say(f"connection lost: {reason}")
        return stood, reason

    async def _until_lost(self, socket: WebSocket) -> str:
        """Why it is lost."""
        pace, loop = self._dialler.pace, asyncio.get_running_loop()
        if socket.lost is None:
            return "never open"
        while not socket.lost.done():
            silent_s = loop.time() - socket.heard_at
            if silent_s >= pace.silence:
                socket.drop(f"nothing was heard for {silent_s:.0f} s")
            elif silent_s >= pace.beat * 0.9:
                socket.ping()
            if self._retiring and not len(self.carrier.mux):
                return "the gateway gives way to another"
            await asyncio.wait([socket.lost], timeout=pace.beat)
        return socket.lost.result()

    def _noted(self, words: dict[str, Any]) -> None:
        if words.get("retiring") is True and not self._retiring:
            self._retiring = True
            self._dialler.replace(self)

    def _forget(self, reason: str) -> None:
        self._session = secrets.token_hex(8)
        self.carrier.restart(Mux(opens=False), reason)

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._dialler.say(f"tunnel {self.number + 1}: {text}")
