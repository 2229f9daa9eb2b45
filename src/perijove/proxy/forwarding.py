"""What a request says when it leaves for a server: which fields go, which are ours. Pure."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from perijove.proxy.http1 import RequestFields

UNIX_PEER: Final = "unix:"
"""In the list of trusted proxies: whoever comes in by a unix socket."""


class TrustedProxies:
    """The load balancers whose word about the client counts."""

    def __init__(self, networks: Iterable[str]) -> None:
        """Networks in CIDR form, addresses, or "unix:". Raises ValueError."""
        listed = tuple(networks)
        self._unix = UNIX_PEER in listed
        self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(ip_network(text) for text in listed if text != UNIX_PEER)

    def trusts(self, address: str) -> bool:
        """`address`: of a connection, or one named in X-Forwarded-For; empty for a unix socket."""
        if not address:
            return self._unix
        if not self._networks:
            return False
        try:
            parsed: IPv4Address | IPv6Address = ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks)

    def client(self, chain: list[str]) -> str:
        """The nearest address in a chain of hops (the last is the connection's own) that is not one of ours."""
        for address in reversed(chain):
            if not self.trusts(address):
                return address
        return chain[0]


class CookieFilter:
    """Takes the hub's own cookies out of requests for people's servers."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(name.encode() for name in names)
        self._any = (
            re.compile(rb"[:;][ \t]*(?:" + b"|".join(re.escape(name) for name in sorted(self._names)) + rb")[ \t]*(?:=|;|\r)")
            if self._names
            else None
        )

    def line(self, line: bytes) -> bytes:
        """A whole Cookie field line, its CRLF included, without the hub's cookies; empty if nothing is left."""
        if self._any is None or self._any.search(line) is None:
            return line
        name, _, value = line.partition(b":")
        kept = [pair for part in value.split(b";") if (pair := part.strip()) and pair.partition(b"=")[0].strip() not in self._names]
        return name + b": " + b"; ".join(kept) + b"\r\n" if kept else b""


class Forwarding:
    """Renders the field lines of a request on its way to a server."""

    def __init__(self, scheme: str, trusted: TrustedProxies, cookies: CookieFilter) -> None:
        self._scheme = scheme.encode()
        self._trusted = trusted
        self._cookies = cookies

    def tail(self, fields: RequestFields, peer: str, trusted: bool, to_hub: bool, authority: bytes) -> bytes:
        """All field lines to send on but X-Request-Id where that is ours. `authority` is the Host for an HTTP/1.0 client without one."""
        changes = self._client_lines(fields)
        if not to_hub:
            for begin, end in fields.cookies:
                line = fields.block[begin:end]
                kept = self._cookies.line(line)
                if kept != line:
                    changes.append((begin, end, kept))
        out = [fields.without(changes)]
        host = fields.host
        if host is None:
            host = authority
            out.append(b"Host: " + host + b"\r\n")
        if fields.chunked:
            out.append(b"Transfer-Encoding: chunked\r\n")
        if fields.upgrade:
            out.append(b"Connection: Upgrade\r\nUpgrade: " + fields.upgrade + b"\r\n")
        out.append(self._about_client(fields, peer, trusted, host))
        return b"".join(out)

    def _client_lines(self, fields: RequestFields) -> list[tuple[int, int, bytes]]:
        """What the client said about itself, to be left out."""
        return [(begin, end, b"") for _, _, begin, end in fields.forwarded]

    def _about_client(self, fields: RequestFields, peer: str, trusted: bool, host: bytes) -> bytes:
        proto, chain = self._scheme, [peer] if peer else []
        port = b""
        if trusted:
            said = {name: value for name, value, _, _ in fields.forwarded if value and name != b"x-forwarded-for"}
            hops = b",".join(value for name, value, _, _ in fields.forwarded if name == b"x-forwarded-for")
            chain = [hop.strip() for hop in hops.decode("latin-1").split(",") if hop.strip()] + chain
            # Of a list, the last entry was written by the proxy we trust.
            proto = _one_of(said.get(b"x-forwarded-proto") or said.get(b"x-scheme") or b"", proto)
            host = said.get(b"x-forwarded-host", host).rpartition(b",")[2].strip()
            port = said.get(b"x-forwarded-port", b"").rpartition(b",")[2].strip()
        if not port.isdigit():
            tail = host.rpartition(b":")[2]
            port = tail if tail.isdigit() and not host.endswith(b"]") and b":" in host else (b"443" if proto == b"https" else b"80")
        client = (self._trusted.client(chain) if trusted and chain else peer).encode("latin-1")
        seen = b"X-Forwarded-For: " + ", ".join(chain).encode("latin-1") + b"\r\nX-Real-IP: " + client + b"\r\n" if chain else b""
        return (
            seen + b"X-Forwarded-Proto: " + proto + b"\r\nX-Scheme: " + proto + b"\r\nX-Forwarded-Host: " + host
            + b"\r\nX-Forwarded-Port: " + port + b"\r\nVia: 1.1 perijove\r\n"
        )  # fmt: skip


def _one_of(value: bytes, otherwise: bytes) -> bytes:
    last = value.rpartition(b",")[2].strip().lower()
    return last if last in {b"http", b"https"} else otherwise
