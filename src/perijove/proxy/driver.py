"""The public door: clients' connections, from the first byte to a running exchange."""

import asyncio
import re
import socket
import struct
from collections.abc import Callable
from typing import Final, cast

from perijove.proxy.crowding import Place
from perijove.proxy.deadlines import Deadlines
from perijove.proxy.door import Door, peer_of
from perijove.proxy.errorpages import CROWDED, HUB_DOWN, NOTHING_HERE, OVERLOADED, SERVER_DOWN, TIMED_OUT, Trouble, wants_html
from perijove.proxy.exchange import Exchange
from perijove.proxy.http1 import PLAIN_LINE, TOO_LARGE, Refused, RequestFields, check_partial_head, parse_request_line
from perijove.proxy.logged import LoggedExchange, log_answer, log_exchange
from perijove.proxy.request import Request
from perijove.proxy.rewriting import Healthy, target_path
from perijove.proxy.table import Entry
from perijove.proxy.tunnel import Tunnel
from perijove.proxy.upstreams import Origin, UpstreamConnection

_HOST_LINE = re.compile(rb"(?im)^host:[^\r]*\r\n")
_CR: Final = 13
_SWALLOW_MAX: Final = 64 * 1024 * 1024
_NOT_PASSED_ON: Final = frozenset({b"CONNECT", b"TRACE"})
_MIN_DRAIN_BYTES: Final = 4096
_MAX_COMPARED: Final = 4096
"""Longer heads are not kept for comparison with the next: memory for each client."""
_AT_ONCE: Final = struct.pack("ii", 1, 0)


class ClientConnection(asyncio.Protocol):
    """One client. Takes one request at a time; what comes early waits."""

    __slots__ = (
        "_advancing", "_buffer", "_ending", "_forwarding", "_half_closed", "_held_back", "_last", "_peer", "_place", "_remembered", "_stuck_at", "_swallowed", "_trusted",
        "door", "due", "exchange", "slot", "transport", "waiting", "write_paused",
    )  # fmt: skip

    transport: asyncio.Transport

    def __init__(self, door: Door) -> None:
        self.door = door
        self.exchange: Exchange | None = None
        self.due = 0.0
        self.slot = 0
        self.write_paused = False
        self.waiting = False
        """Whether the server cannot take more of the body just now."""
        self._buffer = b""
        self._advancing = False
        self._held_back = False
        self._half_closed = False
        self._ending = False
        self._swallowed = 0
        self._stuck_at = 0
        self._peer = ""
        self._place: Place = ""
        self._trusted = False
        self._remembered: RequestFields | None = None
        self._last: Request | None = None
        """The request before, if the next may be the same or go to the same server."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        door = self.door
        door.stats.accepted += 1
        peer = peer_of(transport)
        trusted = door.trusted.trusts(peer)
        place, room = ("", True) if trusted else door.crowding.enter(peer)
        self.begin(transport, peer, trusted, place, room=room)

    def begin(self, transport: asyncio.BaseTransport, peer: str, trusted: bool, place: Place, *, room: bool, secure: bool = False) -> None:
        """Serve whoever `peer` is; `place` and `room` as `Crowding.enter` told; `secure`: TLS ended at a load balancer."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from asyncio's
        self._peer, self._trusted, self._place = peer, trusted, place
        door = self.door
        self._forwarding = door.secure_forwarding if secure else door.forwarding
        full = door.full
        door.connections.add(self)
        if full:
            door.no_room()
            self.transport.write(door.page(OVERLOADED, False, False, False))
            self.end()
        elif not room:
            door.crowded(peer)
            self.transport.write(door.page(CROWDED, False, False, False))
            self.end(linger=bool(place))
        else:
            self.transport.set_write_buffer_limits(high=door.limits.buffer_bytes)
            door.clock.arm(self, door.limits.head_s)

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            last = self._last
            if last is not None and last.raw == data and last.generation == self.door.table.generation and not (
                self._buffer or self._ending or self.write_paused
            ):  # fmt: skip
                self.door.stats.requests += 1
                self._serve(last)
            elif self._ending:
                self._swallow(data)
            else:
                if self._buffer:
                    data = self._buffer + data
                    self._buffer = b""
                self._advance(data)
            return
        if exchange.receiving:
            data = exchange.request_data(data)
        if data:
            self._hold(data)

    def _advance(self, data: bytes) -> None:
        """Take requests out of `data` until one is running, or none is whole."""
        self._advancing = True
        while data and self.exchange is None and not self._ending and not self.write_paused:
            rest = self._begin(data)
            if rest is None:
                self._advancing = False
                return
            data = rest
        self._advancing = False
        if data and not self._ending:
            self._hold(data)

    def _hold(self, data: bytes) -> None:
        """Keep what came before its time, and read no more if that is much."""
        self._buffer = self._buffer + data if self._buffer else data
        if len(self._buffer) > self.door.limits.max_head_bytes and not self._held_back:
            self._held_back = True
            self.transport.pause_reading()

    def _begin(self, data: bytes) -> bytes | None:
        """Start the exchange of the request at the beginning of `data`; returns what follows its head, or None if it is not whole."""
        door = self.door
        if data[0] == _CR:
            while data.startswith(b"\r\n"):  # RFC 9112, section 2.2
                data = data[2:]
            if data in {b"", b"\r"}:
                self._buffer = data
                return None
        end = data.find(b"\r\n\r\n")
        method = block = b""
        try:
            if end < 0 or end > door.limits.max_head_bytes:
                self._wait_for_head(data)
                return None
            named = None
            minor = 1
            line = PLAIN_LINE.match(data)
            if line is not None:
                method, target, path = line.groups()
                if path.startswith(door.addresses.internal):
                    door.addresses.parse(target)
            else:
                line = parse_request_line(data)
                method, target, version = line.groups()
                minor = 1 if version == b"1" else 0
                target, path, named = door.addresses.parse(target)
            block = data[line.end() : end + 2]
            fields = self._remembered
            # Requests of one client mostly differ by their first line alone.
            if fields is None or fields.block != block or fields.minor != minor:
                fields = self._remembered = RequestFields(block, minor, door.limits.max_fields)
            if named is not None:
                block = b"Host: " + named + b"\r\n" + _HOST_LINE.sub(b"", block)
                fields = RequestFields(block, minor, door.limits.max_fields)
            if fields.length > door.limits.max_body_bytes > 0:
                raise Refused(413, TOO_LARGE)
            if method in _NOT_PASSED_ON:
                raise Refused(405, "This method is not passed on.")
        except Refused as refused:
            self._refuse(refused, method, block)
            return b""
        door.stats.requests += 1
        whole = end + 4 == len(data)
        self._start(method, target, path, fields, data if whole and named is None else b"")
        if whole:
            return b""
        rest = data[end + 4 :]
        exchange = self.exchange
        if rest and exchange is not None and exchange.receiving:
            rest = exchange.request_data(rest)
        return rest

    def _wait_for_head(self, data: bytes) -> None:
        """Raises Refused if this will never be one."""
        if data:
            check_partial_head(data, self.door.limits.max_head_bytes)
            if not self._buffer:
                self.door.clock.arm(self, min(self.door.limits.head_s, max(0.0, self.due - self.door.clock.now)))
        self._buffer = data

    def _start(self, method: bytes, target: bytes, path: bytes, fields: RequestFields, raw: bytes) -> None:
        """`raw`: what was read, if it is this request's head and nothing else; else empty."""
        door = self.door
        table = door.table
        last = self._last
        if (
            last is not None and last.entry is not None and last.fields is fields and last.generation == table.generation
            and path.startswith(last.entry.prefix) and not last.entry.below and b"%" not in path
        ):  # fmt: skip
            entry: Entry[Origin] | None = last.entry
            origins = last.origins
        else:
            entry = table.find(path, fields.host or b"")
            origins = (entry.place,) if entry is not None else door.hub_origins()
            if not origins:
                self._answer_at_once(NOTHING_HERE, Request(method, target, fields, None, (), b""))
                return
        origin = origins[0]
        to_hub = entry is None
        tail = fields.tails.get(to_hub)
        if tail is None:
            tail = self._forwarding.tail(fields, self._peer, self._trusted, to_hub, origin.authority)
            tail += b"\r\n" if fields.request_id else b"X-Request-Id: "
            if fields.host is not None and not door.names_targets:
                fields.tails[to_hub] = tail
        where = origin.prefix + target if door.manners is None else target_path(door.manners, target, entry, origin)
        request = Request(method, target, fields, entry, origins, b"%b %b HTTP/1.1\r\n%b" % (method, where, tail))
        if door.rewrites:
            request.plain = False
        if to_hub:
            self._last = None  # hubs take turns
        else:
            self._last = request
            request.generation = table.generation
            if len(raw) <= _MAX_COMPARED and not fields.has_body:
                request.raw = raw
        self._serve(request)

    def _serve(self, request: Request) -> None:
        door = self.door
        clock = door.clock
        origin = request.origins[0]
        if origin.down_until > clock.now and not origin.idle:
            # Refused a moment ago: stale pages that ask again and again cost no connection each.
            self._answer_at_once(SERVER_DOWN if request.entry is not None else HUB_DOWN, request)
            return
        exchange = self.exchange = Exchange(self, request) if door.access_log is None else LoggedExchange(self, request)
        if exchange.receiving:
            clock.arm(self, door.limits.body_s)
        else:
            due = self.due = clock.now + door.limits.response_s
            if self.slot > due + 1:
                clock.arm(self, door.limits.response_s)
        exchange.start()

    def _answer_at_once(self, trouble: Trouble, request: Request) -> None:
        fields = request.fields
        keep = fields.keep_alive and not fields.has_body and not self.door.draining
        excuses = self.door.excuses
        if excuses is not None and excuses.explain(self, request, trouble, keep=keep, receiving=fields.has_body, started=0.0):
            return
        self.answer(trouble, request.method, fields.block, keep, request)
        if keep:
            self.door.clock.arm(self, self.door.limits.idle_s)
        else:
            self.end(linger=fields.has_body)

    def _refuse(self, refused: Refused, method: bytes, block: bytes) -> None:
        if isinstance(refused, Healthy):
            self.transport.write(refused.answer(method))
            self.end()
            return
        self.door.stats.refuse(refused.status)
        title = "There is nothing here" if refused.status == 404 else "The request is not understood"
        self.answer(Trouble(refused.status, title, refused.reason), method, block, False)
        self.end(linger=True)

    # What an exchange asks for.

    def answer(self, trouble: Trouble, method: bytes, block: bytes, keep: bool, request: Request | None = None) -> None:
        """Send a page of our own. `request`: if there is no exchange, but a request that could be read."""
        door = self.door
        door.stats.answered[trouble.status] += 1
        page = door.page(trouble, wants_html(block), method == b"HEAD", keep)
        self.transport.write(page)
        if door.access_log is not None:
            sent = len(page) - page.find(b"\r\n\r\n") - 4
            if self.exchange is not None:
                self.exchange.sent = sent
            else:
                log_answer(door.access_log, request, self._peer, trouble.status, sent)

    def finished(self, exchange: Exchange, keep: bool) -> None:
        """The exchange is over, its answer sent on."""
        if self.door.access_log is not None:
            log_exchange(self.door.access_log, exchange, self._peer, self._trusted)
        receiving = exchange.receiving
        self.exchange = None
        door = self.door
        if self.waiting:
            self.wait(True)
        if not keep or door.draining:
            # Who did not say that it was done may have sent its next request already.
            self.end(linger=receiving or exchange.request.fields.keep_alive)
            return
        due = self.due = door.clock.now + door.limits.idle_s
        if self.slot > due + 1 or not self.slot:  # none: the deadline of the exchange has just passed
            door.clock.arm(self, door.limits.idle_s)
        if self._buffer or self._half_closed:
            self._go_on()

    def _go_on(self) -> None:
        if self._advancing:
            return
        if self._buffer:
            self._take_up()
        if self._half_closed and not self._ending:
            if self.exchange is not None:
                self._expect_no_more(self.exchange)
            elif not (self._buffer and self.write_paused):
                self.end()

    def _expect_no_more(self, exchange: Exchange) -> None:
        """The client has closed its side: it waits for the answers to what it has sent, or is gone."""
        exchange.client_half_closed(self.door.limits.gone_s, last=not self._buffer)
        self.door.clock.arm(self, self.door.limits.gone_s)

    def _take_up(self) -> None:
        """Go on with requests that came early."""
        if self.exchange is not None or self.write_paused or self._ending:
            return
        data, self._buffer = self._buffer, b""
        if self._held_back:
            self._held_back = False
            if not self.waiting:
                self.transport.resume_reading()
        self._advance(data)

    def wait(self, writable: bool) -> None:
        """The server can take more of the body (True), or cannot just now."""
        if writable == self.waiting:
            self.waiting = not writable
            if self._held_back or self.transport.is_closing():
                return
            if writable:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    def switch(self, exchange: Exchange, up: UpstreamConnection, data: bytes) -> None:
        """Become a tunnel."""
        door = self.door
        if door.access_log is not None:
            log_exchange(door.access_log, exchange, self._peer, self._trusted)
        entry = exchange.request.entry
        tunnel = Tunnel(
            door.clock, door.limits, _toucher(entry, door.clock), door.tunnel_ended, exchange.request.fields.upgrade.lower() == b"websocket"
        )
        if door.manners is not None:
            tunnel.count_server()
        tunnel.place, self._place = self._place, ""
        door.upstreams.detach(up)
        self._leave()
        door.tunnels.add(tunnel)
        door.stats.tunnels_opened += 1
        if entry is not None:
            entry.last = door.clock.wall
        self.exchange = None
        tunnel.start(self.transport, up.transport, self.write_paused, data, self._buffer)

    def end(self, linger: bool = False) -> None:
        """Close when all is sent. `linger`: the client may still be sending and must be able to read the answer all the same."""
        self._ending = True
        self._buffer = b""
        transport = self.transport
        limits = self.door.limits
        # What is still to be sent has the time of a slow reader.
        self._stuck_at = transport.get_write_buffer_size()
        if linger and not (self.door.tls or self._half_closed) and transport.can_write_eof() and not transport.is_closing():
            transport.write_eof()
            if self._held_back or self.waiting:
                self._held_back = self.waiting = False
                transport.resume_reading()
            self.door.clock.arm(self, limits.send_s if self._stuck_at else limits.linger_s)
        else:
            transport.close()
            self.door.clock.arm(self, limits.send_s)

    def _swallow(self, data: bytes) -> None:
        self._swallowed += len(data)
        if self._swallowed > _SWALLOW_MAX:
            self.abort()

    def abort(self) -> None:
        self.transport.abort()

    def reset(self) -> None:
        """Close in a way that cannot be taken for an ending in good order."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None and sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()

    @property
    def busy(self) -> bool:
        return self.exchange is not None

    def drain(self, *, gently: bool) -> None:
        if self.exchange is None and not self._ending:
            if gently:
                self.door.clock.arm(self, self.door.limits.gone_s)
            else:
                self.end()

    # What the transport and the clock tell.

    def pause_writing(self) -> None:
        self.write_paused = True
        self._stuck_at = self.transport.get_write_buffer_size()
        self.door.clock.arm(self, self.door.limits.send_s)
        if self.exchange is not None:
            self.exchange.client_writable(False)

    def resume_writing(self) -> None:
        self.write_paused = False
        self.due = self.door.clock.now + (self.door.limits.response_s if self.exchange is not None else self.door.limits.idle_s)
        if self.exchange is not None:
            self.exchange.client_writable(True)
        elif self._buffer:
            self._go_on()

    def eof_received(self) -> bool:
        exchange = self.exchange
        if exchange is None or exchange.receiving or self.door.tls:
            return False
        self._half_closed = True
        self._expect_no_more(exchange)
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why does not matter: nobody is there any more
        self._leave()
        self.door.crowding.leave(self._place)
        self._ending = True
        exchange, self.exchange = self.exchange, None
        if exchange is not None and not exchange.over:
            self.door.stats.client_aborts += 1
            if self.door.access_log is not None:
                log_exchange(self.door.access_log, exchange, self._peer, self._trusted)
            exchange.client_lost()

    def _leave(self) -> None:
        self.door.leave(self)
        self.door.clock.drop(self)

    def expired(self) -> None:
        door = self.door
        if self.write_paused or self._ending:
            size = self.transport.get_write_buffer_size()
            if 0 < size <= self._stuck_at - _MIN_DRAIN_BYTES:
                self._stuck_at = size
                door.clock.arm(self, door.limits.send_s)
                return
            door.stats.timeouts += not self._ending
            self.abort()
        elif self._half_closed:
            self.abort()
        elif self.exchange is not None:
            self.exchange.expired()
        elif self._buffer:
            door.stats.timeouts += 1
            self.answer(TIMED_OUT, b"", b"", False)
            self.end(linger=True)
        else:
            self.end()


def _toucher(entry: Entry[Origin] | None, clock: Deadlines) -> Callable[[], None]:
    def touch() -> None:
        if entry is not None:
            entry.last = clock.wall

    return touch
