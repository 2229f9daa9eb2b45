"""Calls of plugins that end in time whatever the plugin does: one that does not let go when it is cancelled is left behind."""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

import structlog

T = TypeVar("T")
LET_GO_S: Final = 1.0
"""How long a plugin may take to tidy up once it is cancelled. It is short, because it comes
on top of the limit (docs/explanation/deadlines.md); what takes longer goes on, but nobody waits for it."""
_log = structlog.get_logger("perijove.plugin")
_left_behind: set[asyncio.Task[Any]] = set()
"""Cancelled, and going on all the same. They are kept here so that they are not lost in silence, and counted when the hub ends."""


def left_behind() -> int:
    """How many calls go on though they were cancelled. The event loop cannot end while there are any."""
    return len(_left_behind)


async def bounded(work: Awaitable[T], limit_s: float) -> T:
    """The result of `work`, at the latest after `limit_s` and LET_GO_S seconds (`limit_s` 0: as long as it takes). Being cancelled takes
    LET_GO_S at most. Raises TimeoutError, and what `work` raises; RuntimeError if it says that it was cancelled when it was not."""
    task = asyncio.ensure_future(work)  # noqa: TID251 - ended, or left behind for good, below
    try:
        await asyncio.wait({task}, timeout=limit_s or None)
    finally:
        if not task.done():
            await let_go(task)
            timed_out = True
        else:
            timed_out = False
    if timed_out:
        raise TimeoutError
    if task.cancelled():
        raise RuntimeError("the plugin's call was cancelled, but not by the hub")
    return task.result()


async def let_go(task: "asyncio.Task[Any] | asyncio.Future[Any]") -> None:
    """Cancel it and wait until it has ended, but for LET_GO_S at most; then it is left behind."""
    task.cancel()
    try:
        await asyncio.wait({task}, timeout=LET_GO_S)
    finally:
        if task.done():
            _ = task.cancelled() or task.exception()  # whatever it says now, nobody waits for it
        elif isinstance(task, asyncio.Task):
            _left_behind.add(task)
            task.add_done_callback(_forget)
            _log.error("a plugin does not let go of a call that was cancelled; it is left behind", call=repr(task.get_coro()))


def _forget(task: asyncio.Task[Any]) -> None:
    _left_behind.discard(task)
    _ = task.cancelled() or task.exception()
