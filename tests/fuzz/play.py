"""One game: some clients, the proxy, some servers, and whatever may happen between them, in random order."""

from collections.abc import Callable
from random import Random

from tests.integration.proxy.h11_reading import read_requests
from tests.integration.proxy.recorder import check_head, heads

from .bytestreams import answer, request
from .memory import MemoryTransport
from .world import World


class Game:
    """`play` it once. Raises AssertionError, or whatever the proxy raised."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.world = World(self.random.random() < 0.9, "/dev/null" if self.random.random() < 0.2 else "")
        self.moves: tuple[tuple[Callable[[], object], int], ...] = (
            (self.world.connect, 2), (self.client_sends, 8), (self.client_is_read, 8), (self.client_takes, 6), (self.client_ends, 1), (self.client_resets, 1),
            (self.server_accepts, 8), (self.server_refuses, 1), (self.server_sends, 8), (self.server_is_read, 8), (self.server_takes, 6), (self.server_ends, 1),
            (self.server_resets, 1), (self.time_passes, 2),
        )  # fmt: skip

    def play(self) -> None:
        with self.world as world:
            moves, weights = zip(*self.moves, strict=True)
            world.connect()
            for _ in range(self.random.randint(5, 60)):
                self.random.choices(moves, weights)[0]()
                world.loop.settle()
            if self.random.random() < 0.05:
                world.door.drain(gently=self.random.random() < 0.5)
            if self.random.random() < 0.5:
                for transport in (*world.clients, *world.servers):
                    self.random.choice((transport.reset, transport.end))()
                    world.loop.settle()
            # From here on nobody does anything: the proxy's own clock must end what is left.
            for _ in range(16):
                world.wait(31)
            world.check_empty()
            for server in world.servers:
                self._check_requests(bytes(server.sent))

    @staticmethod
    def _check_requests(raw: bytes) -> None:
        """What a server has been sent is HTTP, whatever the clients sent."""
        if b"\r\nUpgrade: " in raw:
            return  # it may have become a tunnel
        read = read_requests(raw)
        assert not read.refused, (read.refused, raw)
        for head in heads(raw):
            check_head(head)

    def _any(self, transports: list[MemoryTransport]) -> MemoryTransport | None:
        alive = [transport for transport in transports if not transport.lost]
        return self.random.choice(alive) if alive else None

    def _size(self) -> int:
        return self.random.choice((1, 2, 7, 40, 300, 5000, 100_000))

    # Moves.

    def client_sends(self) -> None:
        if (client := self._any(self.world.clients)) is not None and not client.inbound_eof:
            client.inbound += b"".join(request(self.random) for _ in range(self.random.choice((1, 1, 1, 3, 12))))
            client.pump(self._size())

    def client_is_read(self) -> None:
        self._pump(self.world.clients)

    def server_is_read(self) -> None:
        self._pump(self.world.servers)

    def _pump(self, transports: list[MemoryTransport]) -> None:
        if (one := self._any(transports)) is not None:
            for _ in range(self.random.choice((1, 1, 5))):
                one.pump(self._size())

    def client_takes(self) -> None:
        if (client := self._any(self.world.clients)) is not None:
            client.take(self._size())

    def server_takes(self) -> None:
        if (server := self._any(self.world.servers)) is not None:
            server.take(self._size())

    def client_ends(self) -> None:
        if (client := self._any(self.world.clients)) is not None:
            client.end()

    def server_ends(self) -> None:
        if (server := self._any(self.world.servers)) is not None:
            server.end()

    def client_resets(self) -> None:
        if (client := self._any(self.world.clients)) is not None:
            client.reset()

    def server_resets(self) -> None:
        if (server := self._any(self.world.servers)) is not None:
            server.reset()

    def server_accepts(self) -> None:
        if waiting := self.world.loop.connecting:
            self.world.accept(self.random.randrange(len(waiting)))

    def server_refuses(self) -> None:
        if waiting := self.world.loop.connecting:
            self.world.loop.refused(self.random.randrange(len(waiting)))

    def server_sends(self) -> None:
        if (server := self._any(self.world.servers)) is not None and not server.inbound_eof:
            server.take(100_000)
            server.inbound += answer(self.random)
            server.pump(self._size())

    def time_passes(self) -> None:
        self.world.wait(self.random.choice((0.5, 0.5, 2, 5, 12)))
