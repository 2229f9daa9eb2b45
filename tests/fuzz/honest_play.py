"""Games without malice: everybody speaks HTTP, at their own pace, and may go. Each must get the answers to its own requests, in their order."""

from random import Random

from tests.integration.proxy.h11_reading import read_answers

from .honest import Honest
from .memory import MemoryTransport
from .world import World

_FRAMES = (
    b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD %b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"PUT %b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n" + b"x" * 3000,
    b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: own\r\n\r\n",
)


class HonestGame:
    """`play` it once. Raises AssertionError, or whatever the proxy raised."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.world = World()
        self.honest = Honest(self.world, prompt=False)
        self.asked: dict[MemoryTransport, list[tuple[bytes, bytes]]] = {}
        """Method and target of each request, by client."""

    def play(self) -> None:
        with self.world as world:
            for _ in range(self.random.randint(1, 3)):
                self.asked[world.connect()] = []
            for _ in range(self.random.randint(20, 120)):
                self.random.choices((self.ask, self.client_moves, self.server_moves, self.accept, self.all_move, self.rare), (3, 6, 6, 3, 6, 1))[0]()
                world.loop.settle()
            world.check_errors()
            self.honest.check()
            for number, client in enumerate(self.asked):
                self._check(b"/user/alice/%d/" % number, client)
            targets = [request.target for request in self.honest.requests if request.method == b"POST"]
            assert len(targets) == len(set(targets)), "what may not be repeated was"

    def _check(self, own: bytes, client: MemoryTransport) -> None:
        asked = self.asked[client]
        answers, _ = read_answers(bytes(client.sent), [method for method, _ in asked], ended=False)
        for (method, target), answer in zip(asked, answers, strict=False):
            assert target.startswith(own)
            if answer.status == 200:
                assert answer.body == (b"" if method == b"HEAD" else b"seen: " + target), "an answer to another request"
            else:
                assert answer.status in {408, 502, 503, 504}, answer

    def _size(self) -> int:
        return self.random.choice((1, 10, 100, 1000, 100_000))

    def ask(self) -> None:
        number, (client, asked) = self.random.choice(list(enumerate(self.asked.items())))
        if client.inbound_eof or client.is_closing():
            return
        for _ in range(self.random.choice((1, 1, 1, 5))):
            target = b"/user/alice/%d/%d" % (number, len(asked))
            raw = self.random.choice(_FRAMES) % target
            asked.append((raw.split(b" ")[0], target))
            client.inbound += raw
        client.pump(self._size())

    def client_moves(self) -> None:
        client = self.random.choice(list(self.asked))
        client.take(self._size())
        client.pump(self._size())

    def server_moves(self) -> None:
        if self.world.servers:
            server = self.random.choice(self.world.servers)
            if self.random.random() < 0.7:
                self.honest.end(server).step(self._size())
            if self.random.random() < 0.7:
                server.pump(self._size())

    def all_move(self) -> None:
        """As on a good day."""
        while self.world.loop.connecting:
            self.world.accept()
        self.world.loop.settle()
        for server in self.world.servers:
            self.honest.end(server).step(100_000)
            server.pump(100_000)
        for client in self.asked:
            client.take(100_000)
            client.pump(100_000)

    def accept(self) -> None:
        if waiting := self.world.loop.connecting:
            self.world.accept(self.random.randrange(len(waiting)))

    def rare(self) -> None:
        what = self.random.random()
        transports = [*self.world.servers, *(self.asked if self.random.random() < 0.2 else ())]
        one = self.random.choice(transports) if transports else None
        if what < 0.4:
            self.world.wait(self.random.choice((0.5, 0.5, 2, 6)))
        elif one is not None and what < 0.7:
            one.end()
        elif one is not None:
            one.reset()
