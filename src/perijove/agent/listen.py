"""The agent listens instead of dialling: for `perijove connect`, where there is no site to dial to.

It binds a free port of all addresses of the node, and writes into `state_file` (mode 0600, JSON) where that is:

    {"start_id": …, "host": name of the node, "port": …, "pid": …}

Whoever connects shows that they know the token, and is shown the same (shake.py). Then come the messages of frames.py, the peer being the
end that opens streams (`Mux(opens=True)`; target "server"):

    peer   HELLO  {"session": text of its choice, …}   by Mux.hello(session=…); the same session again: streams go on
    agent  HELLO  {"fresh": bool, "agent": version, …} true: it knows nothing of that session, so a peer that was
                                                         connected before calls Mux.forget, and then, as always, Mux.resume
    both   frames. The peer says NOTE {"ping": n} every ten seconds and is answered NOTE {"pong": n}: silence means that the way is broken

There is one peer at a time, the last that came.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from pathlib import Path
from typing import Any, Callable, cast

from perijove.agent import VERSION
from perijove.agent.carry import BUFFER, Carrier, Wire
from perijove.agent.frames import HELLO, FrameError, decoded
from perijove.agent.mux import Mux
from perijove.agent.shake import LONGEST_LINE, Host, StrangerError, Unframer, framed

_SHAKE_S = 10.0
_SILENCE_S = 60.0
_KEEP_S = 3600.0
"""How long streams wait for a peer to come back: laptops are closed for lunch."""
_STRANGERS = 32
"""Connections that have not shown yet that they know the token."""


class Listener:
    """`opened`: what to do with a stream (see Carrier)."""

    def __init__(
        self, start_id: str, token: str, state_file: str, *, opened: Callable[[Carrier, int, str], None], say: Callable[[str], None] = lambda _: None
    ) -> None:
        self.start_id = start_id
        self.token = token
        self.say = say
        self._state_file = Path(state_file)
        self.carrier = Carrier(Mux(opens=False), opened=lambda stream, target: opened(self.carrier, stream, target), noted=self._noted)
        self._session = ""
        self._visitors: set[_Visitor] = set()
        self._forgetting: asyncio.TimerHandle | None = None
        self.port = 0

    async def run(self) -> None:
        """Until cancelled. Raises OSError if it cannot listen, or the file cannot be written."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Visitor(self), None, 0, family=socket.AF_INET)
        self.port = server.sockets[0].getsockname()[1]
        try:
            self._write_state()
            self.say(f"listening on port {self.port}")
            while True:
                await asyncio.sleep(_SHAKE_S / 2)
                for visitor in tuple(self._visitors):
                    visitor.look(loop.time())
        finally:
            server.close()
            for visitor in tuple(self._visitors):
                visitor.drop("the job ends")
            self.carrier.forget("the job ends")
            self._state_file.unlink()

    def came(self, visitor: _Visitor) -> bool:
        """Whether there is room."""
        if sum(not known.known for known in self._visitors) >= _STRANGERS:
            return False
        self._visitors.add(visitor)
        return True

    def went(self, visitor: _Visitor) -> None:
        self._visitors.discard(visitor)
        if self.carrier.detach(visitor):
            self.say("the peer is away")
            self._forgetting = asyncio.get_running_loop().call_later(_KEEP_S, self.carrier.restart, Mux(opens=False), "the peer did not come back")

    def greeted(self, message: bytes, visitor: _Visitor) -> None:
        """The first message of a peer. Raises FrameError."""
        hello = decoded(message)
        session = hello.words.get("session") if hello.kind == HELLO else None
        if not isinstance(session, str) or not 0 < len(session) <= 64:
            raise FrameError("a greeting without a session")
        fresh = session != self._session
        before = self.carrier.wire
        if before is not None:
            self.carrier.detach(before)
            before.drop("another has come")
        if self._forgetting is not None:
            self._forgetting.cancel()
            self._forgetting = None
        if fresh:
            self.carrier.restart(Mux(opens=False), "another peer has come")
            self._session = session
        visitor.send([self.carrier.mux.hello(fresh=fresh, agent=VERSION).encoded()])
        self.carrier.attach(visitor, hello)
        self.say("the peer is here")

    def _noted(self, words: dict[str, Any]) -> None:
        if "ping" in words:
            self.carrier.mux.note({"pong": words["ping"]})

    def _write_state(self) -> None:
        state = {"start_id": self.start_id, "host": socket.gethostname(), "port": self.port, "pid": os.getpid()}
        fresh = self._state_file.with_name(f".{self._state_file.name}.{os.getpid()}")
        handle = os.open(str(fresh), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(json.dumps(state))
        fresh.replace(self._state_file)


class _Visitor(asyncio.Protocol, Wire):
    """One connection."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._host = Host(listener.token, listener.start_id)
        self._steps = 0
        self.known = False
        self.full = False
        self._line = b""
        self._unframer = Unframer()
        self._greeted = False
        self._heard = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=2 * BUFFER)
        self._heard = asyncio.get_running_loop().time()
        if not self._listener.came(self):
            self.drop("too many")

    def data_received(self, data: bytes) -> None:
        if self.known:
            self._heard = asyncio.get_running_loop().time()
        try:
            if not self.known:
                data = self._shake(self._line + data)
            if data and self.known:
                self._take(data)
        except StrangerError as error:
            self._listener.say(f"somebody was turned away: {error}")
            self.drop(str(error))
        except FrameError as error:
            self._listener.say(f"the peer is not understood: {error}")
            self.drop(str(error))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - whatever it was, it may come back
        self._listener.went(self)

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        self._listener.carrier.pump()

    def send(self, messages: list[bytes]) -> None:
        if self._transport is not None:
            self._transport.write(b"".join([framed(message) for message in messages]))

    def drop(self, reason: str) -> None:  # noqa: ARG002 - strangers are told nothing, and peers come again
        if self._transport is not None:
            self._transport.abort()

    def look(self, now: float) -> None:
        if now - self._heard > (_SILENCE_S if self.known else _SHAKE_S):
            self.drop("silence")

    def _shake(self, data: bytes) -> bytes:
        """What comes behind the lines. Raises StrangerError."""
        while not self.known:
            line, end, rest = data.partition(b"\n")
            if not end:
                if len(data) > LONGEST_LINE:
                    raise StrangerError("no greeting")
                self._line = data
                return b""
            if self._steps == 0:
                answer = self._host.greeted(line + end)
                if self._transport is not None:
                    self._transport.write(answer)
            else:
                self._host.convinced(line + end)
                self.known = True
            self._steps += 1
            data = rest
        self._line = b""
        return data

    def _take(self, data: bytes) -> None:
        for message in self._unframer.feed(data):
            if self._greeted:
                self._listener.carrier.receive(message)
            else:
                self._greeted = True
                self._listener.greeted(message, self)
