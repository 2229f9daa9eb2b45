"""Connections to servers that cannot be reached: through the gateways to which their jobs have dialled (wire/agents.py)."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, cast

from perijove.agent import NUMBERS
from perijove.proxy.logs import Seldom
from perijove.wire.agents import AWAY_S, PAUSES_S, PREFIX, NoTunnelError, connect_head, connected
from perijove.wire.feed import Route
from perijove.wire.target import Target, parse_target

_log = logging.getLogger("perijove.proxy.gateways")
_MOST_HEAD: Final = 4096
_MOST_KNOWN: Final = 100_000
_DOWN_S: Final = 5.0
_ASK_S: Final = 2.0
"""For one gateway to answer. It asks nobody else for that."""


def agents_routes(base_url: str, gateways: Sequence[str]) -> tuple[Route, ...]:
    """Where agents come in: any number that they may add to the path leads to a gateway, and different ones to all of them."""
    if not gateways:
        return ()
    numbered = tuple(Route(f"{base_url}{PREFIX}{number}/", gateways[number % len(gateways)]) for number in range(NUMBERS))
    return (Route(f"{base_url}{PREFIX}", gateways[0]), *numbered)


class Gateways:
    """All of them, asked in turn; which one had a server's agent is remembered."""

    def __init__(self, addresses: Sequence[str], token: str) -> None:
        """Raises BadTargetError."""
        self._targets = [parse_target(address) for address in addresses]
        self._token = token
        self._known: dict[str, Target] = {}
        self._given_up: dict[str, float] = {}
        """When waiting for an agent was in vain."""
        self._down: dict[Target, float] = {}
        """Gateways that did not answer, and until when they are asked last."""
        self._troubles = Seldom(_log)

    async def connect(self, start_id: str, protocol: asyncio.Protocol) -> None:
        """As create_connection, to the server of this start; waits some seconds for an agent that is away. Raises NoTunnelError."""
        loop = asyncio.get_running_loop()
        until = loop.time() + AWAY_S
        if loop.time() - self._given_up.get(start_id, -1e9) < AWAY_S:
            until = 0.0  # others have just waited for it
        pauses = iter(PAUSES_S)
        while not await self._ask_all(start_id, protocol):
            if loop.time() >= until:
                self._forget(start_id)
                raise NoTunnelError(f"no gateway has a connection to the job of {start_id}")
            await asyncio.sleep(next(pauses, PAUSES_S[-1]))
        self._given_up.pop(start_id, None)

    async def _ask_all(self, start_id: str, protocol: asyncio.Protocol) -> bool:
        loop = asyncio.get_running_loop()
        known, now = self._known.get(start_id), loop.time()
        for target in sorted(self._targets, key=lambda target: (self._down.get(target, 0.0) > now, target is not known)):
            try:
                async with asyncio.timeout(_ASK_S):
                    found = await self._ask(target, start_id, protocol)
            except (OSError, TimeoutError) as error:
                where, why = target.path or f"{target.host}:{target.port}", str(error) or "no answer in time"
                self._down[target] = loop.time() + _DOWN_S
                self._troubles.warn(loop.time(), "the gateway at %s: %s", where, why)
                continue
            self._down.pop(target, None)
            if found:
                if len(self._known) >= _MOST_KNOWN:
                    self._known.clear()
                self._known[start_id] = target
                return True
        return False

    async def _ask(self, target: Target, start_id: str, protocol: asyncio.Protocol) -> bool:
        """Raises OSError."""
        loop = asyncio.get_running_loop()
        asking = _Asking(connect_head(start_id, self._token))
        if target.path:
            transport, _ = await loop.create_unix_connection(lambda: asking, target.path)
        else:
            transport, _ = await loop.create_connection(lambda: asking, target.host, target.port)
        try:
            if connected(await asking.answer):
                transport.set_protocol(protocol)
                protocol.connection_made(transport)
                return True
        except BaseException:
            transport.abort()
            raise
        transport.abort()
        return False

    def _forget(self, start_id: str) -> None:
        self._known.pop(start_id, None)
        if len(self._given_up) >= _MOST_KNOWN:
            self._given_up.clear()
        self._given_up[start_id] = asyncio.get_running_loop().time()


class _Asking(asyncio.Protocol):
    """In the place of the protocol until the gateway has answered."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._data = b""
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self._head)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self.answer.done():
            return
        if b"\r\n\r\n" in self._data or len(self._data) > _MOST_HEAD:  # behind a yes there is nothing: servers do not speak first
            self.answer.set_result(self._data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc or ConnectionResetError("it closed the connection"))
