"""The proxy as processes: workers on one port, and a parent that replaces those that die or are to give way."""

import contextlib
import logging
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from perijove.proxy.certificates import Certificates
from perijove.proxy.listening import Listeners
from perijove.proxy.logs import set_up_logs
from perijove.proxy.settings import ProxySettings
from perijove.proxy.stats import Board
from perijove.proxy.worker import Worker
from perijove.proxy.workerprocess import SIGNALS, Post, work

_log = logging.getLogger("perijove.proxy")
_STEADY_S: Final = 1.0
_MAX_PAUSE_S: Final = 5.0
_START_S: Final = 30.0
_COMPANION: Final = -1
"""In the place of a worker's index."""
_ROWS_EACH: Final = 4
"""A worker, and up to three before it that still have upgraded connections."""


class Companion(Protocol):
    """One more process beside the workers, replaced when it dies, ended after them."""

    def work(self, board: Board, life: int) -> int:
        """In a process of its own, until SIGTERM or the end of the descriptor `life`. Returns the exit code."""

    def close(self) -> None:
        """In any other process: what was opened for it is not needed there."""


def run(
    settings: ProxySettings,
    ready: Callable[[str], None] | None = None,
    companion: Companion | None = None,
    sockets: Mapping[str, Sequence[socket.socket]] | None = None,
) -> int:
    """Run the proxy until SIGTERM or SIGINT; SIGHUP reads the certificates again, SIGUSR1 opens the access log
    again, SIGUSR2 replaces the workers one by one, SIGQUIT takes no more and ends with the last upgraded connection. Returns the exit code.

    For the main thread of a process of its own. `ready` is called once every worker serves, with the address people can type
    ("http://127.0.0.1:8000", or "unix:/path"). `sockets`: bound ones, in place of those that the settings name (see Listeners.adopt).
    """
    set_up_logs(settings.log_level, settings.log_format)
    _raise_open_files()
    if not settings.upstream_verify and settings.chp is None:
        _log.warning("upstream_verify is off: whoever is between this proxy and https servers or hubs can read and change everything")
    try:
        with contextlib.ExitStack() as stack:
            listeners = _listen(settings, stack, sockets)
            trial = Worker(settings, board=Board(1))  # its complaints belong here, once, rather than into every worker
            return _Supervisor(settings, listeners, companion, trial.certificates).run(ready)
    except (OSError, ValueError) as error:
        _log.critical("the proxy cannot start: %s", error)
        return 1


def _listen(settings: ProxySettings, stack: contextlib.ExitStack, sockets: Mapping[str, Sequence[socket.socket]] | None) -> Listeners:
    listeners = Listeners(settings.workers)
    stack.callback(listeners.close)
    if sockets is not None:
        listeners.adopt(sockets)
        return listeners
    if settings.unix_path:
        listeners.listen_unix(listeners.public, settings.unix_path)
        stack.callback(_unlink, settings.unix_path, os.getpid())
    else:
        listeners.listen(listeners.public, settings.host, settings.port)
    if settings.redirect_port is not None:
        listeners.listen(listeners.plain, settings.redirect_host, settings.redirect_port)
    if settings.admin_unix_path:
        listeners.listen_unix(listeners.admin, settings.admin_unix_path)
        stack.callback(_unlink, settings.admin_unix_path, os.getpid())
    elif settings.admin_port is not None:
        listeners.listen(listeners.admin, settings.admin_host, settings.admin_port)
    return listeners


@dataclass(slots=True)
class _Running:
    """A worker's process."""

    pid: int
    index: int
    row: int
    began: float
    retired: bool = False


class _Supervisor:
    def __init__(self, settings: ProxySettings, listeners: Listeners, companion: Companion | None, certificates: Certificates | None) -> None:
        self._settings = settings
        self._certificates = certificates
        self._companion = companion
        self._listeners = listeners
        self._board = Board(settings.workers * _ROWS_EACH)
        self._id = f"{socket.gethostname()}-{os.getpid()}"
        self._workers: list[_Running] = []
        """The oldest first."""
        self._due: dict[int, float] = {}
        """index -> when to start it again"""
        self._pause_s = 0.0
        self._replacing: list[int] = []
        """Indexes of workers that are still to give way to new ones."""
        self._coming: _Running | None = None
        """The one that takes over, until it serves."""
        self._life = os.pipe()
        """Nobody writes: its end tells the workers that their parent is gone."""
        self._ready = os.pipe()

    def run(self, ready: Callable[[str], None] | None) -> int:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            if self._companion is not None:
                self._start(_COMPANION)
            for index in range(self._settings.workers):
                self._start(index)
            if not self._all_ready():
                return 1
            address = self._listeners.address(self._certificates is not None)
            _log.info("listening at %s with %d worker(s)", address, self._settings.workers)
            if ready is not None:
                ready(address)
            self._tend()
            return 0
        finally:
            self._end()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _start(self, index: int) -> _Running:
        row = self._free_row() if index != _COMPANION else -1
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.close(self._life[1])
                code = self._work(index, row)
            except BaseException:  # noqa: BLE001 - nothing may pass: above is the parent's code
                _log.critical("a worker of the proxy failed", exc_info=True)
            finally:
                logging.shutdown()
                os._exit(code)
        started = _Running(pid, index, row, time.monotonic())
        self._workers.append(started)
        return started

    def _work(self, index: int, row: int) -> int:
        """In the new process."""
        if self._companion is not None:
            if index == _COMPANION:
                self._listeners.close()
                for number in SIGNALS:
                    signal.signal(number, signal.SIG_DFL)
                return self._companion.work(self._board, self._life[0])
            self._companion.close()
        # The same id for whoever takes a dead worker's row: hubs must not wait for the dead one.
        return work(
            Post(self._settings, index, row, self._board, f"{self._id}-{row}", self._listeners, self._life[0], self._ready[1], self._certificates)
        )

    def _free_row(self) -> int:
        """If all are taken, the oldest that has retired has had its time."""
        while True:
            taken = {worker.row for worker in self._workers}
            for row in range(self._board.size):
                if row not in taken:
                    return row
            oldest = next(worker for worker in self._workers if worker.retired)
            _log.warning("ending a retired worker and its upgraded connections: too many were replaced since")
            os.kill(oldest.pid, signal.SIGKILL)
            os.waitpid(oldest.pid, 0)
            self._gone(oldest)

    def _all_ready(self) -> bool:
        deadline = time.monotonic() + _START_S
        for _ in range(self._settings.workers):
            while not select.select([self._ready[0]], [], [], 0.2)[0]:
                if self._reap() or time.monotonic() > deadline:
                    _log.critical("the proxy cannot start: a worker ended or hangs; what it logged says why")
                    return False
            os.read(self._ready[0], 1)
        return True

    def _tend(self) -> None:
        while True:
            info = signal.sigtimedwait(SIGNALS, self._wait_s())
            number = info.si_signo if info is not None else None
            if number in {signal.SIGTERM, signal.SIGINT}:
                return
            if number == signal.SIGQUIT:
                self._retire_all()
                return
            if number in {signal.SIGHUP, signal.SIGUSR1}:
                self._signal(signal.Signals(number))
            elif number == signal.SIGUSR2:
                _log.info("replacing the workers one by one")
                if self._certificates is not None:
                    self._certificates.renew_tickets()
                self._replacing = list(range(self._settings.workers))
            for worker, code in self._reap():
                self._mourn(worker, code)
            for index, due in tuple(self._due.items()):
                if due <= time.monotonic():
                    del self._due[index]
                    self._start(index)
            self._replace()

    def _wait_s(self) -> float:
        if self._coming is not None:
            return 0.02
        return max(0.0, min(self._due.values()) - time.monotonic()) if self._due else 3600.0

    def _mourn(self, worker: _Running, code: int) -> None:
        lived_s = time.monotonic() - worker.began
        if worker.retired:
            _log.info("a retired worker ended after %.0f s", lived_s)
            return
        if worker is self._coming:
            _log.error("the new worker %d ended with code %d before it served: the workers before go on", worker.index, code)
            self._coming, self._replacing = None, []
            if any(other.index == worker.index and not other.retired for other in self._workers):
                return
        elif self._coming is not None and self._coming.index == worker.index:
            return  # its successor is on the way
        # Those that die young wait longer each time, or a broken machine would do nothing but fork.
        self._pause_s = 0.0 if lived_s > _STEADY_S else min(_MAX_PAUSE_S, max(0.05, self._pause_s * 2))
        self._due[worker.index] = time.monotonic() + self._pause_s
        name = "the keeper of the routes" if worker.index == _COMPANION else f"worker {worker.index}"
        _log.error("%s ended with code %d after %.1f s; starting it again in %.2f s", name, code, lived_s, self._pause_s)

    def _replace(self) -> None:
        """One at a time: the new worker serves beside the old one before that takes no more."""
        while select.select([self._ready[0]], [], [], 0)[0]:
            row = os.read(self._ready[0], 1)[0]
            if self._coming is not None and self._coming.row == row:
                self._retire_before(self._coming)
                self._coming = None
        if self._coming is None and self._replacing:
            self._coming = self._start(self._replacing.pop(0))
        elif self._coming is not None and time.monotonic() - self._coming.began > _START_S:
            _log.error("the new worker %d does not serve in time: the workers before go on", self._coming.index)
            os.kill(self._coming.pid, signal.SIGKILL)

    def _retire_before(self, successor: _Running) -> None:
        for worker in self._workers:
            if worker.index == successor.index and worker is not successor and not worker.retired:
                worker.retired = True
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGUSR2)

    def _retire_all(self) -> None:
        """Until the last worker has ended, or somebody asks for the end."""
        _log.info("taking no more connections; upgraded ones go on for up to %.0f s", self._settings.limits.retire_tunnels_s)
        self._listeners.close()
        for worker in self._workers:
            if worker.index != _COMPANION and not worker.retired:
                worker.retired = True
                self._send(worker, signal.SIGUSR2)
        while any(worker.index != _COMPANION for worker in self._workers):
            info = signal.sigtimedwait(SIGNALS, 3600.0)
            if info is not None and info.si_signo in {signal.SIGTERM, signal.SIGINT}:
                return
            for _, code in self._reap():
                _log.info("a retired worker ended with code %d", code)

    def _reap(self) -> list[tuple[_Running, int]]:
        """Workers that have ended, with their exit codes."""
        ended = []
        for worker in tuple(self._workers):
            done, status = os.waitpid(worker.pid, os.WNOHANG)
            if done:
                self._gone(worker)
                ended.append((worker, os.waitstatus_to_exitcode(status)))
        return ended

    def _gone(self, worker: _Running) -> None:
        self._workers.remove(worker)
        if worker.index != _COMPANION:
            self._board.bury(worker.row)

    def _signal(self, number: signal.Signals) -> None:
        for worker in self._workers:
            if worker.index != _COMPANION:
                self._send(worker, number)

    def _send(self, worker: _Running, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, number)

    def _end(self) -> None:
        limits = self._settings.limits
        deadline = time.monotonic() + max(limits.drain_s, limits.drain_tunnels_s) + 3.0
        self._signal(signal.SIGTERM)
        self._listeners.close()
        while self._workers and time.monotonic() < deadline:
            if all(worker.index == _COMPANION for worker in self._workers):
                self._send(self._workers[0], signal.SIGTERM)
            signal.sigtimedwait({signal.SIGCHLD}, 0.2)
            self._reap()
        for worker in self._workers:
            self._send(worker, signal.SIGKILL)
        for worker in self._workers:
            os.waitpid(worker.pid, 0)
        for end in (*self._life, *self._ready):
            os.close(end)


def _raise_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _unlink(path: str, owner: int) -> None:
    if os.getpid() == owner:
        Path(path).unlink(missing_ok=True)
