"""An agent's connection: the server's side of a WebSocket, for binary messages."""

import asyncio
import logging
from collections.abc import Callable

from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from perijove.agent.carry import Wire
from perijove.agent.frames import LARGEST

_quiet = logging.getLogger("perijove.gateway.websocket")
_quiet.setLevel(logging.WARNING)  # who comes and goes is said elsewhere


class NotWebSocketError(Exception):
    """The request is no WebSocket handshake."""


class Link(Wire):
    """On a transport whose owner passes on what happens to it. `message` gets whole messages; what it raises ends the connection."""

    def __init__(self, transport: asyncio.Transport, message: Callable[[bytes], None]) -> None:
        self._transport = transport
        self._protocol = ServerProtocol(max_size=LARGEST, logger=_quiet)
        self._message = message
        self._parts: list[bytes] = []
        self.reason = ""
        """Why it was dropped, if it was."""
        self.farewell = False
        """The other end said that it will not come back."""

    def accept(self, head: bytes, fields: dict[str, str]) -> None:
        """Answer the handshake; `fields` are for the answer. Raises NotWebSocketError; then there is no answer yet."""
        protocol = self._protocol
        protocol.receive_data(head)
        request = next((event for event in protocol.events_received() if isinstance(event, Request)), None)
        if request is None:
            raise NotWebSocketError("it cannot be read")
        response = protocol.accept(request)
        if response.status_code != 101:
            raise NotWebSocketError("fields are missing")
        response.headers.update(fields)
        protocol.send_response(response)
        self._flush()

    def feed(self, data: bytes) -> None:
        protocol = self._protocol
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Frame) and event.opcode in {Opcode.BINARY, Opcode.CONT}:
                self._part(event)
            elif isinstance(event, Frame) and event.opcode is Opcode.CLOSE:
                self.farewell = not self.reason
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self.drop("a text where there are none")
        self._flush()
        if protocol.state is not State.OPEN and not self._transport.is_closing():
            self._transport.close()

    def send(self, messages: list[bytes]) -> None:
        if self._protocol.state is State.OPEN:
            for message in messages:
                self._protocol.send_binary(message)
            self._flush()

    def drop(self, reason: str) -> None:
        """Say why, and end it without waiting for an answer."""
        self.reason = self.reason or reason
        if self._protocol.state is State.OPEN and not self._transport.is_closing():
            self._protocol.send_close(CloseCode.GOING_AWAY, reason[:100])
            self._flush()
        self._transport.close()

    def abort(self, reason: str) -> None:
        """End it at once: the other end does not listen any more."""
        self.reason = self.reason or reason
        self._transport.abort()

    def _part(self, frame: Frame) -> None:
        if frame.fin and not self._parts:
            self._message(bytes(frame.data))
            return
        self._parts.append(bytes(frame.data))
        if frame.fin:
            whole, self._parts = b"".join(self._parts), []
            self._message(whole)

    def _flush(self) -> None:
        if not self._transport.is_closing():
            data = b"".join(self._protocol.data_to_send())
            if data:
                self._transport.write(data)
