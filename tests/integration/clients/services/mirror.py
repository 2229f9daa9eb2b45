"""An application that people run beside their notebooks: says what was asked of it, over HTTP and WebSocket. `mirror.py PORT_OR_SOCKET`."""

import asyncio
import sys

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler


class Mirror(RequestHandler):
    """The request, as it came."""

    def get(self) -> None:
        kept = {name: self.request.headers[name] for name in self.request.headers if name.startswith("X-")}
        self.write({"method": self.request.method, "uri": self.request.uri, "body": self.request.body.decode(), "headers": kept})

    post = put = delete = get


class Away(RequestHandler):
    """Sends visitors to the mirror's root."""

    def get(self) -> None:
        self.redirect("/arrived")


class Ticks(RequestHandler):
    """Events, the second one only when somebody who read the first asks for it."""

    asked = asyncio.Event()

    async def get(self) -> None:
        self.set_header("Content-Type", "text/event-stream")
        self.write("data: one\n\n")
        await self.flush()
        await self.asked.wait()
        self.write("data: two\n\n")

    def post(self) -> None:
        self.asked.set()


class Echo(WebSocketHandler):
    """What comes goes back."""

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """The last one offered."""
        return subprotocols[-1] if subprotocols else None

    async def on_message(self, message: str | bytes) -> None:
        """Text as text, bytes as bytes."""
        await self.write_message(message, binary=isinstance(message, bytes))


async def main(place: str) -> None:
    """Listen on a port, or on a unix socket."""
    pages = [(r"(?:.*)/echo", Echo), (r"(?:.*)/away", Away), (r"(?:.*)/ticks", Ticks), (r".*", Mirror)]
    server = HTTPServer(Application(pages))
    if place.isdigit():
        server.listen(int(place), "127.0.0.1")
    else:
        server.add_socket(bind_unix_socket(place))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
