"""What the tests hold of a running proxy."""

from collections.abc import Awaitable, Callable

from perijove.proxy.worker import Worker
from perijove.wire.feed import Change, Route

from .raw_http import Answer, Client, Server


class Proxy:
    """A worker that serves in this loop."""

    def __init__(self, worker: Worker, port: int, admin_port: int) -> None:
        self.worker = worker
        self.port = port
        self.admin_port = admin_port

    async def client(self) -> Client:
        return await Client.connect(self.port)

    async def get(self, path: str, *fields: str) -> Answer:
        client = await self.client()
        answer = await client.ask(
            f"GET {path} HTTP/1.1\r\nHost: hub.example.org\r\n{''.join(line + chr(13) + chr(10) for line in fields)}\r\n".encode()
        )
        client.abort()
        return answer

    def route(self, spec: str, url: str) -> None:
        self.worker.book.apply([Change("set", Route(spec, url))], self.worker.book.revision + 1)


StartProxy = Callable[..., Awaitable[Proxy]]
StartServer = Callable[..., Awaitable[Server]]
