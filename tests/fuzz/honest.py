"""A server in memory that is h11: it answers what it reads, each request by what it asked for."""

import h11

from tests.integration.proxy.h11_reading import Seen, seen

from .memory import MemoryTransport
from .world import World


class Honest:
    """All servers of a world."""

    def __init__(self, world: World, *, prompt: bool = True) -> None:
        """`prompt`: answers are read by the proxy as soon as they are given."""
        self.world = world
        self.prompt = prompt
        self.requests: list[Seen] = []
        """Those that came whole, in the order in which they did."""
        self.ends: dict[MemoryTransport, End] = {}

    def run(self) -> None:
        """Take connections and requests, and answer, until there is no more to do."""
        world = self.world
        before = -1
        while before != (before := len(self.requests) + sum(len(server.sent) for server in world.servers) + len(world.servers)):
            world.loop.settle()
            while world.loop.connecting:
                world.accept()
            world.loop.settle()
            for server in world.servers:
                self.end(server).step(1 << 30)

    def end(self, server: MemoryTransport) -> "End":
        if server not in self.ends:
            self.ends[server] = End(self, server)
        return self.ends[server]

    def check(self) -> None:
        for server, end in self.ends.items():
            assert not end.refused, (end.refused, bytes(server.sent))


class End:
    """One connection."""

    def __init__(self, honest: Honest, transport: MemoryTransport) -> None:
        self.honest = honest
        self.transport = transport
        self.refused = ""
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        self._read = 0
        self._request: h11.Request | None = None
        self._body = b""

    @property
    def unfinished(self) -> bool:
        return self._request is not None

    def step(self, size: int) -> None:
        """Read up to `size` bytes, and answer what is whole."""
        self.transport.take(size)
        new = bytes(self.transport.sent[self._read :])
        if not new or self.refused:
            return
        self._read += len(new)
        self._h11.receive_data(new)
        try:
            while not isinstance(event := self._h11.next_event(), type):
                if isinstance(event, h11.Request):
                    self._request, self._body = event, b""
                elif isinstance(event, h11.Data):
                    self._body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    self._answer()
        except h11.RemoteProtocolError as error:
            self.refused = str(error)

    def _answer(self) -> None:
        assert self._request is not None
        request = seen(self._request, self._body)
        self._request = None
        self.honest.requests.append(request)
        text = b"seen: " + request.target
        raw = self._h11.send(h11.Response(status_code=200, headers=[("Content-Length", str(len(text)))])) or b""
        if request.method != b"HEAD":
            raw += self._h11.send(h11.Data(data=text)) or b""
        self._h11.send(h11.EndOfMessage())
        self._h11.start_next_cycle()
        self.transport.inbound += raw
        if self.honest.prompt:
            self.transport.pump(len(raw))
            self.honest.world.loop.settle()
