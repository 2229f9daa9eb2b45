"""Exchanges that leave a line in the access log. Only these count bytes: without a log nobody does."""

import re
import time
from typing import Final

from perijove.proxy.accesslog import AccessLog, Entry
from perijove.proxy.exchange import Client, Exchange
from perijove.proxy.http1 import ResponseHead
from perijove.proxy.request import Request

_CLIENT: Final = re.compile(rb"(?i)\nx-real-ip:[ \t]*([^\r]*)\r")
_ID: Final = re.compile(rb"(?i)\nx-request-id:[ \t]*([^\r]*)\r")
_REFERER: Final = re.compile(rb"(?i)\nreferer:[ \t]*([^\r]*)\r")
_AGENT: Final = re.compile(rb"(?i)\nuser-agent:[ \t]*([^\r]*)\r")


class LoggedExchange(Exchange):
    """Counts what it passes on."""

    def __init__(self, client: Client, request: Request) -> None:
        super().__init__(client, request)
        self.started = time.monotonic()

    def response_data(self, data: bytes) -> None:
        if self.begun:
            self.sent += len(data)
        else:
            self.sent = max(0, len(data) - data.find(b"\r\n\r\n") - 4)  # true of a plain answer; `_begin_body` is told of all others
        super().response_data(data)

    def _begin_body(self, head: ResponseHead, data: bytes, keep: bool) -> None:
        self.sent = len(data) - head.size
        super()._begin_body(head, data, keep)


def log_exchange(log: AccessLog, exchange: Exchange, peer: str, trusted: bool) -> None:
    """`trusted`: `peer` is believed what it said of its client."""
    if log.wants(exchange.status):
        request, head = exchange.request, exchange.head
        client = _found(_CLIENT, head).decode("latin-1") if trusted else peer
        log.add(_entry(request, client, exchange.status, exchange.sent, exchange.started, _found(_ID, head)))


def log_answer(log: AccessLog, request: Request | None, peer: str, status: int, sent: int) -> None:
    """Of a page of our own, given without asking a server; `request` is None if it could not be read."""
    if log.wants(status):
        log.add(Entry(client=peer, status=status, sent=sent) if request is None else _entry(request, peer, status, sent, 0.0, b""))


def _entry(request: Request, client: str, status: int, sent: int, began: float, request_id: bytes) -> Entry:
    block = b"\n" + request.fields.block
    return Entry(
        client=client, method=request.method, target=request.target, minor=request.fields.minor, host=request.fields.host or b"", status=status, sent=sent,
        began=began, route=request.entry.route.spec if request.entry is not None else "", request_id=request_id,
        referer=_found(_REFERER, block), agent=_found(_AGENT, block),
    )  # fmt: skip


def _found(pattern: "re.Pattern[bytes]", text: bytes) -> bytes:
    found = pattern.search(text)
    return found[1] if found is not None else b""
