"""Threads that run transactions, so that the event loop never waits for the database.

A lane is a queue and some threads that each own a link. A thread takes all that waits (up to a limit), runs it in one
transaction, and wakes the event loop once for the whole batch.
"""

import contextlib
import queue
import threading
from asyncio import AbstractEventLoop, Future, to_thread
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from perijove.adapters.store_sql.batch import Job, Runner
from perijove.adapters.store_sql.link import Link, TransactionLostError
from perijove.adapters.store_sql.tx import SqlTx
from perijove.domain.change import Notice
from perijove.ports.store.errand import Errand
from perijove.ports.store.store import DatabaseUnavailableError

T = TypeVar("T")

_IDLE_S = 1.0
"""How often a thread with nothing to do looks whether another process has written."""


def _nobody(_: Sequence[Notice]) -> None:
    """Nobody follows this lane's commits."""


class Lane:
    """`limit`: functions in one transaction. `told` is called on the event loop with the notices of each commit."""

    def __init__(
        self, name: str, links: Sequence[Link], *, limit: int, loop: AbstractEventLoop, told: Callable[[Sequence[Notice]], None] = _nobody
    ) -> None:
        self._loop = loop
        self._told = told
        self._limit = limit
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(link,), name=f"store-{name}-{number}", daemon=True) for number, link in enumerate(links)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, function: Callable[[SqlTx], T], errand: Errand | None = None) -> T:
        """Raises what the function raises, DatabaseUnavailableError, or AbandonedError when `errand` was given up before."""
        if self._closing.is_set():
            raise DatabaseUnavailableError("The hub is going down.", "Try again in a moment.")
        future: Future[T] = self._loop.create_future()
        self._queue.put(Job(function, future, errand))
        return await future

    async def close(self) -> None:
        """Finish what waits, and end the threads."""
        self._closing.set()
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            await to_thread(thread.join)

    def _work(self, link: Link) -> None:
        runner = Runner(link, self._closing)
        while True:
            jobs, ended = self._take(link)
            if jobs:
                notices = runner.run(jobs)
                self._tell(self._deliver, jobs, notices)
            if ended:
                link.close()
                return

    def _take(self, link: Link) -> tuple[list[Job], bool]:
        """All that waits, up to the limit; whether this thread should end then."""
        try:
            job = self._queue.get(timeout=_IDLE_S)
        except queue.Empty:
            self._idle(link)
            return [], False
        jobs: list[Job] = []
        while True:
            if job is None:
                return jobs, True
            if not job.future.cancelled():
                jobs.append(job)
            if len(jobs) >= self._limit:
                return jobs, False
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return jobs, False

    def _idle(self, link: Link) -> None:
        try:
            notices = link.idle()
        except TransactionLostError:
            link.rollback()
            return
        if notices:
            self._tell(self._told, notices)

    def _tell(self, callback: Callable[..., object], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is gone, and with it those who waited
            self._loop.call_soon_threadsafe(callback, *args)

    def _deliver(self, jobs: Sequence[Job], notices: Sequence[Notice]) -> None:
        for job in jobs:
            if job.future.done():
                continue  # its caller was cancelled
            if job.error is None:
                job.future.set_result(job.result)
            elif isinstance(job.error, StopIteration):
                job.future.set_exception(RuntimeError("A transaction's function raised StopIteration."))
            else:
                job.future.set_exception(job.error)
        if notices:
            self._told(notices)
