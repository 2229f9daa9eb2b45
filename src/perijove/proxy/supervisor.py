"""The proxy as processes: workers on one port, and a parent that replaces those that die."""

import asyncio
import contextlib
import gc
import logging
import os
import resource
import select
import signal
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import uvloop

from perijove.proxy.listening import bind_tcp, listen_unix
from perijove.proxy.logs import set_up_logs
from perijove.proxy.settings import ProxySettings
from perijove.proxy.stats import Board
from perijove.proxy.worker import Worker

_log = logging.getLogger("perijove.proxy")
_SIGNALS: Final = frozenset({signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
_STEADY_S: Final = 5.0
_MAX_PAUSE_S: Final = 5.0
_START_S: Final = 30.0


def run(settings: ProxySettings, ready: Callable[[str], None] | None = None) -> int:
    """Run the proxy until SIGTERM or SIGINT; SIGHUP reads the certificate again. Returns the exit code.

    For the main thread of a process of its own. `ready` is called once every worker serves, with the address people can type
    ("http://127.0.0.1:8000", or "unix:/path").
    """
    set_up_logs(settings.log_level, settings.log_format)
    _raise_open_files()
    try:
        with contextlib.ExitStack() as stack:
            listeners = _listen(settings, stack)
            Worker(settings, board=Board(1))  # its complaints belong here, once, rather than into every worker
            return _Supervisor(settings, listeners).run(ready)
    except (OSError, ssl.SSLError, ValueError) as error:
        _log.critical("the proxy cannot start: %s", error)
        return 1


class _Listeners:
    """Where the workers listen. TCP ports are held bound, without listening, so that they stay ours while a worker is replaced."""

    def __init__(self) -> None:
        self.public: list[socket.socket] = []
        self.admin: list[socket.socket] = []

    def for_worker(self) -> tuple[list[socket.socket], list[socket.socket]]:
        return _own(self.public), _own(self.admin)

    def address(self, tls: bool) -> str:
        sock = self.public[0]
        if sock.family == socket.AF_UNIX:
            return f"unix:{sock.getsockname()}"
        host, port = sock.getsockname()[:2]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
        return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def _listen(settings: ProxySettings, stack: contextlib.ExitStack) -> _Listeners:
    listeners = _Listeners()
    if settings.unix_path:
        listeners.public = [listen_unix(settings.unix_path)]
        stack.callback(_unlink, settings.unix_path, os.getpid())
    else:
        listeners.public = bind_tcp(settings.host, settings.port)
    if settings.admin_unix_path:
        listeners.admin = [listen_unix(settings.admin_unix_path)]
        stack.callback(_unlink, settings.admin_unix_path, os.getpid())
    elif settings.admin_port is not None:
        listeners.admin = bind_tcp(settings.admin_host, settings.admin_port)
    for sock in listeners.public + listeners.admin:
        stack.callback(sock.close)
    return listeners


def _own(sockets: list[socket.socket]) -> list[socket.socket]:
    """A worker's own sockets at the same addresses: the kernel spreads connections over them."""
    own: list[socket.socket] = []
    for sock in sockets:
        if sock.family == socket.AF_UNIX:
            own.append(sock.dup())
        else:
            host, port = sock.getsockname()[:2]
            own += bind_tcp(host, port)
    return own


class _Supervisor:
    def __init__(self, settings: ProxySettings, listeners: _Listeners) -> None:
        self._settings = settings
        self._listeners = listeners
        self._board = Board(settings.workers)
        self._id = f"{socket.gethostname()}-{os.getpid()}"
        self._workers: dict[int, tuple[int, float]] = {}
        """pid -> (index, when it began)"""
        self._due: dict[int, float] = {}
        """index -> when to start it again"""
        self._pause_s = 0.0
        self._life = os.pipe()
        """Nobody writes: its end tells the workers that their parent is gone."""
        self._ready = os.pipe()

    def run(self, ready: Callable[[str], None] | None) -> int:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            for index in range(self._settings.workers):
                self._start(index)
            if not self._all_ready():
                return 1
            _log.info("listening at %s with %d worker(s)", self._listeners.address(bool(self._settings.tls_cert)), self._settings.workers)
            if ready is not None:
                ready(self._listeners.address(bool(self._settings.tls_cert)))
            self._tend()
            return 0
        finally:
            self._end()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _start(self, index: int) -> None:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.close(self._life[1])
                code = _work(self._settings, index, self._board, f"{self._id}-{index}", self._listeners, self._life[0], self._ready[1])
            except BaseException:  # noqa: BLE001 - nothing may pass: above is the parent's code
                _log.critical("a worker of the proxy failed", exc_info=True)
            finally:
                logging.shutdown()
                os._exit(code)
        self._workers[pid] = (index, time.monotonic())

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
            wait_s = max(0.0, min(self._due.values()) - time.monotonic()) if self._due else 3600.0
            info = signal.sigtimedwait(_SIGNALS, wait_s)
            if info is not None and info.si_signo in {signal.SIGTERM, signal.SIGINT}:
                return
            if info is not None and info.si_signo == signal.SIGHUP:
                self._signal(signal.SIGHUP)
            for index, code, lived_s in self._reap():
                # Those that die young wait longer each time, or a broken machine would do nothing but fork.
                self._pause_s = 0.0 if lived_s > _STEADY_S else min(_MAX_PAUSE_S, max(0.05, self._pause_s * 2))
                self._due[index] = time.monotonic() + self._pause_s
                _log.error("worker %d ended with code %d after %.1f s; starting it again in %.2f s", index, code, lived_s, self._pause_s)
            for index, due in tuple(self._due.items()):
                if due <= time.monotonic():
                    del self._due[index]
                    self._start(index)

    def _reap(self) -> list[tuple[int, int, float]]:
        """(index, exit code, seconds it lived) of workers that have ended."""
        ended = []
        for pid in tuple(self._workers):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                index, began = self._workers.pop(pid)
                ended.append((index, os.waitstatus_to_exitcode(status), time.monotonic() - began))
        return ended

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _end(self) -> None:
        limits = self._settings.limits
        deadline = time.monotonic() + max(limits.drain_s, limits.drain_tunnels_s) + 3.0
        self._signal(signal.SIGTERM)
        while self._workers and time.monotonic() < deadline:
            signal.sigtimedwait({signal.SIGCHLD}, 0.2)
            self._reap()
        self._signal(signal.SIGKILL)
        for pid in self._workers:
            os.waitpid(pid, 0)
        for end in (*self._life, *self._ready):
            os.close(end)


def _work(settings: ProxySettings, index: int, board: Board, proxy_id: str, listeners: _Listeners, life: int, ready: int) -> int:
    """The life of a worker, in its own process."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)

    async def serve() -> int:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        worker = Worker(settings, index=index, board=board, proxy_id=proxy_id)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, worker.reload_certificate)
        loop.add_reader(life, stop.set)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        await worker.start(*listeners.for_worker())
        # Tens of thousands of routes live as long as we do: looking through them for garbage would only stall requests.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 100)
        os.write(ready, b"1")
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(stop.wait()), group.create_task(worker.failed.wait())]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
        loop.remove_reader(life)
        await worker.drain()
        return 1 if worker.failed.is_set() else 0

    return uvloop.run(serve())


def _raise_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _unlink(path: str, owner: int) -> None:
    if os.getpid() == owner:
        Path(path).unlink(missing_ok=True)
