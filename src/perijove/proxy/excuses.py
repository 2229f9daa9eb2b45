"""What people see where a server or a route is missing: the page of the error target, a file of the error path, or ours."""

import logging
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import quote

from perijove.proxy.door import Door
from perijove.proxy.errorpages import Trouble, render, wants_html
from perijove.proxy.exchange import Client, Exchange
from perijove.proxy.http1 import ResponseHead
from perijove.proxy.manners import Manners
from perijove.proxy.request import Request
from perijove.proxy.upstreams import Origin

_log = logging.getLogger("perijove.proxy")
_PATIENCE_S: Final = 5.0
"""For the error target to begin its page, and between two pieces of it."""
_MAX_PAGE: Final = 4 * 1024 * 1024
_KEPT: Final = (b"content-type:", b"content-encoding:", b"content-length:", b"transfer-encoding:")
_FAILED: Final = frozenset({502, 503, 504})
_NOT_FOUND: Final = Trouble(404, "There is nothing here", "No server is known at this address.")
_NO_TARGET: Final = Trouble(
    503, "The server is not answering", "It may be starting, have been stopped, or be overloaded. Try again in a moment.", 5
)  # fmt: skip


class Excuses:
    """One for each worker."""

    def __init__(self, door: Door, manners: Manners) -> None:
        """Raises BadTargetError for an error target that cannot be one."""
        self._door = door
        self._folder = Path(manners.error_path) if manners.error_path else None
        self._origin: Origin | None = door.upstreams.origin(manners.error_target) if manners.error_target else None

    def explain(self, client: Client, request: Request, trouble: Trouble, *, keep: bool, receiving: bool, started: float) -> bool:
        """Answer instead of the server; the client is told with `finished`. False if the trouble is the client's own doing."""
        if trouble.status in _FAILED:
            trouble = _NO_TARGET
        elif trouble.status == 404:
            trouble = _NOT_FOUND
        else:
            return False
        origin = self._origin
        if origin is not None and (
            request.fields.upgrade or request.method == b"HEAD" or (origin.down_until > self._door.clock.now and not origin.idle)
        ):
            origin = None
        explanation = Explanation(client, request, trouble, origin, self)
        explanation.receiving = receiving
        explanation.keep_client = keep
        explanation.started = started
        client.exchange = explanation
        client.door.clock.arm(client, _PATIENCE_S)
        explanation.start()
        return True

    def page(self, trouble: Trouble, request: Request, keep: bool) -> bytes:
        """A whole answer without asking anybody."""
        if request.fields.upgrade:
            return _head(trouble.status, b"Content-Length: 0\r\n", keep)
        text = self._file(trouble.status)
        head_only = request.method == b"HEAD"
        if text is None:
            return render(trouble, self._door.base_url, wants_html(request.fields.block), head_only, keep)
        head = _head(trouble.status, b"Content-Type: text/html\r\nContent-Length: %d\r\nCache-Control: no-store\r\n" % len(text), keep)
        return head if head_only else head + text

    def _file(self, status: int) -> bytes | None:
        for name in (f"{status}.html", "error.html") if self._folder is not None else ():
            path = self._folder / name if self._folder is not None else Path(name)
            try:
                return _read(path, path.stat().st_mtime_ns)
            except FileNotFoundError:
                continue
            except OSError as error:
                _log.error("the error page %s cannot be read: %s", path, error)
        return None


class Explanation(Exchange):
    """A request of ours to the error target, whose answer is passed on under another status."""

    def __init__(self, client: Client, request: Request, trouble: Trouble, origin: Origin | None, excuses: Excuses) -> None:
        """`request` is what went wrong; without an `origin` nobody is asked."""
        self._asked = request
        self._trouble = trouble
        self._excuses = excuses
        self._asks = origin is not None
        if origin is not None:
            path = b"%b/%d?url=%b" % (origin.prefix, trouble.status, quote(request.target, safe="").encode())
            last = b"" if request.fields.request_id else b"X-Request-Id: "
            head = b"GET %b HTTP/1.1\r\nHost: %b\r\nAccept: text/html, */*;q=0.5\r\nVia: 1.1 perijove\r\n%b" % (path, origin.authority, last)
            request = Request(b"GET", request.target, request.fields, None, (origin,), head + (b"" if last else b"\r\n"))
            request.plain = False
        super().__init__(client, request)
        self._patience = _PATIENCE_S

    def start(self) -> None:
        if self._asks:
            super().start()
        else:
            self.fail(self._trouble)

    def fail(self, trouble: Trouble) -> None:  # noqa: ARG002 - what is wrong with the error target does not matter to the client
        if self.over:
            return
        self.over = True
        self._release()
        client = self._client
        self.status = self._trouble.status
        client.door.stats.answered[self.status] += 1
        keep = self.keep_client and not self.receiving and not client.door.draining
        client.transport.write(self._excuses.page(self._trouble, self._asked, keep))
        self.request = self._asked
        client.finished(self, keep)

    def expired(self) -> None:
        if self.begun:
            super().expired()
        else:
            self.fail(self._trouble)

    def request_data(self, data: bytes) -> bytes:  # noqa: ARG002 - nobody wants it
        """The rest of the body is thrown away; the connection ends after the answer."""
        return b""

    def _note_status(self, status: int) -> None:  # noqa: ARG002 - the client is told ours
        super()._note_status(self._trouble.status)

    def _begin_body(self, head: ResponseHead, data: bytes, keep: bool) -> None:
        if head.status // 100 not in {2, 4, 5} or head.status == 204 or head.length > _MAX_PAGE:
            self._bad("it is no page of less than 4 MB")
            return
        lines = data[: head.size - 2].splitlines(keepends=True)[1:]
        kept = b"".join(line for line in lines if line.lower().startswith(_KEPT))
        changed = _head(self._trouble.status, kept + b"Cache-Control: no-store\r\n", True)
        super()._begin_body(ResponseHead(changed, len(changed) - 4), changed + data[head.size :], keep)


def _head(status: int, fields: bytes, keep: bool) -> bytes:
    phrase = HTTPStatus(status).phrase.encode()
    return b"HTTP/1.1 %d %b\r\n%b%b\r\n" % (status, phrase, fields, b"" if keep else b"Connection: close\r\n")


@lru_cache(maxsize=16)
def _read(path: Path, _stamp: int) -> bytes:
    """Read again when it changes."""
    return path.read_bytes()
