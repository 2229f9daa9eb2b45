"""A server that keeps every byte it was sent, and answers what h11 reads in them."""

import asyncio
import re
from typing import Final, Self, cast

import h11

from .h11_reading import Seen, seen

_LINE: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ /[\x21\x22\x24-\x7e\x80-\xff]* HTTP/1\.1")
_FIELD: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[ \t]*[\x20-\x7e\x80-\xff\t]*")


def check_head(head: bytes) -> None:
    """A head the proxy sent must leave no room for two readings, whoever reads it. `head`: without its empty line."""
    first, *lines = head.split(b"\r\n")
    assert _LINE.fullmatch(first), first
    for line in lines:
        assert _FIELD.fullmatch(line), line
    names = [line.partition(b":")[0].lower() for line in lines]
    assert names.count(b"host") == 1, names
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1, names
    assert not {b"keep-alive", b"proxy-connection", b"http2-settings", b"te", b"trailer"} & set(names), names
    assert (b"connection" in names) == (b"upgrade" in names), names


class Recording(asyncio.Protocol):
    """One connection."""

    def __init__(self, recorder: "Recorder") -> None:
        self.recorder = recorder
        self.raw = b""
        self.requests: list[Seen] = []
        self.refused = ""
        self.unfinished = False
        self.open = True
        self._h11 = h11.Connection(h11.SERVER)
        self._request: h11.Request | None = None
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.recorder.connections.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False

    def data_received(self, data: bytes) -> None:
        self.raw += data
        self._h11.receive_data(data)
        try:
            while self._step():
                pass
        except h11.RemoteProtocolError as error:
            self.refused = str(error)
            self.transport.abort()

    def _step(self) -> bool:
        event = self._h11.next_event()
        if isinstance(event, h11.Request):
            self._request, self._body = event, []
            self.unfinished = True
        elif isinstance(event, h11.Data):
            self._body.append(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            self._answer()
        else:
            return False
        return True

    def _answer(self) -> None:
        assert self._request is not None
        self.unfinished = False
        request = seen(self._request, b"".join(self._body))
        self.requests.append(request)
        self.recorder.requests.append(request)
        text = b"seen: " + request.target
        self.transport.write(self._h11.send(h11.Response(status_code=200, headers=[("Content-Length", str(len(text)))])) or b"")
        if request.method != b"HEAD":
            self.transport.write(self._h11.send(h11.Data(data=text)) or b"")
        self._h11.send(h11.EndOfMessage())
        self._h11.start_next_cycle()


class Recorder:
    """Use `async with`."""

    def __init__(self) -> None:
        self.connections: list[Recording] = []
        self.requests: list[Seen] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(lambda: Recording(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for connection in self.connections:
            connection.transport.abort()

    def check(self) -> None:
        """Everything that came must be plain HTTP."""
        for connection in self.connections:
            assert not connection.refused, (connection.refused, connection.raw)
            for head in heads(connection.raw):
                check_head(head)


def heads(raw: bytes) -> list[bytes]:
    """All heads in a stream of requests of which h11 has found nothing wrong."""
    found: list[bytes] = []
    while b"\r\n\r\n" in raw:
        head, _, raw = raw.partition(b"\r\n\r\n")
        found.append(head)
        size = re.search(rb"(?i)\ncontent-length:[ \t]*([0-9]+)", head)
        if size is not None:
            raw = raw[int(size[1]) :]
        elif re.search(rb"(?i)\ntransfer-encoding:", head):
            while raw and (chunk := re.match(rb"([0-9A-Fa-f]+)[^\r]*\r\n", raw)) is not None:
                raw = raw[chunk.end() + int(chunk[1], 16) + 2 :]
                if not int(chunk[1], 16):
                    break
    return found
