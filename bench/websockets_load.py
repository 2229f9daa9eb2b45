"""Many WebSockets through a proxy: echoes as fast as they come, or idle ones to weigh. For `proxy.py`."""

import asyncio
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

_ASK = (
    b"GET /user/busy/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_FRAME = bytes([0x82, 0x80 | 64, 0, 0, 0, 0]) + b"x" * 64
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Echoes:
    """`p50_s` and `p99_s` from sending a message to having all of its echo; `cpu_s` for each."""

    per_s: float
    p50_s: float
    p99_s: float
    cpu_s: float


def _echoes(latencies: list[float], took_s: float, used_s: float) -> Echoes:
    if not latencies:
        raise ConnectionError("no echo came back")
    found = sorted(latencies)
    return Echoes(len(found) / took_s, found[len(found) // 2], found[len(found) * 99 // 100], used_s / len(found))


class _Talker(asyncio.Protocol):
    """Sends a message, waits for its echo, and again."""

    __slots__ = ("_left", "_sent", "_transport", "closed", "latencies", "talking", "upgraded")

    def __init__(self, upgraded: asyncio.Future[None], latencies: list[float]) -> None:
        self.upgraded = upgraded
        self.latencies = latencies
        self.talking = False
        self.closed = False
        self._left = 0
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._transport.write(_ASK)

    def data_received(self, data: bytes) -> None:
        if not self.upgraded.done():
            if not data.startswith(b"HTTP/1.1 101"):
                self.upgraded.set_exception(ConnectionError(f"no upgrade: {data[:80]!r}"))
            elif b"\r\n\r\n" in data:
                self.upgraded.set_result(None)
            return
        self._left -= len(data)
        if self._left <= 0:
            self.latencies.append(time.perf_counter() - self._sent)
            if self.talking:
                self.say()

    def say(self) -> None:
        if self._left <= 0:  # else the message before is late, and goes on to be timed
            self._left = 0
            self._sent = time.perf_counter()
        self._left += len(_FRAME)
        self._transport.write(_FRAME)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if not self.upgraded.done():
            self.upgraded.set_exception(exc or ConnectionError("closed before the upgrade"))

    def close(self) -> None:
        self._transport.abort()


async def open_many(port: int, count: int) -> list[_Talker]:
    """Upgraded connections. Raises OSError."""
    loop = asyncio.get_running_loop()
    talkers: list[_Talker] = []
    latencies: list[float] = []
    async with asyncio.timeout(_PATIENCE_S):
        for at in range(0, count, 100):
            batch = [_Talker(loop.create_future(), latencies) for _ in range(min(100, count - at))]
            for talker in batch:
                await loop.create_connection(lambda talker=talker: talker, "127.0.0.1", port)  # type: ignore[misc]
            await asyncio.gather(*(talker.upgraded for talker in batch))
            talkers += batch
    return talkers


def _stop(talkers: list[_Talker]) -> None:
    """Raises ConnectionError if some were closed before."""
    lost = sum(talker.closed for talker in talkers)
    for talker in talkers:
        talker.talking = False
        talker.close()
    if lost:
        raise ConnectionError(f"{lost} of {len(talkers)} WebSockets were closed while they were in use")


async def talk(port: int, connections: int, seconds: float, used_s: Callable[[], float]) -> Echoes:
    """Every connection with one message under way. `used_s` tells the CPU time the proxy has used so far."""
    talkers = await open_many(port, connections)
    gc.collect()
    gc.freeze()
    latencies = talkers[0].latencies
    for talker in talkers:
        talker.talking = True
        talker.say()
    await asyncio.sleep(seconds / 4)
    latencies.clear()
    before, began = used_s(), time.perf_counter()
    await asyncio.sleep(seconds)
    echoes = _echoes(latencies, time.perf_counter() - began, used_s() - before)
    _stop(talkers)
    return echoes


async def talk_calmly(port: int, connections: int, per_s: float, seconds: float, used_s: Callable[[], float]) -> Echoes:
    """Messages that come as they do from people: `per_s` of all connections together, whatever the proxy does."""
    talkers = await open_many(port, connections)
    gc.collect()
    gc.freeze()
    latencies = talkers[0].latencies
    loop = asyncio.get_running_loop()
    first = began = loop.time()
    before = used_s()
    sent = 0
    warm = False
    while (now := loop.time()) < first + seconds * 1.25:
        if not warm and now > first + seconds / 4:
            warm = True
            latencies.clear()
            before, began = used_s(), now
        due = int((now - first) * per_s)
        while sent < due:
            talkers[sent % connections].say()
            sent += 1
        await asyncio.sleep(0.0005)
    echoes = _echoes(latencies, loop.time() - began, used_s() - before)
    _stop(talkers)
    return echoes
