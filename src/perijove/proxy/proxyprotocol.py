"""What a load balancer says about a client before the client's own first byte: HAProxy's PROXY protocol, versions 1 and 2. Pure.

Source: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt. Strict: a sender that is not understood word for word is refused.
"""

import re
import socket
from typing import Final, NamedTuple

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_V1: Final = b"PROXY "
_V1_MOST: Final = 107
_V2_HEAD: Final = 16
_PORT: Final = rb"(0|[1-9][0-9]{0,4})"
_V1_LINE: Final = re.compile(rb"PROXY (TCP4|TCP6) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) " + _PORT + b" " + _PORT + rb"\r\n")
_V1_UNKNOWN: Final = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?\r\n")
_ADDRESS_SIZE: Final = {0: 0, 1: 12, 2: 36, 3: 216}
"""Both addresses and ports, by address family: none, IPv4, IPv6, unix."""
_STREAM: Final = 1
_CRC32C: Final = 0x03
_SSL: Final = 0x20
_CLIENT_SSL: Final = 0x01


class Preamble(NamedTuple):
    """What was said, and how many bytes it took."""

    size: int
    address: str = ""
    """Of the client; empty: not told."""
    secure: bool = False
    """The client came to the load balancer by TLS."""
    local: bool = False
    """The load balancer speaks for itself, as for a health check: there is no client behind it."""


class BadPreambleError(Exception):
    """What came is no preamble; the text says why."""


def parse_preamble(data: bytes | bytearray) -> Preamble | None:
    """`data`: all that has come so far. None if more is needed; that is never the case beyond 65,551 bytes. Raises BadPreambleError."""
    if data.startswith(_V1):
        return _version_1(bytes(data[:_V1_MOST]))
    if data.startswith(SIGNATURE):
        return _version_2(data)
    if _V1.startswith(data) or SIGNATURE.startswith(data):
        return None
    raise BadPreambleError("it does not begin with a PROXY protocol preamble")


def _version_1(data: bytes) -> Preamble | None:
    end = data.find(b"\n") + 1
    if not end:
        if len(data) == _V1_MOST:
            raise BadPreambleError(f"its PROXY line is longer than {_V1_MOST} bytes")
        return None
    line = data[:end]
    if _V1_UNKNOWN.fullmatch(line):
        return Preamble(end)
    found = _V1_LINE.fullmatch(line)
    if found is None:
        raise BadPreambleError("its PROXY line is malformed")
    kind, source, target, *ports = (part.decode("ascii") for part in found.groups())
    family = socket.AF_INET if kind == "TCP4" else socket.AF_INET6
    if any(int(port) > 65535 for port in ports):
        raise BadPreambleError("its PROXY line has a port above 65535")
    _normal(family, target)
    return Preamble(end, _normal(family, source))


def _normal(family: socket.AddressFamily, text: str) -> str:
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, text))
    except OSError:
        raise BadPreambleError("its PROXY line has a malformed address") from None


def _version_2(data: bytes | bytearray) -> Preamble | None:
    if len(data) > 12 and (data[12] >> 4 != 2 or data[12] & 15 > 1):
        raise BadPreambleError("its PROXY preamble is of an unknown version or command")
    if len(data) > 13 and (data[13] >> 4 not in _ADDRESS_SIZE or data[13] & 15 > 2):
        raise BadPreambleError("its PROXY preamble is of an unknown address family or protocol")
    if len(data) < _V2_HEAD:
        return None
    family, kind = data[13] >> 4, data[13] & 15
    size = _V2_HEAD + int.from_bytes(data[14:16], "big")
    local = not data[12] & 15
    addresses_end = _V2_HEAD + _ADDRESS_SIZE[family]
    if not local and size < addresses_end:
        raise BadPreambleError("its PROXY preamble is too short for the addresses it announces")
    if len(data) < size:
        return None
    if local:
        return Preamble(size, local=True)  # what else is in it is to be ignored
    secure = _read_extras(bytes(data[:size]), addresses_end) if family else False
    # Where family and protocol are not both told, what follows cannot be read; datagrams and unix sockets have no address of use here.
    if kind != _STREAM or family not in {1, 2}:
        return Preamble(size, secure=secure)
    packed = bytes(data[_V2_HEAD : _V2_HEAD + (4 if family == 1 else 16)])
    return Preamble(size, socket.inet_ntop(socket.AF_INET if family == 1 else socket.AF_INET6, packed), secure)


def _read_extras(data: bytes, begin: int) -> bool:
    """Type, length, value: they must fill the preamble exactly. A checksum among them must be right. Returns whether the client came by TLS."""
    secure = False
    while begin < len(data):
        value = begin + 3
        end = value + int.from_bytes(data[begin + 1 : value], "big")
        if end > len(data):
            raise BadPreambleError("its PROXY preamble has a field that reaches beyond its end")
        if data[begin] == _CRC32C and (
            end - value != 4 or crc32c(data[:value] + bytes(4) + data[end:]) != int.from_bytes(data[value:end], "big")
        ):  # fmt: skip
            raise BadPreambleError("its PROXY preamble has a wrong checksum")
        if data[begin] == _SSL and end > value:
            secure = bool(data[value] & _CLIENT_SSL)
        begin = end
    return secure


def _table() -> tuple[int, ...]:
    rows = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        rows.append(value)
    return tuple(rows)


_CRC_TABLE: Final = _table()


def crc32c(data: bytes) -> int:
    """Castagnoli's checksum (RFC 3720, appendix B.4)."""
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _CRC_TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF
