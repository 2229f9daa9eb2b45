"""How h11 reads a stream of requests or of answers: the second opinion on everything the proxy decides about framing."""

import re
from dataclasses import dataclass, field, replace
from typing import Final

import h11

_ABSOLUTE: Final = re.compile(rb"(?i)https?://([^/?]*)(/[^?]*)?(\?.*)?")
_LARGE: Final = 4 * 1024 * 1024
"""For one head. The proxy has its own limits, h11's are not asked about here."""


@dataclass(frozen=True)
class Seen:
    """A request, whole."""

    method: bytes
    target: bytes
    """In origin form: of an absolute one the host counts as Host (RFC 9112, section 3.2.2)."""
    host: bytes | None
    body: bytes

    def without_host(self) -> "Seen":
        return replace(self, host=None)


@dataclass
class Reading:
    """A stream of requests."""

    requests: list[Seen] = field(default_factory=list)
    refused: str = ""
    """What is wrong with what comes after them, if h11 refuses it."""
    unfinished: bool = False
    """Whether one more has begun and not ended."""


def seen(request: h11.Request, body: bytes) -> Seen:
    host = next((value for name, value in request.headers if name == b"host"), None)
    target = request.target
    if (absolute := _ABSOLUTE.fullmatch(target)) is not None:
        host, target = absolute[1], (absolute[2] or b"/") + (absolute[3] or b"")
    return Seen(request.method, target, host, body)


def read_requests(raw: bytes) -> Reading:
    """What a server that is h11 takes `raw` for, if it answers each request, and refuses every upgrade and tunnel."""
    reading = Reading()
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=_LARGE)
    if raw:
        server.receive_data(raw)
    request: h11.Request | None = None
    pieces: list[bytes] = []
    while True:
        try:
            event = server.next_event()
        except h11.RemoteProtocolError as error:
            reading.refused = str(error)
            return reading
        if isinstance(event, h11.Request):
            request, pieces = event, []
        elif isinstance(event, h11.Data):
            pieces.append(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            assert request is not None
            reading.requests.append(seen(request, b"".join(pieces)))
            status = 405 if request.method == b"CONNECT" else 200
            request = None
            server.send(h11.Response(status_code=status, headers=[("Content-Length", "0")]))
            server.send(h11.EndOfMessage())
            if server.our_state is not h11.DONE:
                return reading
            server.start_next_cycle()
        else:
            assert event in {h11.NEED_DATA, h11.PAUSED}
            reading.unfinished = request is not None or bool(server.trailing_data[0])
            return reading


@dataclass(frozen=True)
class Told:
    """An answer, whole."""

    status: int
    body: bytes


def read_answers(raw: bytes, methods: list[bytes], *, ended: bool) -> tuple[list[Told], str]:
    """The answers to requests with these methods, as a client that is h11 reads them; and what is wrong with the rest, or nothing.

    `ended`: the server has closed the connection after `raw`.
    """
    answers: list[Told] = []
    rest = raw
    for method in methods:
        client = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGE)
        client.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
        client.send(h11.EndOfMessage())
        if rest:
            client.receive_data(rest)
        if ended:
            client.receive_data(b"")
        status, pieces = 0, [b""]
        try:
            while not isinstance(event := client.next_event(), h11.EndOfMessage):
                if isinstance(event, h11.Response):
                    status = event.status_code
                elif isinstance(event, h11.Data):
                    pieces.append(bytes(event.data))
                elif not isinstance(event, h11.InformationalResponse):
                    return answers, "it does not end" if rest else "nothing"
        except h11.RemoteProtocolError as error:
            return answers, str(error)
        answers.append(Told(status, b"".join(pieces)))
        rest = client.trailing_data[0]
    return answers, "more than was asked for" if rest else ""
