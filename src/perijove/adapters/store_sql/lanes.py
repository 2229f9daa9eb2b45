"""Threads that run transactions, so that the event loop never waits for the database.

A lane is a queue and some threads that each own a link. A thread takes all that waits (up to a limit), runs it in one
transaction, and wakes the event loop once for the whole batch.

What requests ask has a bound in number and in time; the hub's own work has neither and goes first (ports/store/asking.py).
"""

import contextlib
import queue
import threading
from asyncio import AbstractEventLoop, Future, TimerHandle, to_thread
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Final, TypeVar

from perijove.adapters.store_sql.batch import Job, Runner
from perijove.adapters.store_sql.circuit import Circuit
from perijove.adapters.store_sql.jitter import retry_after_s
from perijove.adapters.store_sql.link import Link, TransactionLostError
from perijove.adapters.store_sql.tx import SqlTx
from perijove.domain.change import Notice
from perijove.ports.store.asking import is_asked
from perijove.ports.store.errand import Errand
from perijove.ports.store.store import DatabaseOverloadedError, DatabaseUnavailableError

T = TypeVar("T")

_IDLE_S = 1.0
"""How often a thread with nothing to do looks whether another process has written."""

MOST_WAITING: Final = 2000
"""Requests' functions that may wait in one lane. A healthy database does as many in a second or less."""
LONGEST_WAIT_S: Final = 15.0
"""How long a request waits for the answer to one function: longer than a transaction is tried again (batch.py)."""
_SWEEP_S: Final = 0.5
_AWAY: Final = "The hub's database does not answer."
_SLOW: Final = "The hub's database answers too slowly."
_GO_ON: Final = "Your servers go on running. Try again in a moment; if it stays so, an administrator looks at the database."


def _away() -> DatabaseUnavailableError:
    return DatabaseUnavailableError(_AWAY, _GO_ON, retry_after_s=retry_after_s())  # apart, so that they do not all come back at once


def _nobody(_: Sequence[Notice]) -> None:
    """Nobody follows this lane's commits."""


class _Wake:
    """Look among the hub's own work."""


_WAKE: Final = _Wake()


class Lane:
    """`limit`: functions in one transaction. `told` is called on the event loop with the notices of each commit."""

    def __init__(
        self,
        name: str,
        links: Sequence[Link],
        *,
        limit: int,
        loop: AbstractEventLoop,
        told: Callable[[Sequence[Notice]], None] = _nobody,
        circuit: Circuit | None = None,
    ) -> None:
        self._loop = loop
        self._circuit = circuit
        if circuit is not None:
            circuit.listen(self._refuse_all)
        self._told = told
        self._limit = limit
        self._queue: queue.SimpleQueue[Job | _Wake | None] = queue.SimpleQueue()
        self._own: deque[Job] = deque()
        """The hub's own work: taken before what is in the queue, where each has left a `_WAKE`."""
        self._asked: deque[tuple[float, Job]] = deque()
        """What requests wait for, oldest first, with the time at which they give up."""
        self._sweeping: TimerHandle | None = None
        self.refused_full = self.refused_late = self.refused_away = 0
        """Requests' functions refused because too many waited, because they had waited too long, and because the database is away."""
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(link,), name=f"store-{name}-{number}", daemon=True) for number, link in enumerate(links)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, function: Callable[[SqlTx], T], errand: Errand | None = None) -> T:
        """Raises what the function raises, DatabaseUnavailableError (for a request also DatabaseOverloadedError), or AbandonedError when
        `errand` was given up before."""
        if self._closing.is_set():
            raise DatabaseUnavailableError("The hub is going down.", "Try again in a moment.")
        asked = is_asked()
        if asked and self._circuit is not None and self._circuit.away is not None:
            self.refused_away += 1
            raise _away()
        if asked and self.waiting >= MOST_WAITING:
            self.refused_full += 1
            raise DatabaseOverloadedError(_SLOW, _GO_ON, retry_after_s=retry_after_s())  # apart, so that they do not all come back at once
        future: Future[T] = self._loop.create_future()
        job = Job(function, future, errand)
        if asked:
            self._asked.append((monotonic() + LONGEST_WAIT_S, job))
            if self._sweeping is None:
                self._sweeping = self._loop.call_later(_SWEEP_S, self._sweep)
            self._queue.put(job)
        else:
            self._own.append(job)
            self._queue.put(_WAKE)
        return await future

    @property
    def waiting(self) -> int:
        """Functions that no thread has taken yet."""
        return self._queue.qsize()

    def _sweep(self) -> None:
        """Give up for those who have waited too long."""
        now = monotonic()
        while self._asked and (self._asked[0][1].future.done() or self._asked[0][0] <= now):
            self.refused_late += self._refuse(DatabaseOverloadedError(_SLOW, _GO_ON, retry_after_s=retry_after_s()))
        self._sweeping = self._loop.call_later(_SWEEP_S, self._sweep) if self._asked else None

    def _refuse_all(self) -> None:
        """The database has gone: nobody should wait for it, not even those in the middle of a transaction."""
        while self._asked:
            self.refused_away += self._refuse(_away())
        left: list[Job | _Wake | None] = []
        with contextlib.suppress(queue.Empty):
            while True:
                left.append(self._queue.get_nowait())
        for job in left:  # threads will not look before the database is back, and nobody waits for the others
            if not isinstance(job, Job) or not job.future.done():
                self._queue.put(job)

    def _refuse(self, error: DatabaseUnavailableError) -> bool:
        """The oldest one; whether it had no answer yet."""
        job = self._asked.popleft()[1]
        if job.future.done():
            return False
        if job.errand is not None:
            job.errand.abandoned = True  # it must not be done after the person was told that it was not
        job.future.set_exception(error)
        return True

    async def close(self) -> None:
        """Finish what waits, and end the threads."""
        self._closing.set()
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            await to_thread(thread.join)
        if self._sweeping is not None:
            self._sweeping.cancel()

    def _work(self, link: Link) -> None:
        runner = Runner(link, self._closing, self._circuit)
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
            self._take_own(jobs, self._limit if job is not None else len(self._own))
            if job is None:
                return jobs, True
            if not isinstance(job, _Wake) and not job.future.done():
                jobs.append(job)
            if len(jobs) >= self._limit:
                return jobs, False
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return jobs, False

    def _take_own(self, jobs: list[Job], limit: int) -> None:
        """One at least, if there is any: each has left one `_WAKE`, so none is forgotten."""
        with contextlib.suppress(IndexError):  # another thread took the last
            for _ in range(max(1, limit - len(jobs))):
                job = self._own.popleft()
                if not job.future.done():
                    jobs.append(job)

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
