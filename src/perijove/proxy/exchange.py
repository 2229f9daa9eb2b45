"""One request and its answer, between a client's connection and a server's."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, Protocol

from perijove.proxy.chunks import Chunks
from perijove.proxy.door import Door
from perijove.proxy.errorpages import AWAY, HUB_DOWN, HUB_FAILED, NO_ANSWER, NO_FILES, SERVER_DOWN, TIMED_OUT, TOO_SLOW, Trouble
from perijove.proxy.framing import UNTIL_CLOSE, frame
from perijove.proxy.http1 import BARE, PLAIN_ANSWER, Refused, ResponseHead
from perijove.proxy.request import Request
from perijove.proxy.upstreams import OUR_LIMITS, Origin, UpstreamConnection
from perijove.wire.agents import NoTunnelError

_log = logging.getLogger("perijove.proxy")
_MAX_HEAD: Final = 256 * 1024


class Client(Protocol):
    """The client's connection, as an exchange sees it."""

    door: Door
    exchange: "Exchange | None"
    transport: asyncio.Transport
    due: float
    slot: int
    waiting: bool
    write_paused: bool

    def answer(self, trouble: Trouble, method: bytes, block: bytes, keep: bool) -> None: ...
    def expired(self) -> None: ...
    def finished(self, exchange: "Exchange", keep: bool) -> None: ...
    def reset(self) -> None: ...
    def switch(self, exchange: "Exchange", up: UpstreamConnection, data: bytes) -> None: ...
    def wait(self, writable: bool) -> None: ...


class Exchange:
    """Lives from a request's head until both its body and the answer have passed, or one side is lost."""

    # Defaults live on the class: most requests change few of them, and this is made once for each request.
    up: UpstreamConnection | None = None
    keep_client = True
    """Whether the client's connection may serve more requests, as far as is known yet."""
    begun = False
    """Whether the answer has begun on its way to the client."""
    status = 0
    over = False
    started = 0.0
    sent = 0
    """Bytes of the answer's body; counted only where there is a log (logged.py): of a chunked one as they came, with its framing."""
    head = b""
    """What the server was told."""
    receiving = False
    """Whether more of the request's body is to come."""
    _connecting: asyncio.Task[None] | None = None
    _up_paused = False
    _repeated = False
    _pending: tuple[bytes, ...] = ()
    _body_left = 0
    _body_chunks: Chunks | None = None
    _held = b""
    _left = 0
    _chunks: Chunks | None = None
    _to_close = False
    """The client sees the end of the answer by the end of the connection."""
    _keep_upstream = False
    _dirty = False

    def __init__(self, client: Client, request: Request) -> None:
        self._client = client
        self.request = request
        self._patience = client.door.limits.response_s
        fields = request.fields
        if not fields.keep_alive:
            self.keep_client = False
        if fields.has_body:
            self.receiving = True
            self._body_left = fields.length
            self._body_chunks = Chunks(keep_trailers=False, most=client.door.limits.max_body_bytes) if fields.chunked else None

    def start(self) -> None:
        """Send the head on a kept connection, or make one first."""
        request = self.request
        door = self._client.door
        self.head = request.head if request.fields.request_id else b"%b%b%x\r\n\r\n" % (request.head, door.id_prefix, next(door.ids))
        up = door.upstreams.take(request.origins[0], request.repeatable)
        if up is not None:
            self._send(up)
        else:
            self._connecting = door.upstreams.connect(self, request.origins, door.hub_patience_s if request.entry is None else 0.0)

    def _send(self, up: UpstreamConnection) -> None:
        self.up = up
        up.exchange = self
        up.transport.write(self.head)
        if self._pending:
            up.transport.writelines(self._pending)
            self._pending = ()
        if self._client.write_paused:
            self.client_writable(False)

    # What the connection to the server tells.

    def connected(self, connection: UpstreamConnection) -> None:
        self._connecting = None
        if self.over:
            connection.drop()
            return
        self._client.wait(True)
        self._send(connection)

    def unreachable(self, error: Exception) -> None:
        self._connecting = None
        if self.over:
            return
        to = self.request.origins[-1].text
        if isinstance(error, NoTunnelError):
            _log.warning("%s", error)
            self.fail(AWAY)
        elif isinstance(error, TimeoutError):
            _log.warning("%s did not take the connection in time", to)
            self.fail(TOO_SLOW if self.request.entry is not None else HUB_DOWN)
        elif isinstance(error, OSError) and error.errno in OUR_LIMITS:
            self._client.door.no_files(to, error)
            self.fail(NO_FILES)
        else:
            _log.warning("cannot connect to %s: %s", to, error)
            self.fail(SERVER_DOWN if self.request.entry is not None else HUB_DOWN)

    def response_data(self, data: bytes) -> None:
        client = self._client
        if not self.begun:
            if self.request.plain and self.keep_client and not self.receiving and not self._held and not client.door.draining:
                found = PLAIN_ANSWER.match(data)
                if found is not None and len(data) == found.end() + int(found[2]):
                    # By far the most common: whole, and nothing to change.
                    self._note_status(int(found[1]))
                    self.begun = self._keep_upstream = True
                    client.transport.write(data)
                    self._complete()
                    return
            client.due = client.door.clock.now + self._patience
            self._response_head(self._held + data if self._held else data)
            return
        client.due = client.door.clock.now + self._patience
        left = self._left
        if left > 0:
            size = len(data)
            if size < left:
                self._left = left - size
                client.transport.write(data)
                return
            if size > left:
                data = data[:left]
                self._dirty = True
            client.transport.write(data)
            self._complete()
        elif self._chunks is not None:
            self._chunked(self._chunks, data)
        else:
            client.transport.write(data)

    def _response_head(self, data: bytes) -> None:
        client = self._client
        while True:
            end = data.find(b"\r\n\r\n")
            if end < 0 or end > _MAX_HEAD:
                since = max(0, len(self._held) - 1)
                self._held = data
                if len(data) > _MAX_HEAD or (len(data) >= 7 and not data.startswith(b"HTTP/1.")) or BARE.search(data, since):
                    self._bad("its head is too large or not HTTP/1")
                return
            try:
                head = ResponseHead(data, end)
            except Refused as refused:
                self._bad(refused.reason)
                return
            if head.status >= 200:
                break
            if head.status == 101:
                self._switch(data)
                return
            client.door.stats.answered[head.status] += 1
            self._repeated = True  # the server has begun with it: it is not asked again
            if self.request.fields.minor == 1:
                client.transport.write(b"HTTP/1.1 %d \r\n%b\r\n" % (head.status, head.fields))
            data = data[head.size :]
            self._held = b""
            if not data:
                return
        self._held = b""
        if client.door.rewrites:
            head, data = client.door.rewritten(head, data, self.request)
        self._note_status(head.status)
        self._begin_body(head, data, self.keep_client and not self.receiving and not client.door.draining)

    def _note_status(self, status: int) -> None:
        self.status = status
        door = self._client.door
        door.stats.answered[status] += 1
        request = self.request
        entry = request.entry
        if entry is not None and (status < 300 or status == 304) and request.tracked:
            entry.last = door.clock.wall

    def _begin_body(self, head: ResponseHead, data: bytes, keep: bool) -> None:
        """Send the head on, and what has come of the body: in one piece and as it came, wherever possible."""
        client = self._client
        left, chunks, self._to_close, self.keep_client, self._keep_upstream, ours = frame(
            head, data, self.request.method, self.request.fields.minor, keep
        )
        here = len(data) - head.size
        out = data
        if chunks is not None:
            try:
                body = chunks.feed(data[head.size :]) if here else b""
            except Refused as refused:
                self._bad(refused.reason)
                return
            done = chunks.done
            self._dirty = bool(chunks.rest)
            if ours or len(body) != here:
                out = (ours or data[: head.size]) + body
        else:
            done = 0 <= left <= here
            self._dirty = here > left >= 0
            if ours or self._dirty:
                out = (ours or data[: head.size]) + (data[head.size : head.size + left] if left >= 0 else data[head.size :])
        self.begun = True
        self._chunks = chunks
        self._left = left - here if left > 0 else left
        client.transport.write(out)
        if done:
            self._complete()

    def _chunked(self, chunks: Chunks, data: bytes) -> None:
        try:
            out = chunks.feed(data)
        except Refused as refused:
            self._bad(refused.reason)
            return
        if out:
            self._client.transport.write(out)
        if chunks.done:
            self._dirty = bool(chunks.rest)
            self._complete()

    def _complete(self) -> None:
        """The answer has passed."""
        self.over = True
        up, self.up = self.up, None
        if up is not None:
            # An answer before the server has taken the whole request: what is left of that must not stand before the next one.
            stuck = self.request.fields.has_body and up.transport.get_write_buffer_size()
            if self._keep_upstream and not (self.receiving or self._dirty or stuck):
                if self._up_paused:
                    up.transport.resume_reading()
                self._client.door.upstreams.park(up)
            else:
                up.drop()
        self._client.finished(self, self.keep_client and not self.receiving)

    def _switch(self, data: bytes) -> None:
        """101: from here on it is not HTTP."""
        up = self.up
        if not self.request.fields.upgrade or up is None:
            self._bad("it switches protocols without being asked")
            return
        self.over = True
        self.begun = True
        self.status = 101
        self.up = None
        up.exchange = None
        self._client.door.stats.answered[101] += 1
        # The bytes of a 101 that was asked for go as they are: both ends have to agree on every one of its fields.
        self._client.switch(self, up, data)

    def upstream_lost(self, error: Exception | None) -> None:
        if self.over:
            return
        kept = self.up is not None and self.up.used
        self.up = None
        door = self._client.door
        if not self.begun:
            if kept and not self._held and self.request.repeatable and not self._repeated:
                # Nobody has answered yet, and asking twice does what asking once does: a kept connection had just been closed.
                self._repeated = True
                door.stats.upstream_retries += 1
                patience_s = door.hub_patience_s if self.request.entry is None else 0.0
                self._connecting = door.upstreams.connect(self, self.request.origins, patience_s)
                return
            _log.warning("%s closed the connection without an answer", self.request.origins[0].text)
            self.fail(NO_ANSWER if self.request.entry is not None else HUB_FAILED)
        elif self._left == UNTIL_CLOSE and self._chunks is None and error is None:
            self._keep_upstream = False
            self._complete()
        else:
            self._truncate()

    def upstream_writable(self, writable: bool) -> None:
        self._client.wait(writable)

    def move_on(self, origins: Sequence[Origin]) -> None:
        """Ask anew what may be asked twice, if nothing was answered yet. Whoever is asked now gives up when the connection is dropped."""
        up = self.up
        if up is None or self.over or self.begun or self._held or self._repeated or not self.request.repeatable:
            return
        self.up = None
        up.drop()
        self._repeated = True
        door = self._client.door
        door.stats.upstream_retries += 1
        self._connecting = door.upstreams.connect(self, origins)

    # What the connection to the client tells.

    def request_data(self, data: bytes) -> bytes:
        """Send a piece of the body on; returns what comes after the body's end."""
        client = self._client
        rest = b""
        if self._body_chunks is not None:
            try:
                out = self._body_chunks.feed(data)
            except Refused as refused:
                self.receiving = True
                client.door.stats.refuse(refused.status)
                if self.begun:
                    self._truncate()
                else:
                    self.fail(Trouble(refused.status, "The request is not taken", refused.reason))
                return b""
            if self._body_chunks.done:
                self.receiving = False
                rest = self._body_chunks.rest
        else:
            left = self._body_left - len(data)
            if left <= 0:
                self.receiving = False
                if left < 0:
                    data, rest = data[:left], data[left:]
            self._body_left = left
            out = data
        limits = client.door.limits
        client.due = client.door.clock.now + (limits.body_s if self.receiving else self._patience)
        if self.up is not None:
            if out:
                self.up.transport.write(out)
        else:
            self._pending = (*self._pending, out)
            client.wait(False)
        return rest

    def client_writable(self, writable: bool) -> None:
        if self.up is not None and not self.up.closing:
            self._up_paused = not writable
            if writable:
                self.up.transport.resume_reading()
            else:
                self.up.transport.pause_reading()

    def client_half_closed(self, patience_s: float, *, last: bool) -> None:
        """Such a client either waits for its answer, or is gone: the first piece of an answer that it refuses will tell.
        `last`: it has sent no request after this one."""
        self.keep_client = self.keep_client and not last
        self._patience = patience_s

    def client_lost(self) -> None:
        self.over = True
        self._release()

    def expired(self) -> None:
        """Nothing has moved for too long."""
        client = self._client
        if self._connecting is not None:
            client.door.clock.arm(client, client.door.limits.connect_s)
            return
        client.door.stats.timeouts += 1
        if self.begun:
            self._truncate()
        elif self.receiving and not client.waiting:
            self.fail(TIMED_OUT)
        else:
            self.fail(TOO_SLOW)

    # Ends that nobody wished for.

    def fail(self, trouble: Trouble) -> None:
        """Answer in the server's place. Only before the answer has begun."""
        self.over = True
        self._release()
        self.status = trouble.status
        client, keep = self._client, self.keep_client and not self.receiving
        excuses = client.door.excuses
        if excuses is not None and excuses.explain(client, self.request, trouble, keep=keep, receiving=self.receiving, started=self.started):
            return
        client.answer(trouble, self.request.method, self.request.fields.block, keep)
        client.finished(self, keep)

    def _bad(self, reason: str) -> None:
        _log.warning("the answer of %s was not passed on: %s", self.request.origins[0].text, reason)
        if self.begun:
            self._truncate()
        else:
            self.fail(NO_ANSWER)

    def _truncate(self) -> None:
        """The answer broke off: the client must see that it did."""
        self.over = True
        self._release()
        if self._to_close:
            self._client.reset()
        self._client.finished(self, False)

    def _release(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        up, self.up = self.up, None
        if up is not None:
            up.drop()
