"""The servers behind the proxies: each answers with what it was asked, in the manner the request's X-Act names."""

import base64
import contextlib
import gzip
import hashlib
import json
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

_OWN = {"connection", "keep-alive"}
"""Between the proxy and us; says nothing about what the client asked."""


class Backend(socketserver.StreamRequestHandler):
    """One connection."""

    server: "socketserver.BaseServer"

    def setup(self) -> None:
        if self.request.family == socket.AF_INET:
            self.request.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
            )  # head and body are sent apart; the second would wait 40 ms for the first
        super().setup()

    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while self._one():
                pass

    def _one(self) -> bool:
        first = self.rfile.readline()
        if not first.strip():
            return False
        self.method, self.target, _ = first.decode("latin-1").split(" ", 2)
        self.fields: list[tuple[str, str]] = []
        while line := self.rfile.readline().decode("latin-1").rstrip("\r\n"):
            name, _, value = line.partition(":")
            self.fields.append((name.lower(), value.strip()))
        act = self._field("x-act").replace("-", "_")
        if self._field("upgrade"):
            return bool(getattr(self, f"upgrade_{act or 'echo'}")())
        return bool(getattr(self, f"act_{act or 'plain'}")())

    def _field(self, name: str) -> str:
        return ", ".join(value for key, value in self.fields if key == name)

    def _body(self) -> bytes:
        if length := self._field("content-length"):
            return self.rfile.read(int(length))
        body = b""
        if "chunked" in self._field("transfer-encoding"):
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        return body

    def _told(self) -> bytes:
        """What we were asked, as JSON. Long bodies by their digest."""
        body = self._body()
        fields: dict[str, str] = {}
        for name, value in sorted(pair for pair in self.fields if pair[0] not in _OWN):
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
        text = body.decode("latin-1") if len(body) < 1000 else hashlib.sha256(body).hexdigest()
        return json.dumps({"method": self.method, "target": self.target, "headers": fields, "body": text}).encode()

    def _answer(self, status: int, body: bytes, *lines: str, reason: str = "") -> bool:
        without = status in {204, 304}
        head = [f"HTTP/1.1 {status} {reason or HTTPStatus(status).phrase}", *lines]
        if not without:
            head += [
                f"Content-Length: {len(body)}",
                *([] if any(line.startswith("Content-Type") for line in lines) else ["Content-Type: application/json"]),
            ]
        self.wfile.write("\r\n".join([*head, "", ""]).encode("latin-1"))
        if not without and self.method != "HEAD":
            self.wfile.write(body)
        return True

    def act_plain(self) -> bool:
        return self._answer(200, self._told())

    def act_status(self) -> bool:
        self._body()
        return self._answer(int(self._field("x-arg")), b'{"of": "the server"}')

    def act_reason(self) -> bool:
        self._body()
        return self._answer(200, b"{}", reason="Quite Fine")

    def act_fields(self) -> bool:
        """Answer with the header lines in X-Arg, divided by |."""
        self._body()
        return self._answer(200, b"{}", *self._field("x-arg").split("|"))

    def act_location(self) -> bool:
        self._body()
        status, _, location = self._field("x-arg").partition(" ")
        return self._answer(int(status), b"", f"Location: {location.replace('HERE', self._field('host'))}")

    def act_chunked(self) -> bool:
        told = self._told()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        if self.method != "HEAD":
            for start in range(0, len(told), 50):
                piece = told[start : start + 50]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        return True

    def act_trailers(self) -> bool:
        self._body()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n")
        return True

    def act_close(self) -> bool:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n" + self._told())
        return False

    def act_old(self) -> bool:
        self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + self._told())
        return False

    def act_gzip(self) -> bool:
        self._body()
        return self._answer(200, gzip.compress(b"zipped" * 100, mtime=0), "Content-Encoding: gzip")

    def act_big(self) -> bool:
        self._body()
        return self._answer(200, bytes(range(256)) * 4096, "Content-Type: application/octet-stream")

    def act_early(self) -> bool:
        """Answer before the body has come."""
        self.wfile.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch")
        self._body()
        return False

    def act_go_on(self) -> bool:
        """What Expect: 100-continue waits for."""
        if self._field("expect"):
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self.act_plain()

    def act_hints(self) -> bool:
        self._body()
        self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
        return self._answer(200, b"{}")

    def act_hang(self) -> bool:
        self._body()
        self.rfile.read(1)
        return False

    def act_reset(self) -> bool:
        self._body()
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()
        return False

    def act_end(self) -> bool:
        self._body()
        return False

    def act_half(self) -> bool:
        """End in the midst of the body."""
        self._body()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        return False

    def act_nonsense(self) -> bool:
        self._body()
        self.wfile.write(b"NONSENSE 1 2 3\r\n\r\n")
        return False

    def upgrade_echo(self) -> bool:
        accept = base64.b64encode(hashlib.sha1(self._field("sec-websocket-key").encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}"]
        if self._field("sec-websocket-protocol"):
            lines.append(f"Sec-WebSocket-Protocol: {self._field('sec-websocket-protocol').split(',')[0]}")
        lines += [f"X-Target: {self.target}", f"X-Asked: {quote(self._told().decode())}"]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode())
        while piece := self.request.recv(65536):
            self.wfile.write(piece)
        return False

    def upgrade_talk(self) -> bool:
        """Speak first, with the head in one piece."""
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nfirst")
        while piece := self.request.recv(65536):
            self.wfile.write(piece)
        return False

    def upgrade_status(self) -> bool:
        return self._answer(int(self._field("x-arg")), b"not upgraded", "Connection: close", "Content-Type: text/plain") and False

    def upgrade_chunked(self) -> bool:
        self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n")
        return False

    def upgrade_end(self) -> bool:
        return False

    def upgrade_reset(self) -> bool:
        return self.act_reset()


class ErrorPages(Backend):
    """What `--error-target` names."""

    def _one(self) -> bool:
        first = self.rfile.readline()
        if not first.strip():
            return False
        self.method, self.target, _ = first.decode("latin-1").split(" ", 2)
        while self.rfile.readline().strip():
            pass
        if self.target.startswith("/broken"):
            return False
        body = gzip.compress(self.target.encode(), mtime=0) if "gzip" in self.target else f"{self.method} {self.target}".encode()
        lines = ["Content-Type: text/x-error", "X-More: not passed on", "Cache-Control: no-store"]
        return self._answer(200, body, *lines, *(["Content-Encoding: gzip"] if "gzip" in self.target else []))


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128
    tls: ssl.SSLContext | None = None

    def get_request(self) -> tuple[socket.socket, object]:
        sock, address = super().get_request()
        if self.tls is not None:
            sock = self.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return sock, address

    def handle_error(self, request: object, client_address: object) -> None:
        """A refused handshake is what some questions are about."""


class _Unix(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextmanager
def serving(handler: type[Backend] = Backend, *, path: Path | None = None, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Run a server in a thread; yields "host:port", or the socket's path escaped as a URL's host."""
    server: socketserver.BaseServer
    name: Callable[[], str]
    if path is not None:
        server = _Unix(str(path), handler)
        name = lambda: quote(str(path), safe="")  # noqa: E731
    else:
        server = tcp = _Tcp(("127.0.0.1", 0), handler)
        tcp.tls = tls
        name = lambda: f"127.0.0.1:{tcp.server_address[1]}"  # noqa: E731
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield name()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
