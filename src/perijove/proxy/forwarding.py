"""What a request says when it leaves for a server: which fields go, which are ours. Pure."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from perijove.proxy.hops import UNKNOWN, Told, is_host, is_port, of_hop, told, write_forwarded
from perijove.proxy.http1 import RequestFields
from perijove.wire.proxymark import HEADER

UNIX_PEER: Final = "unix:"
"""In the list of trusted proxies: whoever comes in by a unix socket."""


class TrustedProxies:
    """The load balancers whose word about the client counts."""

    def __init__(self, networks: Iterable[str]) -> None:
        """Networks in CIDR form, addresses, or "unix:". Raises ValueError."""
        listed = tuple(networks)
        self._unix = UNIX_PEER in listed
        self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(ip_network(text, strict=False) for text in listed if text != UNIX_PEER)

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

    def client(self, chain: Sequence[str]) -> int:
        """Where in a chain of hops (the last speaks to us) the client is: the nearest that is not one of ours. What is left of it is hearsay."""
        for at in range(len(chain) - 1, -1, -1):
            if not self.trusts(chain[at]):
                return at
        return 0


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

    def __init__(self, scheme: str, trusted: TrustedProxies, cookies: CookieFilter, mark: str = "", forwarded: bool = False) -> None:
        """`mark` shows hubs that a request came through this proxy (wire/proxymark.py); `forwarded`: send Forwarded too (RFC 7239)."""
        self._scheme = scheme
        self._mark = f"{HEADER}: {mark}\r\n".encode() if mark else b""
        self._forwarded = forwarded
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
        if to_hub:
            out.append(self._mark)
        return b"".join(out)

    def _client_lines(self, fields: RequestFields) -> list[tuple[int, int, bytes]]:
        """What the client said about itself, to be left out."""
        return [(begin, end, b"") for _, _, begin, end in fields.forwarded]

    def _about_client(self, fields: RequestFields, peer: str, trusted: bool, host: bytes) -> bytes:
        said = told(fields.forwarded) if trusted else Told()
        hops = len(said.addresses)
        chain = (*said.addresses, peer) if peer else said.addresses
        at = self._trusted.client(chain) if trusted else 0
        proto, name, port = (of_hop(values, at, hops) for values in (said.protos, said.hosts, said.ports))
        proto = proto if proto in {"http", "https"} else self._scheme
        name = name if is_host(name) else host.decode("latin-1")
        if not is_port(port):
            tail = name.rpartition(":")[2]
            port = tail if tail.isdigit() and ":" in name and not name.endswith("]") else ("443" if proto == "https" else "80")
        lines = [f"X-Forwarded-Proto: {proto}", f"X-Scheme: {proto}", f"X-Forwarded-Host: {name}", f"X-Forwarded-Port: {port}", "Via: 1.1 perijove"]
        if chain:
            # Of a client that its proxy did not name, that proxy is what is known.
            known = next((hop for hop in chain[at:] if hop != UNKNOWN), "")
            lines[:0] = [f"X-Forwarded-For: {', '.join(chain)}", *([f"X-Real-IP: {known}"] if known else [])]
        if self._forwarded:
            lines.append(f"Forwarded: {write_forwarded(chain, at, proto, name)}")
        return ("\r\n".join(lines) + "\r\n").encode("latin-1")
