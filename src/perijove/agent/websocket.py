"""A WebSocket client (RFC 6455) for binary messages: through a web proxy where the environment names one, with TLS if the address is wss.

`https_proxy`, `http_proxy`, `all_proxy` and `no_proxy` are read as curl reads them.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import ssl
import struct
from typing import Callable, NamedTuple, cast
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from perijove.agent.carry import BUFFER, Wire
from perijove.agent.frames import LARGEST

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_MOST_HEAD = 16 * 1024


class RefusedError(Exception):
    """There is an answer, and it is no. `status`: of HTTP; `reason`: what the other end says, for people."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status


class BrokenError(Exception):
    """What comes is no WebSocket."""


class Address(NamedTuple):
    """Of the other end."""

    tls: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def parse(url: str) -> Address:
    """Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError(f"{url!r} is not the address of a tunnel: write wss://host/path")
    tls = parts.scheme == "wss"
    return Address(tls, parts.hostname, parts.port or (443 if tls else 80), parts.path or "/")


def encoded(opcode: int, payload: bytes) -> bytes:
    """One frame, masked as a client must."""
    size = len(payload)
    if size < 126:
        head = struct.pack(">BB", 0x80 | opcode, 0x80 | size)
    elif size < 65536:
        head = struct.pack(">BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack(">BBQ", 0x80 | opcode, 0x80 | 127, size)
    mask = os.urandom(4)
    if not size:
        return head + mask
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return head + mask + (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")


class Decoder:
    """What a server sends, to whole messages. No input and output in here."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._message: bytearray | None = None

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """(opcode, payload) of each message and control frame that is whole now. Raises BrokenError."""
        self._data += data
        found: list[tuple[int, bytes]] = []
        at = 0
        while True:
            frame = self._frame(at)
            if frame is None:
                break
            final, opcode, begin, end = frame
            payload = bytes(self._data[begin:end])
            at = end
            if opcode >= _CLOSE:
                found.append((opcode, payload))
                continue
            if (opcode == _CONTINUATION) is (self._message is None):
                raise BrokenError("a message in the middle of another")
            if final and self._message is None:
                found.append((opcode, payload))
                continue
            self._message = (self._message or bytearray()) + payload
            if len(self._message) > LARGEST:
                raise BrokenError("a message that is too long")
            if final:
                found.append((_BINARY, bytes(self._message)))
                self._message = None
        del self._data[:at]
        return found

    def _frame(self, at: int) -> tuple[bool, int, int, int] | None:
        """Whether it is the last of its message, its opcode, and where its payload begins and ends; None if it is not whole."""
        data = self._data
        if len(data) < at + 2:
            return None
        first, size = data[at], data[at + 1]
        opcode, final = first & 0x0F, bool(first & 0x80)
        if first & 0x70 or size & 0x80 or opcode not in (_CONTINUATION, _BINARY, _CLOSE, _PING, _PONG):
            raise BrokenError("a frame that is none of a server's binary messages")
        if opcode >= _CLOSE and (size > 125 or not final):
            raise BrokenError("a control frame that is too long")
        begin = at + 2
        if size >= 126:
            begin += 2 if size == 126 else 8
            if len(data) < begin:
                return None
            size = int.from_bytes(data[at + 2 : begin], "big")
        if size > LARGEST:
            raise BrokenError("a frame that is too long")
        return (final, opcode, begin, begin + size) if len(data) >= begin + size else None


class WebSocket(asyncio.Protocol, Wire):
    """An open connection. `receive` gets messages; `writable` is called when it takes more; `lost` once, with the reason."""

    def __init__(self) -> None:
        self.full = False
        self.heard_at = 0.0
        """When something last came, by the loop's clock."""
        self.lost: asyncio.Future[str] | None = None
        self.receive: Callable[[bytes], None] | None = None
        self.writable: Callable[[], None] = lambda: None
        self._transport: asyncio.Transport | None = None
        self._head: asyncio.Future[bytes] | None = None
        self._early = bytearray()
        self._decoder = Decoder()
        self._waiting: list[bytes] = []
        self._reason = ""

    # The protocol beneath.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=2 * BUFFER)
        if self.lost is None:
            self.lost = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.heard_at = asyncio.get_running_loop().time()
        if self._head is not None:
            self._early += data
            end = self._early.find(b"\r\n\r\n")
            if end >= 0 or len(self._early) > _MOST_HEAD:
                if not self._head.done():
                    self._head.set_result(bytes(self._early[: end + 4]) if end >= 0 else b"")
                del self._early[: end + 4]
                self._head = None
                data = b""
            else:
                return
        if self.receive is None:
            self._early += data
            return
        try:
            for opcode, payload in self._decoder.feed(data):
                self._message(opcode, payload)
        except Exception as error:  # noqa: BLE001 - whatever a peer made us stumble over, this connection is of no use any more
            self.drop(str(error) or type(error).__name__)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._head is not None and not self._head.done():
            self._head.set_exception(ConnectionResetError("the connection was closed"))
        if self.lost is not None and not self.lost.done():
            self.lost.set_result(self._reason or (str(exc) if exc is not None else "closed by the other end"))

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        self.writable()

    # What its user calls.

    def send(self, messages: list[bytes]) -> None:
        if self._transport is not None:
            self._transport.write(b"".join([encoded(_BINARY, message) for message in messages]))

    def ping(self) -> None:
        if self._transport is not None:
            self._transport.write(encoded(_PING, b""))

    def drop(self, reason: str) -> None:
        self._reason = self._reason or reason
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """In good order, as far as that needs no answer."""
        if self._transport is not None:
            self._transport.write(encoded(_CLOSE, struct.pack(">H", 1001)))
            self._transport.close()

    def listen(self, receive: Callable[[bytes], None]) -> None:
        """From now on messages go to `receive`, those that have come already too."""
        self.receive = receive
        early, self._early = bytes(self._early), bytearray()
        if early:
            self.data_received(early)

    async def ask(self, request: bytes) -> bytes:
        """Send the head of a request; returns that of the answer. Raises OSError."""
        if self._transport is None:
            raise ConnectionResetError("the connection was closed")
        head: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._head = head
        self._transport.write(request)
        return await head

    async def begin_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Within the connection that there is. Raises OSError."""
        if self._transport is None:
            raise ConnectionResetError("the connection was closed")
        transport = await asyncio.get_running_loop().start_tls(self._transport, self, context, server_hostname=host)
        if transport is None:
            raise ConnectionResetError("the connection was closed")
        self.connection_made(transport)

    def _message(self, opcode: int, payload: bytes) -> None:
        if opcode == _BINARY:
            if self.receive is not None:
                self.receive(payload)
        elif opcode == _PING and self._transport is not None:
            self._transport.write(encoded(_PONG, payload))
        elif opcode == _CLOSE:
            self.drop(payload[2:].decode(errors="replace") or "closed by the other end")


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Raises OSError for a file that cannot be used."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def web_proxy(address: Address) -> tuple[str, int, str] | None:
    """(host, port, value of Proxy-Authorization) of the proxy that the environment names; None: none. Raises ValueError."""
    proxies = getproxies_environment()
    url = proxies.get("https" if address.tls else "http") or proxies.get("all")
    if not url or proxy_bypass(address.authority, proxies):
        return None
    parts = urlsplit(url if "://" in url else "http://" + url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("the environment names a proxy that is not http://host:port")
    secret = "{}:{}".format(unquote(parts.username or ""), unquote(parts.password or "")) if parts.username else ""
    return parts.hostname, parts.port or 80, "Basic " + base64.b64encode(secret.encode()).decode() if secret else ""


async def connect(address: Address, context: ssl.SSLContext | None, fields: dict[str, str], timeout_s: float) -> tuple[WebSocket, dict[str, str]]:
    """Open it; returns it and the fields of the answer, their names in lower case. Raises RefusedError, OSError, ValueError."""
    socket = WebSocket()
    try:
        return socket, await asyncio.wait_for(_opened(socket, address, context, fields), timeout_s)
    except asyncio.TimeoutError:
        socket.drop("timed out")
        raise TimeoutError(f"{address.host} did not answer within {timeout_s:g} s") from None
    except BaseException:
        socket.drop("given up")
        raise


async def _opened(socket: WebSocket, address: Address, context: ssl.SSLContext | None, fields: dict[str, str]) -> dict[str, str]:
    loop = asyncio.get_running_loop()
    proxy = web_proxy(address)
    if proxy is None:
        if address.tls:
            await loop.create_connection(lambda: socket, address.host, address.port, ssl=context, server_hostname=address.host)
        else:
            await loop.create_connection(lambda: socket, address.host, address.port)
    else:
        host, port, authorization = proxy
        await loop.create_connection(lambda: socket, host, port)
        to = f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"
        asked = {"Host": to, **({"Proxy-Authorization": authorization} if authorization else {})}
        status, reason, _ = _parsed(await socket.ask(_head("CONNECT", to, asked)))
        if status // 100 != 2:
            raise RefusedError(status, f"the web proxy {host}:{port} says: {reason}")
        if address.tls and context is not None:
            await socket.begin_tls(context, address.host)
    key = base64.b64encode(os.urandom(16))
    asked = {
        "Host": address.authority,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key.decode(),
        "Sec-WebSocket-Version": "13",
        **fields,
    }
    status, reason, answer = _parsed(await socket.ask(_head("GET", address.path, asked)))
    if status != 101:
        raise RefusedError(status, reason)
    accepted = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()  # noqa: S324 - RFC 6455, section 4.2.2; nothing is secret
    if answer.get("upgrade", "").lower() != "websocket" or answer.get("sec-websocket-accept") != accepted:
        raise RefusedError(status, "what answers does not speak WebSocket")
    return answer


def _head(method: str, target: str, fields: dict[str, str]) -> bytes:
    """Raises ValueError for what would break out of a line."""
    lines = [f"{method} {target} HTTP/1.1", *("{}: {}".format(*field) for field in fields.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a line break in the head of a request")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _parsed(head: bytes) -> tuple[int, str, dict[str, str]]:
    """Status, reason phrase, fields. Raises RefusedError."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
        raise RefusedError(0, "what answers does not speak HTTP")
    fields = {name.strip().lower(): value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}
    return int(words[1]), words[2] if len(words) > 2 else "", fields
