"""Progress as server-sent events, in JupyterHub's shape."""

import asyncio
from collections.abc import AsyncIterator
from html import escape
from secrets import randbelow
from typing import Any

import msgspec

from perijove.control.servers.progress import ProgressEvent, progress
from perijove.control.servers.spawner_calls import log_tail
from perijove.domain.server import Phase, Server
from perijove.ports.store.store import DatabaseUnavailableError
from perijove.web.api.shown import queue_place_model
from perijove.web.call import Call

KEEP_ALIVE_S = 8.0
"""An empty line now and then, so that nobody between us and the browser takes the stream for dead (JupyterHub's interval)."""
LOG_S = 2.0
_SOON_MS = 200
_LATER_MS = 2000
"""The database is away: it is asked again from a new stream."""
_LOST_MS = 1000
_SPREAD_MS = 1300
"""This hub ends: whoever waits asks another, or the next, and a class of three hundred does not do so in one moment."""


async def event_lines(call: Call, server: Server, *, with_log: bool = False) -> AsyncIterator[bytes]:
    """The events of the present attempt. `with_log`: the tail of the server's log, too, as events with the key "log"."""
    hub, log, quiet_s, waits = call.surface.hub, "", 0.0, False
    events = progress(hub, server).__aiter__()
    waiting: asyncio.Future[ProgressEvent] | None = None
    ending: asyncio.Future[Any] = asyncio.ensure_future(call.surface.ending.wait())  # noqa: TID251 - cancelled below
    # Should the hub die, whoever follows comes again after this time: a thousand do not do so in one moment.
    retry = b"retry: %d\n" % (_LOST_MS + randbelow(_LOST_MS * 3))
    try:
        while not call.surface.ending.is_set():
            waiting = waiting or asyncio.ensure_future(anext(events))  # noqa: TID251 - awaited or cancelled below
            either: set[asyncio.Future[Any]] = {waiting, ending}
            await asyncio.wait(either, timeout=LOG_S if with_log else KEEP_ALIVE_S, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                event, waiting = waiting.result(), None
                waits = event.queue is not None or event.waits
                yield retry + _line(_shape(call, server, event) | _last_log(event, with_log=with_log))
                retry = b""
                if event.last:
                    return
                continue
            if ending.done():
                break
            tail = await log_tail(hub, server) if with_log and not waits else ""  # many wait, and none of them has a log yet
            quiet_s += LOG_S if with_log else KEEP_ALIVE_S
            if tail and tail != log:
                log = tail
                yield _line({"log": tail})
            elif quiet_s >= KEEP_ALIVE_S:
                quiet_s = 0.0
                yield b"\n\n"
    except StopAsyncIteration:
        pass
    except DatabaseUnavailableError:
        yield b"retry: %d\n\n" % (_LATER_MS + randbelow(_LATER_MS))
    finally:
        ending.cancel()
        if waiting is not None:  # a generator that is still being asked cannot be closed
            waiting.cancel()
            await asyncio.wait({waiting})
    if call.surface.ending.is_set():
        yield b"retry: %d\n\n" % (_SOON_MS + randbelow(_SPREAD_MS))


def _line(value: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def _last_log(event: ProgressEvent, *, with_log: bool) -> dict[str, Any]:
    """Of a start that failed, what its server said at the end."""
    failure = event.ended.failure if with_log and event.ended is not None else None
    return {"log": failure.log_tail} if failure is not None and failure.log_tail else {}


def _shape(call: Call, server: Server, event: ProgressEvent) -> dict[str, Any]:
    shape: dict[str, Any] = {"progress": None if event.percent is None else round(event.percent, 1), "message": event.message}
    if event.queue is not None:
        return shape | {"queue": queue_place_model(event.queue)}
    if not event.last:
        waits = {"place": event.place, "estimate": event.estimate, "detail": event.detail or None, "waits": event.waits or None}
        return shape | {name: value for name, value in waits.items() if value is not None}
    if event.ended is not None and event.ended.phase is Phase.READY:
        url = call.surface.hub.addresses.server_url(server.user_name, server.name)
        link = f'<a href="{escape(url)}">{escape(url)}</a>'
        return shape | {"ready": True, "message": f"Server ready at {url}", "html_message": f"Server ready at {link}", "url": url}
    if event.ended is not None and event.ended.failure is not None:
        failure = event.ended.failure
        return shape | {"failed": True, "message": failure.message, "hint": failure.hint}
    return shape | {"failed": True, "stopped": True, "message": event.message}
