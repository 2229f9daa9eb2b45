"""Who comes to a gateway: agents, proxies and hubs that want a connection to a server, and whoever asks how it is."""

import asyncio
import json
import logging
from collections import Counter
from hmac import compare_digest
from typing import Final, cast

from perijove.agent.carry import BUFFER, Socket
from perijove.agent.frames import FrameError, decoded
from perijove.gateway.agents import Agent, Agents
from perijove.gateway.exposition import rendered
from perijove.gateway.link import Link, NotWebSocketError
from perijove.gateway.request import MOST, BadRequestError, Request, answer, parse
from perijove.gateway.settings import GatewaySettings
from perijove.wire.agents import agent_token, is_start_id

_log = logging.getLogger("perijove.gateway")
_MOST_UNREAD: Final = 4 * 1024 * 1024
"""Bytes for an agent that does not take them: answers to its pings, for all else waits in the streams."""
_NO_PLACE: Final = "503 Service Unavailable"


class Front:
    """What all connections of a gateway share."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.agents = Agents(settings.keep_s)
        self.refused: Counter[str] = Counter()
        """Requests that were turned away, by status."""
        self.waiting: set[Visitor] = set()
        """They have not said yet what they want, or, of agents, who they are."""
        self.visitors: set[Visitor] = set()
        self.addresses: Counter[str] = Counter()
        """Connections of agents, by where they come from."""

    def sweep(self, now: float) -> None:
        """Drop whoever is silent; `now`: by the loop's clock. Called every few seconds."""
        for visitor in tuple(self.visitors):
            visitor.look(now)

    def close(self) -> None:
        """The gateway ends."""
        self.agents.clear()
        for visitor in tuple(self.visitors):
            visitor.abort()


class Visitor(asyncio.Protocol):
    """One connection, until it is handed over to a stream, or its end."""

    transport: asyncio.Transport

    def __init__(self, front: Front) -> None:
        self._front = front
        self._data = b""
        self._began = self._heard = 0.0
        self._link: Link | None = None
        self._agent: Agent | None = None
        self._start_id = ""
        self._address = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from asyncio's
        self._began = self._heard = asyncio.get_running_loop().time()
        self._front.visitors.add(self)
        if len(self._front.waiting) >= self._front.settings.waiting:
            self._refuse(_NO_PLACE, "too many connections")
            return
        self._front.waiting.add(self)

    def data_received(self, data: bytes) -> None:
        self._heard = asyncio.get_running_loop().time()
        if self._link is not None:
            self._feed(self._link, data)
            return
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0 or end > MOST:
            if len(self._data) > MOST:
                self._refuse("431 Request Header Fields Too Large")
            return
        head, rest = self._data[: end + 4], self._data[end + 4 :]
        self._data = b""
        try:
            request = parse(head)
        except BadRequestError as error:
            self._refuse("400 Bad Request", str(error))
            return
        if request.upgrades:
            self._welcome(request, head, rest)
        elif request.method == "CONNECT":
            self._connect(request, rest)
        else:
            self._tell(request)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        front = self._front
        front.waiting.discard(self)
        front.visitors.discard(self)
        if self._link is not None:
            front.addresses[self._address] -= 1
            if front.addresses[self._address] <= 0:
                del front.addresses[self._address]
            if self._agent is not None:
                reason = self._link.reason or (str(exc) if exc is not None else "closed by the other end")
                front.agents.lost(self._agent, self._link, reason, farewell=self._link.farewell)

    def pause_writing(self) -> None:
        if self._link is not None:
            self._link.full = True

    def resume_writing(self) -> None:
        if self._link is not None:
            self._link.full = False
            if self._agent is not None:
                self._agent.carrier.pump()

    def look(self, now: float) -> None:
        """Is it still there?"""
        settings = self._front.settings
        if self in self._front.waiting:
            if now - self._began > settings.head_s:
                self.abort()
        elif self._link is not None and now - self._heard > settings.silence_s:
            self._link.abort(f"nothing was heard for {now - self._heard:.0f} s")

    def abort(self) -> None:
        self.transport.abort()

    # Agents.

    def _welcome(self, request: Request, head: bytes, rest: bytes) -> None:
        front, settings = self._front, self._front.settings
        start_id = request.fields.get("perijove-start", "")
        if not is_start_id(start_id) or not compare_digest(agent_token(settings.token, start_id).encode(), request.token.encode()):
            self._refuse("401 Unauthorized", "the token is not that of this start")
            return
        # Agents come by way of proxies, which say from where; one that lies bypasses a limit of its own, nothing else.
        self._address = request.fields.get("x-forwarded-for", "").rpartition(",")[2].strip() or self._peer()
        if sum(front.addresses.values()) >= settings.agents or 0 < settings.agents_per_address <= front.addresses[self._address]:
            self._refuse(_NO_PLACE, "too many agents")
            return
        link = Link(self.transport, self._greeted)
        try:
            link.accept(head, {"Perijove-Gateway": front.agents.id})
        except NotWebSocketError as error:
            self._refuse("400 Bad Request", str(error))
            return
        self.transport.set_write_buffer_limits(high=2 * BUFFER)
        self._link, self._start_id = link, start_id
        front.addresses[self._address] += 1
        if rest:
            self._feed(link, rest)

    def _feed(self, link: Link, data: bytes) -> None:
        try:
            link.feed(data)
        except (FrameError, ValueError, RecursionError) as error:  # what JSON can be
            _log.warning("agent %s is not understood and sent away: %s", self._start_id, error)
            link.drop(str(error))
        if self.transport.get_write_buffer_size() > _MOST_UNREAD:
            link.abort("it asks and does not listen")

    def _greeted(self, message: bytes) -> None:
        if self._agent is not None:
            self._agent.carrier.receive(message)
        elif self._link is not None:
            self._agent = self._front.agents.greet(self._start_id, decoded(message), self._link, self._address)
            self._front.waiting.discard(self)

    def _peer(self) -> str:
        peer = self.transport.get_extra_info("peername")
        return str(peer[0]) if isinstance(peer, tuple) else ""

    # Proxies and hubs.

    def _connect(self, request: Request, rest: bytes) -> None:
        front = self._front
        if not self._known(request):
            return
        agent = front.agents.find(request.target)
        if agent is None:
            self._refuse("404 Not Found", "there is no such agent here")
            return
        if not agent.here:
            self._refuse(_NO_PLACE, "its agent is away")
            return
        try:
            stream = agent.carrier.mux.open("server")
        except OverflowError as error:
            self._refuse(_NO_PLACE, str(error))
            return
        front.waiting.discard(self)
        front.visitors.discard(self)
        socket = Socket(agent.carrier, stream)
        agent.carrier.put(stream, socket)
        self.transport.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        self.transport.set_protocol(socket)
        socket.connection_made(self.transport)
        if rest:
            socket.data_received(rest)

    def _tell(self, request: Request) -> None:
        front = self._front
        if request.method != "GET" or request.has_body:
            self._refuse("405 Method Not Allowed")
        elif request.target == "/health":
            self._answer("200 OK", json.dumps({"agents": len(front.agents)}), "application/json")
        elif request.target not in {"/agents", "/metrics"}:
            self._refuse("404 Not Found")
        elif self._known(request):
            if request.target == "/agents":
                self._answer("200 OK", json.dumps(front.agents.listed()), "application/json")
            else:
                self._answer("200 OK", rendered(front.agents, front.refused), "text/plain; version=0.0.4; charset=utf-8")

    def _known(self, request: Request) -> bool:
        """Whether it has the proxies' token; if not, it is told so."""
        if compare_digest(request.token.encode(), self._front.settings.token.encode()):
            return True
        self._refuse("401 Unauthorized", "the token is not that of the proxies")
        return False

    def _refuse(self, status: str, why: str = "") -> None:
        self._front.refused[status[:3]] += 1
        self._answer(status, why and why + "\n")

    def _answer(self, status: str, body: str, kind: str = "text/plain; charset=utf-8") -> None:
        self._front.waiting.discard(self)
        self.transport.write(answer(status, body, kind=kind))
        self.transport.close()
