"""What is asked of a proxy, byte for byte, and what it answered, read by h11."""

import socket
import ssl
import time
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from typing import Literal

import h11

Part = Literal["all", "head", "where", "status"]
"""Of an answer, what is compared. "where": status and Location."""
PATIENCE_S = 5.0
_FRAMING = {"connection", "keep-alive", "transfer-encoding", "content-length", "date"}
"""How a message is cut and when it was made is each side's own affair; h11 watches that it is done properly."""


@dataclass(frozen=True)
class Address:
    """Where to connect: a port of this machine, or a Unix socket; by TLS if there is a context."""

    port: int = 0
    path: str = ""
    tls: ssl.SSLContext | None = None

    def connect(self) -> socket.socket:
        """Raises OSError, also when the TLS handshake fails."""
        with ExitStack() as stack:
            sock = stack.enter_context(socket.socket(socket.AF_UNIX if self.path else socket.AF_INET))
            sock.settimeout(PATIENCE_S)
            sock.connect(self.path or ("127.0.0.1", self.port))
            if self.tls is not None:
                sock = stack.enter_context(self.tls.wrap_socket(sock, server_hostname="localhost"))
            stack.pop_all()
            return sock


@dataclass(frozen=True)
class Ask:
    """One request. `line` is method and target; `fields` are header lines (Host is added); `raw` is sent instead of all these."""

    line: str = ""
    fields: tuple[str, ...] = ()
    body: bytes = b""
    to: str = "public"
    raw: bytes = b""
    host: str = "hub.example.org"
    part: Part = "all"
    then: bytes = b""
    """Sent after the first answer on the same connection: the next request, or what follows an upgrade."""
    patience_s: float = PATIENCE_S

    @property
    def sent(self) -> bytes:
        if self.raw:
            return self.raw
        lines = [f"{self.line} HTTP/1.1", f"Host: {self.host}", *self.fields]
        framed = any(one.lower().startswith(("content-length:", "transfer-encoding:")) for one in self.fields)
        if self.body and not framed:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body

    @property
    def method(self) -> str:
        return _method(self.sent)


def _method(sent: bytes) -> str:
    """As far as it matters to how the answer is cut."""
    return "HEAD" if sent.startswith(b"HEAD ") else "GET"


@dataclass
class Answer:
    """What came back. Status 0: the connection ended without an answer; -1: nothing came in good time; -2: not HTTP."""

    status: int = 0
    reason: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    informational: list[int] = field(default_factory=list)
    kept: bool = False
    whole: bool = False
    after: bytes = b""
    """What came on the connection after an upgrade."""


def ask(address: Address, question: Ask) -> list[Answer]:
    """Ask on a connection of its own; two answers if something is sent after the first. Raises OSError if there is no connection."""
    with closing(address.connect()) as sock:
        sock.settimeout(question.patience_s)
        with suppress(BrokenPipeError, ConnectionResetError):  # answered before all was sent
            sock.sendall(question.sent)
        first, connection = _read(sock, question, question.method, upgrade=b"upgrade" in question.sent.lower())
        if not question.then:
            return [first]
        if first.status == 101:
            first.after = _echo(sock, connection.trailing_data[0] if connection else b"", question.then)
            return [first]
        with suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(question.then)
        second, _ = _read(sock, question, _method(question.then), had=connection.trailing_data[0] if connection else b"")
        return [first, second]


def _read(sock: socket.socket, question: Ask, method: str, *, upgrade: bool = False, had: bytes = b"") -> tuple[Answer, h11.Connection | None]:
    connection = h11.Connection(h11.CLIENT)
    headers = [("Host", "h"), *([("Connection", "Upgrade"), ("Upgrade", "websocket")] if upgrade else [])]
    connection.send(h11.Request(method=method, target="/", headers=headers))
    connection.send(h11.EndOfMessage())
    answer, deadline, silent = Answer(), time.monotonic() + question.patience_s, not had
    if had:
        connection.receive_data(had)
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                sock.settimeout(max(0.01, deadline - time.monotonic()))
                piece = sock.recv(256 * 1024)
                silent = silent and not piece
                connection.receive_data(piece)
            elif isinstance(event, h11.Response) or (isinstance(event, h11.InformationalResponse) and event.status_code == 101):
                answer.status, answer.reason = event.status_code, event.reason.decode("latin-1")
                answer.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers]
                if event.status_code == 101:
                    return answer, connection
            elif isinstance(event, h11.InformationalResponse):
                answer.informational.append(event.status_code)
            elif isinstance(event, h11.Data):
                answer.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                answer.whole, answer.kept = True, connection.their_state is h11.DONE
                return answer, connection
            else:
                return answer, None
    except TimeoutError:
        answer.status = answer.status or -1
    except h11.RemoteProtocolError:
        answer.status = answer.status or (0 if silent else -2)
    except OSError:
        pass
    return answer, None


def _echo(sock: socket.socket, had: bytes, sent: bytes) -> bytes:
    """Send through an upgraded connection, read as much back, then end our side and read the rest."""
    sock.sendall(sent)
    with suppress(OSError):
        while len(had) < len(sent):
            piece = sock.recv(256 * 1024)
            if not piece:
                return had
            had += piece
        if isinstance(sock, ssl.SSLSocket):  # TLS has no half-closed connections in Python
            return had
        sock.shutdown(socket.SHUT_WR)
        while piece := sock.recv(256 * 1024):
            had += piece
    return had


def shown(answer: Answer, part: Part) -> dict[str, object]:
    """What of an answer is compared. Repeated headers are joined, as RFC 9110 section 5.3 allows, but for Set-Cookie."""
    headers: dict[str, str] = {}
    for name, value in answer.headers:
        if name not in _FRAMING or (name == "content-length" and answer.status in {200, 304} and not answer.body):
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    told: dict[str, object] = {"status": answer.status}
    if part == "where":
        told["location"] = headers.get("location")
    elif part != "status":
        told |= {"reason": answer.reason, "headers": dict(sorted(headers.items())), "informational": answer.informational}
        told |= {"kept": answer.kept, "whole": answer.whole}
    if part == "all":
        told |= {"body": answer.body.decode("latin-1"), "after": answer.after.decode("latin-1")}
    return told
