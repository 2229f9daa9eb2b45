"""`perijove up`: hub and proxy as child processes, restarted when they die, ended together.

The proxy never dies with the hub: they are separate processes, and people's servers are children of neither.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

import click

from perijove.config.load import Loaded
from perijove.runtime import prepare
from perijove.web.ending import ASKED, ASKED_HUB_ALONE

SUPERVISED = "PERIJOVE_SUPERVISED"
_PR_SET_PDEATHSIG = 1
_FIRST_S = 15.0
_STEADY_S = 30.0
_MAX_PAUSE_S = 30.0
_END_S = 30.0


def end_with_parent() -> None:
    """In a child of `up`: ask the kernel for SIGTERM should the supervisor die, however it dies (prctl(2))."""
    parent = os.environ.pop(SUPERVISED, "")
    if not parent or sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(parent):  # it died before we asked
        os.kill(os.getpid(), signal.SIGTERM)


class _Child:
    """One child process: started, restarted with growing pauses when it dies early and often."""

    def __init__(self, name: str, config: Path | None) -> None:
        self.name = name
        self._command = [sys.executable, "-m", "perijove", name, *(["--config", str(config)] if config else [])]
        self._pause_s = 0.5
        self._again_at = 0.0
        self._began = 0.0
        self._lived = False
        self.process: subprocess.Popen[bytes] | None = None
        self.ended: int | None = None
        """The exit code of a child that is not to be started again, because somebody asked for its end."""

    def tend(self) -> bool:
        """Start it if it is due. False when it ended by itself with an error of configuration at its very first start."""
        now = time.monotonic()
        if self.ended is not None:
            return True
        if self.process is not None:
            code = self.process.poll()
            if code is None:
                self._lived = self._lived or now - self._began > _FIRST_S
                return True
            if not self._lived and code == 1 and now - self._began < _FIRST_S:
                return False
            if code in {ASKED, ASKED_HUB_ALONE}:
                self.ended = code
                return True
            self._lived = True
            if now - self._began > _STEADY_S:
                self._pause_s = 0.5
            click.secho(f"The {self.name} ended with code {code}; starting it again in {self._pause_s:.1f} s.", fg="yellow", err=True)
            self.process, self._again_at = None, now + self._pause_s
            self._pause_s = min(_MAX_PAUSE_S, self._pause_s * 2)
        if now >= self._again_at:
            self._began = now
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                self._command, env={**os.environ, SUPERVISED: str(os.getpid())}, stdin=subprocess.DEVNULL, start_new_session=True
            )
        return True

    def pass_on(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def end(self, deadline: float) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def supervise(loaded: Loaded, config: Path | None) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code."""
    prepare(loaded)
    ending = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        ending.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, on_signal)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes the wait below
    children = [_Child("proxy", config), _Child("hub", config)]
    signal.signal(signal.SIGUSR1, lambda *_: children[0].pass_on(signal.SIGUSR1))  # it opens its access log again
    code = 0
    while not ending.is_set():
        if not all(child.tend() for child in children):
            code = 1
            break
        if any(child.ended == ASKED for child in children):
            break
        ending.wait(0.25)
    click.echo("Ending. People's servers go on running.", err=True)
    for child in children:
        if child.process is not None and child.process.poll() is None:
            child.process.terminate()
    deadline = time.monotonic() + _END_S
    for child in children:
        child.end(deadline)
    return code
