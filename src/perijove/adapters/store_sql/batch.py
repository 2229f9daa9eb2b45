"""Run many callers' functions in one transaction: group commit.

Functions run one after the other without savepoints, because a function that fails has nearly always changed nothing (it
raised on what it read). Only if one fails after a change is all rolled back and run again, each function behind a
savepoint: the port allows that, and the common case saves two statements per function.
"""

import threading
from asyncio import Future
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from perijove.adapters.store_sql.circuit import Circuit
from perijove.adapters.store_sql.jitter import apart, retry_after_s
from perijove.adapters.store_sql.link import Link, TransactionLostError
from perijove.adapters.store_sql.tx import SqlTx
from perijove.domain.change import Notice
from perijove.ports.store.errand import Errand
from perijove.ports.store.store import AbandonedError, DatabaseUnavailableError

PATIENCE_S = 8.0
"""How long a transaction is tried again before its caller hears that the database does not answer."""
ALONE_S = 10.0
"""After functions of several transactions wanted the same rows in different orders: how long each gets a transaction of its own, which
holds few rows and so waits in no circle."""
_LOOK_S = 0.1
"""How often a thread that waits for the database looks whether the process ends."""
_PAUSES_S = (0.0, 0.02, 0.1, 0.3, 0.7, 1.0)


class Job:
    """One caller's function, and what came of it."""

    __slots__ = ("errand", "error", "future", "result", "run")

    def __init__(self, run: Callable[[SqlTx], Any], future: "Future[Any]", errand: Errand | None = None) -> None:
        self.run = run
        self.future = future
        self.errand = errand
        self.result: Any = None
        self.error: BaseException | None = None

    @property
    def void(self) -> bool:
        if self.errand is None:
            return False
        self.errand.listen()
        return self.errand.void


class Runner:
    """Runs batches of jobs over one link, in one thread."""

    def __init__(self, link: Link, closing: threading.Event, circuit: Circuit | None = None) -> None:
        self.link = link
        self._circuit = circuit
        self._tx = SqlTx(link)
        self._closing = closing
        self.notices: list[Notice] = []
        self._alone_until = 0.0

    def run(self, jobs: Sequence[Job]) -> list[Notice]:
        """Fill in each job's result or error; returns the notices of what was committed."""
        self.notices = []
        waiting = list(jobs)
        while waiting:
            self.link.busy_since = monotonic()
            waiting = self._patiently(waiting)
        self.link.busy_since = None
        return self.notices

    def _patiently(self, jobs: list[Job]) -> list[Job]:
        """Run the first few, or all, until they are committed or it is time to give up; returns the others."""
        began, tries = monotonic(), 0
        turn = jobs
        while True:
            try:
                self.link.open()
                done = self._transaction(turn[:1] if monotonic() < self._alone_until else turn, safely=False)
                return jobs[done:]
            except TransactionLostError as lost:
                self.link.rollback()
                if lost.contended:
                    self._alone_until = monotonic() + ALONE_S
                tired = monotonic() - began > PATIENCE_S or self._closing.is_set()
                if lost.final or tired:
                    failed = turn[:1] if lost.contended else turn  # the others have not been tried alone
                    _fail(failed, DatabaseUnavailableError(lost.message, lost.hint, retry_after_s=retry_after_s()))
                    return jobs[len(failed) :]
                turn = turn[:1] if tries == 1 else turn  # whatever it is, perhaps it is about one of them
                if not self._await_database(began + PATIENCE_S):
                    self._closing.wait(apart(_PAUSES_S[min(tries, len(_PAUSES_S) - 1)]))
                tries += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, the callers must hear of it
                self.link.rollback()
                _fail(turn, error)
                return jobs[len(turn) :]

    def _await_database(self, until: float) -> bool:
        """Whether it was away, and so waited for."""
        circuit = self._circuit
        if circuit is None or circuit.away is None:
            return False
        self.link.busy_since = None
        while not self._closing.is_set() and monotonic() < until and not circuit.wait(_LOOK_S):
            pass
        self.link.busy_since = monotonic()
        return True

    def _transaction(self, jobs: list[Job], *, safely: bool) -> int:
        link = self.link
        link.begin()
        done = 0
        for job in jobs:
            done += 1
            if not self._one(job, safely=safely):
                link.rollback()
                return self._transaction(jobs, safely=True)
            if link.hurried:
                break
        if any(job.void and job.error is None for job in jobs[:done]):  # given up while the database took its time
            link.rollback()
            return self._transaction(jobs, safely=safely)
        self.notices += link.commit()
        for job in jobs[:done]:
            if job.errand is not None and job.error is None:
                job.errand.begun = True
        return done

    def _one(self, job: Job, *, safely: bool) -> bool:
        """Run a function; False if it left something behind that must be undone with all the rest."""
        link = self.link
        if job.void:
            job.result, job.error = None, AbandonedError("Whoever asked for this is gone.", "Ask again.")
            return True
        link.changed = link.broken = False
        drafts = link.drafts.copy() if safely else link.drafts
        mark = len(drafts)
        if safely:
            link.savepoint()
        job.result = job.error = None
        try:
            job.result = job.run(self._tx)
        except BaseException as error:  # noqa: BLE001 - it is the caller's
            job.error = error
        if link.lost is not None:
            raise link.lost
        if link.broken and job.error is None:
            job.error = RuntimeError("A transaction cannot go on after a statement that failed: let the error out of the function.")
        if job.error is None:
            if safely:
                link.release()
            return True
        if safely:
            link.undo()
            link.drafts = drafts
        elif link.changed or link.broken:
            return False
        else:
            del drafts[mark:]
        return True


def _fail(jobs: Sequence[Job], error: Exception) -> None:
    for job in jobs:
        job.result, job.error = None, error
