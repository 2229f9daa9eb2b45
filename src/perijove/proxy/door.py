"""What all connections of one worker share."""

import asyncio
import itertools
import logging
import secrets
import socket
from collections.abc import Sequence
from typing import Any, Final, Protocol

from perijove.proxy.accesslog import AccessLog
from perijove.proxy.crowding import Crowding
from perijove.proxy.deadlines import Deadlines
from perijove.proxy.errorpages import Trouble, render
from perijove.proxy.forwarding import CookieFilter, Forwarding, TrustedProxies
from perijove.proxy.hops import UNKNOWN
from perijove.proxy.hsts import hsts_line, stamped, with_hsts
from perijove.proxy.http1 import ResponseHead
from perijove.proxy.logs import Seldom
from perijove.proxy.paths import Addresses
from perijove.proxy.request import Request
from perijove.proxy.rewriting import ChpForwarding, PublicAddresses, rewrite_location
from perijove.proxy.settings import Limits, ProxySettings
from perijove.proxy.stats import Stats
from perijove.proxy.table import Table
from perijove.proxy.tunnel import Tunnel
from perijove.proxy.upstreams import Origin, Upstreams
from perijove.wire.proxymark import proxy_mark

_log = logging.getLogger("perijove.proxy")


class Visitor(Protocol):
    """A client's connection, as far as it can be told to go."""

    @property
    def busy(self) -> bool: ...
    def drain(self, *, gently: bool) -> None: ...
    def abort(self) -> None: ...


class Explainer(Protocol):
    """Whoever answers in the place of a server, if the proxy's own pages are not what people are to see."""

    def explain(self, client: Any, request: Request, trouble: Trouble, *, keep: bool, receiving: bool, started: float) -> bool:
        """Take over; the client is told with `finished`. False: the usual page is to be sent."""


HUB_PATIENCE_S: Final = 5.0
"""How long a page waits for a hub that answered a moment ago: it may just be starting again, as after an upgrade."""


class Door:
    """Settings, table, pool and counts of one worker, and who is inside."""

    def __init__(self, settings: ProxySettings, table: Table[Origin], upstreams: Upstreams, clock: Deadlines, stats: Stats) -> None:
        self.limits: Limits = settings.limits
        self.table = table
        self.upstreams = upstreams
        self.clock = clock
        self.stats = stats
        self.draining = False
        self.base_url = settings.base_url
        self.tls = bool(settings.all_certificates)
        self.manners = settings.chp
        self.excuses: Explainer | None = None
        self.names_targets = self.manners is not None and self.manners.change_origin
        """Whether the Host field says where a request goes."""
        self.hsts = hsts_line(settings.hsts_max_age_s, settings.hsts_subdomains) if self.tls else b""
        self.rewrites = bool(self.hsts) or (self.manners is not None and self.manners.rewrites_locations)
        """Whether the heads of answers have to be looked at."""
        self.addresses = Addresses(settings.base_url) if self.manners is None else PublicAddresses()
        self.trusted = TrustedProxies(settings.trusted_proxies)
        self.forwarding = self._forwarding("https" if self.tls else "http", settings)
        self.secure_forwarding = self._forwarding("https", settings)
        """For clients that came to a load balancer by TLS, which says so by PROXY protocol."""
        self.access_log = (
            AccessLog(settings.access_log, settings.access_log_sample, settings.access_log_file, clock) if settings.access_log != "off" else None
        )
        self.max_connections = settings.limits.max_connections
        self.crowding = Crowding(settings.limits.max_connections_per_address)
        self._crowds = Seldom(_log)
        self._full = Seldom(_log)
        self.strangers = Seldom(_log)
        """For warnings about those who may not come in."""
        self.connections: set[Visitor] = set()
        self.tunnels: set[Tunnel] = set()
        self.hubs: tuple[Origin, ...] = tuple(upstreams.origin(text) for text in settings.hubs)
        self.hub_patience_s = HUB_PATIENCE_S if settings.follow else 0.0
        self.unwell: set[Origin] = set()
        """Hubs that should be asked last (hubwatch.py)."""
        self._turn = 0
        self._left: asyncio.Event | None = None
        """Set when somebody leaves; only while it is waited for."""
        self.id_prefix = secrets.token_hex(6).encode() + b"-"
        """With one of `ids` in hexadecimal behind it, a request id: unique, but no secret."""
        self.ids = itertools.count(1)

    def _forwarding(self, scheme: str, settings: ProxySettings) -> Forwarding:
        if self.manners is not None:
            return ChpForwarding(scheme, self.trusted, self.manners)
        return Forwarding(scheme, self.trusted, CookieFilter(settings.hub_cookies), proxy_mark(settings.token), settings.forwarded_header)

    @property
    def full(self) -> bool:
        return len(self.connections) + len(self.tunnels) >= self.max_connections

    def no_room(self) -> None:
        """A connection is turned away because there are too many altogether."""
        self.stats.shed += 1
        self._full.warn(
            self.clock.now,
            "there are more than %d connections to this worker: it takes no more. The administrator can raise the limit of open files of the proxy "
            "(LimitNOFILE= of a systemd unit, ulimit -n in a shell; each connection needs two), connections in [proxy_limits], or workers in [proxy]",
            self.max_connections,
        )

    def no_files(self, target: str, error: OSError) -> None:
        """A server cannot be connected to because of this machine's limits, not its own."""
        self._full.warn(
            self.clock.now,
            "cannot connect to %s: %s. The administrator can raise the limit of open files of the proxy (LimitNOFILE= of a systemd unit, ulimit -n "
            "in a shell), or the range of ports that connections may use (net.ipv4.ip_local_port_range)",
            target,
            error,
        )

    def crowded(self, address: str) -> None:
        """A connection is turned away because its address has too many."""
        self.stats.shed_address += 1
        self._crowds.warn(
            self.clock.now,
            "%s has more than %d connections (connections_per_address): it gets no more. If a load balancer comes from there, add it to "
            "trusted_proxies: those are not counted",
            address,
            self.crowding.most,
        )

    def rewritten(self, head: ResponseHead, data: bytes, request: Request) -> tuple[ResponseHead, bytes]:
        """The head of an answer, and what has come of it, with its Location changed where it has to be, and what browsers are to be told."""
        if self.manners is not None and self.manners.rewrites_locations:
            changed = rewrite_location(self.manners, data[: head.size], head.status, request.origins[0].target, request.fields.host)
            head, data = ResponseHead(changed, len(changed) - 4), changed + data[head.size :]
        return with_hsts(head, data, self.hsts) if self.hsts else (head, data)

    def page(self, trouble: Trouble, as_html: bool, head_only: bool, keep_alive: bool) -> bytes:
        """A whole answer of our own."""
        page = render(trouble, self.base_url, as_html, head_only, keep_alive)
        return stamped(page, self.hsts) if self.hsts else page

    def hub_origins(self) -> Sequence[Origin]:
        """All hubs, those that are well first; requests take turns among them."""
        hubs = self.hubs
        if len(hubs) < 2:
            return hubs
        self._turn = (self._turn + 1) % len(hubs)
        turned = hubs[self._turn :] + hubs[: self._turn]
        return sorted(turned, key=lambda origin: origin in self.unwell or origin.down_until > self.clock.now)

    def silent(self, hub: Origin) -> None:
        """A hub takes connections and answers nothing, as one does that is paused: others are asked what it was asked."""
        others = [origin for origin in self.hub_origins() if origin is not hub and origin not in self.unwell]
        if others:
            self.upstreams.move_on(hub, others)

    def drain(self, *, gently: bool) -> None:
        """Let running exchanges finish and nothing new begin. `gently`: who is just about to ask on a kept connection is still served."""
        self.draining = True
        for connection in tuple(self.connections):
            connection.drain(gently=gently)

    async def empty(self, crowd: "set[Visitor] | set[Tunnel]", within_s: float) -> bool:
        """Wait until all of `connections` or of `tunnels` are gone. False if some are still there after `within_s`."""
        self._left = asyncio.Event()
        try:
            async with asyncio.timeout(max(0.0, within_s)):
                while crowd:
                    await self._left.wait()
                    self._left.clear()
        except TimeoutError:
            return False
        return True

    def leave(self, visitor: Visitor) -> None:
        self.connections.discard(visitor)
        if self._left is not None:
            self._left.set()

    def abort(self) -> None:
        for connection in tuple(self.connections):
            connection.abort()
        for tunnel in tuple(self.tunnels):
            tunnel.abort()

    def tunnel_ended(self, tunnel: Tunnel) -> None:
        self.tunnels.discard(tunnel)
        self.crowding.leave(tunnel.place)
        if self._left is not None:
            self._left.set()


def peer_of(transport: asyncio.BaseTransport) -> str:
    """The address at the other end; empty for a unix socket, UNKNOWN for a connection that was reset before we looked."""
    peer = transport.get_extra_info("peername")
    if not isinstance(peer, tuple):
        sock = transport.get_extra_info("socket")
        return "" if sock is not None and sock.family == socket.AF_UNIX else UNKNOWN
    address = str(peer[0])
    return address.removeprefix("::ffff:") if address.startswith("::ffff:") and "." in address else address
