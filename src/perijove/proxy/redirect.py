"""The plain port: sends people on to https, and shows the answers that certificate authorities look for (ACME, RFC 8555 section 8.3)."""

import asyncio
import os
import re
import stat
from http import HTTPStatus
from typing import Final, cast

from perijove.proxy.http1 import Refused, RequestFields, parse_request_line

_MAX_HEAD: Final = 16 * 1024
_MAX_FIELDS: Final = 100
_MAX_VISITS: Final = 500
"""Each is over within seconds: who comes beyond is turned away."""
_VISIT_S: Final = 10.0
_LINGER_S: Final = 2.0
_MAX_THROWN: Final = 256 * 1024
_MAX_CHALLENGE: Final = 4096
_CHALLENGE: Final = b"/.well-known/acme-challenge/"
_TOKEN = re.compile(rb"[A-Za-z0-9_-]{1,255}")
_HOST = re.compile(rb"((?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?)|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{0,5})?")
_NOT_URI = re.compile(rb"[^!#-;=?-Z\[\]_a-z~]")
_ABSOLUTE = re.compile(rb"(?i)http://([^/?#]*)(/.*)?")


class Redirect:
    """Makes a protocol for each connection of a plain port (for create_server); one request each. Keeps nothing between them."""

    def __init__(self, to: int | str, *, status: int = 308, acme_folder: str = "") -> None:
        """`to`: the https port at whatever host was asked for, or one address for all ("https://host[:port]", without a path); `acme_folder`: the
        folder that an ACME client takes for the web server's root. Raises ValueError for a status that is no redirection."""
        if status not in {301, 302, 303, 307, 308}:
            raise ValueError(f"{status} does not redirect: use 308, or 301, 302, 303 or 307")
        self._fixed = to.rstrip("/").encode("ascii") if isinstance(to, str) else b""
        self._port = b"" if isinstance(to, str) or to == 443 else b":%d" % to
        self._status = status
        self._folder = acme_folder
        self.visits: set[Visit] = set()

    def __call__(self) -> "Visit":
        return Visit(self)

    def answer(self, head: bytes) -> bytes:
        """The whole answer to a request's head, which ends with an empty line."""
        try:
            line = parse_request_line(head)
            method, target, version = line.groups()
            fields = RequestFields(head[line.end() : -2], 1 if version == b"1" else 0, _MAX_FIELDS)
            host, path = fields.host, target
            if found := _ABSOLUTE.fullmatch(target):  # its host is the one that counts (RFC 9112, section 3.2.2)
                host, path = found[1], found[2] or b"/"
            elif not target.startswith(b"/"):
                raise Refused(400, "There is no path to redirect.")
            if self._folder and path.startswith(_CHALLENGE):
                return self._challenge(method, path.removeprefix(_CHALLENGE))
            path = _NOT_URI.sub(lambda found: b"%%%02X" % found[0][0], path)
            return _message(self._status, b"", b"Location: %b%b\r\n" % (self._fixed or self._address(host), path))
        except Refused as refused:
            return _message(refused.status, refused.reason.encode())

    def _address(self, host: bytes | None) -> bytes:
        if not host:
            raise Refused(400, "Without a Host there is nowhere to redirect to.")
        found = _HOST.fullmatch(host)
        if found is None:
            raise Refused(400, "The Host is malformed.")
        return b"https://" + found[1] + self._port

    def _challenge(self, method: bytes, token: bytes) -> bytes:
        if method not in {b"GET", b"HEAD"}:
            return _message(405, b"", b"Allow: GET, HEAD\r\n")
        content = _read(os.path.join(os.fsencode(self._folder), _CHALLENGE[1:], token)) if _TOKEN.fullmatch(token) else None  # noqa: PTH118 - bytes
        if content is None:
            return _message(404, b"There is no such challenge.")
        return _message(200, content, b"", head_only=method == b"HEAD")

    def abort(self) -> None:
        """End what is still there."""
        for visit in tuple(self.visits):
            visit.expired()


class Visit(asyncio.Protocol):
    """One connection."""

    __slots__ = ("_buffer", "_redirect", "_thrown", "_timer", "_transport")

    _transport: asyncio.Transport
    _timer: asyncio.TimerHandle

    def __init__(self, redirect: Redirect) -> None:
        self._redirect = redirect
        self._buffer = b""
        self._thrown = -1
        """Bytes that came after the answer; -1: there is no answer yet."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from asyncio's
        self._timer = asyncio.get_running_loop().call_later(_VISIT_S, self.expired)
        if len(self._redirect.visits) >= _MAX_VISITS:
            self.expired()
        else:
            self._redirect.visits.add(self)

    def data_received(self, data: bytes) -> None:
        if self._thrown >= 0:
            self._thrown += len(data)
            if self._thrown > _MAX_THROWN:
                self.expired()
            return
        data = self._buffer + data
        end = data.find(b"\r\n\r\n")
        if 0 <= end <= _MAX_HEAD:
            self._say(self._redirect.answer(data[: end + 4]))
        elif len(data) > _MAX_HEAD:
            self._say(_message(431, b"The request is too large."))
        else:
            self._buffer = data

    def _say(self, answer: bytes) -> None:
        self._buffer = b""
        self._thrown = 0
        self._transport.write(answer)
        # A client that is still sending must be able to read the answer: the connection ends when it has, or in a moment.
        self._transport.write_eof()
        self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(_LINGER_S, self.expired)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why does not matter
        self._timer.cancel()
        self._redirect.visits.discard(self)

    def expired(self) -> None:
        self._transport.abort()


def _message(status: int, text: bytes, fields: bytes = b"", *, head_only: bool = False) -> bytes:
    return b"HTTP/1.1 %d %b\r\n%bContent-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (
        status, HTTPStatus(status).phrase.encode(), fields, len(text), b"" if head_only else text
    )  # fmt: skip


def _read(path: bytes) -> bytes | None:
    """None if it is not there, or not what an ACME client writes."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = os.fstat(file)
        return os.read(file, _MAX_CHALLENGE) if stat.S_ISREG(found.st_mode) and found.st_size <= _MAX_CHALLENGE else None
    finally:
        os.close(file)
