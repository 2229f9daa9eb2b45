"""The head of a request, as far as a gateway needs it. Pure."""

import re
from typing import Final, NamedTuple

MOST: Final = 16 * 1024
_LINE = re.compile(rb"([A-Z]{1,16}) ([\x21-\x7e]{1,4096}) HTTP/1\.1")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\x00]*?)[ \t]*")


class BadRequestError(ValueError):
    """It is not HTTP/1.1."""


class Request(NamedTuple):
    method: str
    target: str
    fields: dict[str, str]
    """By name in lower case; of several with one name, the last."""

    @property
    def token(self) -> str:
        """Of "Authorization: token …"; else empty."""
        kind, _, token = self.fields.get("authorization", "").partition(" ")
        return token.strip() if kind.lower() in {"token", "bearer"} else ""

    @property
    def upgrades(self) -> bool:
        return self.method == "GET" and self.fields.get("upgrade", "").lower() == "websocket"

    @property
    def has_body(self) -> bool:
        return self.fields.get("content-length", "0") != "0" or "transfer-encoding" in self.fields


def parse(head: bytes) -> Request:
    """`head`: with the empty line at its end. Raises BadRequestError."""
    first, *lines = head[:-4].split(b"\r\n")
    line = _LINE.fullmatch(first)
    if line is None:
        raise BadRequestError("the first line is not understood")
    fields = {}
    for text in lines:
        field = _FIELD.fullmatch(text)
        if field is None:
            raise BadRequestError("a field is not understood")
        fields[field[1].decode().lower()] = field[2].decode("latin-1")
    return Request(line[1].decode(), line[2].decode(), fields)


def answer(status: str, body: str = "", *, kind: str = "text/plain; charset=utf-8") -> bytes:
    """A whole answer, after which the connection ends. `status`: as "404 Not Found"."""
    data = body.encode()
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode() + data
