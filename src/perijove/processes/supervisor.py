"""Stays beside one server as its parent. A program of its own, for `python -I -S`, and as small as Python gets.

What is called the server here may be a managed service as well. Arguments: the server's pid, the descriptor its output comes from,
run folder, log file, log size, file of out-of-memory kills, lifeline, "append" to go on with the log instead of beginning it anew.
The lifeline is a FIFO that the hub holds open for writing, for what must not outlive it: when it closes, however the hub
ended, the server is asked to end, and forced after a while.
SIGTERM asks the server to end; SIGUSR1 ends it and all it ever started. When the server has ended, what it left behind is ended too.
Imports are few on purpose: every server pays for them.
"""

import fcntl
import os
import select
import signal
import sys
import time

_PATIENCE_S = 2.0
"""What a server leaves behind has so long to end by itself."""
_HOPELESS_S = 10.0
"""After this a process that resists SIGKILL (it hangs in the kernel) is given up."""
_ORPHAN_GRACE_S = 5.0
"""How long a server may take to end when the hub that it must not outlive is gone."""
_CHUNK = 65536
_BREATH_S = 0.01
"""After a full chunk: so a server that floods its log is slowed to some megabytes a second, instead of using a core of ours."""

_HUB_GONE = 0
"""Among what was asked, which is else signals."""
_asked: set[int] = set()


class Log:
    """The server's output in one file of bounded size and one older one. A full disk loses output, never the server."""

    def __init__(self, path: str, limit: int, append: bool) -> None:
        self._path = path
        self._limit = limit
        self._file = -1
        self._size = 0
        self._open(append)

    def _open(self, append: bool) -> None:
        self._size = 0
        try:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1
            if not append and os.path.exists(self._path):
                os.replace(self._path, self._path + ".1")
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
            self._size = os.fstat(self._file).st_size
        except OSError:
            pass

    def write(self, text: bytes) -> None:
        if self._size and self._size + len(text) > self._limit:
            self._open(False)  # before, not after: what was written last is always in the file that people are shown the end of
        try:
            self._size += os.write(self._file, text)
        except OSError:
            pass


def main() -> None:
    server, output = int(sys.argv[1]), int(sys.argv[2])
    folder, oom_file = sys.argv[3], sys.argv[6]
    log = Log(sys.argv[4], int(sys.argv[5]), sys.argv[8] == "append")
    _guard(folder)
    wake_read, wake_write = os.pipe()
    for descriptor in (wake_read, wake_write, output):
        os.set_blocking(descriptor, False)
        os.set_inheritable(descriptor, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, _note)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    events = select.poll()
    events.register(wake_read, select.POLLIN)
    events.register(output, select.POLLIN)
    lifeline = _lifeline(sys.argv[7], events)
    status = _watch(server, output, (wake_read, lifeline), events, log)
    code = os.waitstatus_to_exitcode(status)
    _last_words(output, log)  # before the ending is known: whoever learns of it looks into the log at once
    _record(folder, code, _killed_for_memory(oom_file))
    _end_the_rest()
    _last_words(output, log)


def _guard(folder: str) -> None:
    """Hold a lock for as long as we live: systemd-tmpfiles, which clears old files from /tmp, passes by folders that are locked."""
    try:
        fcntl.flock(os.open(folder, os.O_RDONLY | os.O_DIRECTORY), fcntl.LOCK_SH)
    except OSError:
        pass


def _lifeline(path: str, events: select.poll) -> int:
    """Follow the hub's life, if it is ours too. -1: it is not."""
    if not path:
        return -1
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        os.set_inheritable(descriptor, False)
        events.register(descriptor, select.POLLIN)
        try:
            if os.read(descriptor, 1) == b"":  # poll tells only of writers that go, not that there were none
                _asked.add(_HUB_GONE)
        except BlockingIOError:
            pass
    except OSError:  # the hub that made it has gone, and another has tidied up
        _asked.add(_HUB_GONE)
        return -1
    return descriptor


def _watch(server: int, output: int, others: tuple[int, int], events: select.poll, log: Log) -> int:
    wake, lifeline = others
    deadline = 0.0
    while True:
        # before waiting, too: the server may have ended before there was a handler
        if (status := _reap(server)) is not None:
            return status
        if _HUB_GONE in _asked and not deadline:
            deadline = time.monotonic() + _ORPHAN_GRACE_S
            _asked.add(signal.SIGTERM)
        elif deadline and time.monotonic() > deadline:
            _asked.add(signal.SIGUSR1)
        for descriptor, _ in events.poll(0 if signal.SIGTERM in _asked else 100 if deadline else None):
            if descriptor == wake:
                os.read(wake, 512)
            elif descriptor == lifeline:
                events.unregister(lifeline)
                _asked.add(_HUB_GONE)
            elif not _pass_on(output, log):
                events.unregister(output)
        if signal.SIGUSR1 in _asked:
            _signal_group(server, signal.SIGKILL)
            _signal_all(signal.SIGKILL)
        elif signal.SIGTERM in _asked:
            _asked.discard(signal.SIGTERM)
            _signal_group(server, signal.SIGTERM)


def _note(number: int, _frame: object) -> None:
    _asked.add(number)


def _pass_on(output: int, log: Log) -> bool:
    """Bring output to the log. False: nobody is left to write any."""
    try:
        text = os.read(output, _CHUNK)
    except BlockingIOError:
        return True
    log.write(text)
    if len(text) == _CHUNK:
        time.sleep(_BREATH_S)
    return bool(text)


def _last_words(output: int, log: Log) -> None:
    """What is in the pipe still; bounded, for a process that could not be ended may be writing on."""
    for _ in range(32):
        try:
            text = os.read(output, _CHUNK)
        except BlockingIOError:
            return
        if not text:
            return
        log.write(text)


def _reap(server: int) -> int | None:
    """Collect the dead; the server's wait status if it is among them."""
    ended = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        if pid == server:
            ended = status


def _signal_group(leader: int, number: int) -> None:
    """The leader is our child and not collected yet, so its number is nobody else's."""
    try:
        os.killpg(leader, number)
    except OSError:
        try:
            os.kill(leader, number)  # it has not come to make its group yet, or has left it
        except OSError:
            pass


def _end_the_rest() -> None:
    """Kernels, terminals and whatever else the server started, in whichever group or session."""
    started = time.monotonic()
    _signal_all(signal.SIGTERM)
    while _descendants() and (waited := time.monotonic() - started) < _HOPELESS_S:
        if waited > _PATIENCE_S or signal.SIGUSR1 in _asked:
            _signal_all(signal.SIGKILL)
        time.sleep(0.02)
        _reap(0)


def _signal_all(number: int) -> None:
    for pid in _descendants():
        try:
            os.kill(pid, number)
        except OSError:
            pass


def _descendants() -> list[int]:
    """All living processes below us. Orphans among them are ours, because we are a subreaper."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                descriptor = os.open("/proc/" + name + "/stat", os.O_RDONLY)
            except OSError:
                continue
            try:
                text = os.read(descriptor, 4096)
            except OSError:
                continue
            finally:
                os.close(descriptor)
            state, parent = text[text.rfind(b")") + 2 :].split(None, 2)[:2]
            if state not in {b"Z", b"X"}:
                children.setdefault(int(parent), []).append(int(name))
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _killed_for_memory(file: str) -> bool:
    """Whether the kernel killed anything of this server for want of memory."""
    if not file:
        return False
    try:
        with open(file, "rb") as lines:
            return any(line.split()[0] == b"oom_kill" and int(line.split()[1]) > 0 for line in lines)
    except OSError:
        return False


def _record(folder: str, code: int, out_of_memory: bool) -> None:
    try:
        draft = folder + "/exit.new"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        os.write(descriptor, (str(code) + (" 1" if out_of_memory else " 0")).encode())
        os.close(descriptor)
        os.replace(draft, folder + "/exit")
    except OSError:
        pass  # a full disk: that it ended is seen all the same


if __name__ == "__main__":
    main()
