"""The child processes of `perijove up`, also those that the code before us started."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from perijove.cli.notify import NOTIFY_SOCKET
from perijove.cli.supervised import SUPERVISED
from perijove.web.relief import FAILED, READY, WAITS


class Child:
    """A process, and a pair of sockets between us and it (web/relief.py)."""

    def __init__(self, pid: int, channel: socket.socket, began: float) -> None:
        """`began`: by the monotonic clock, which goes on when we become another program."""
        self.pid = pid
        self.channel = channel
        self.began = began
        self.code: int | None = None
        self.ready = False
        self.waits = False
        self._heard = b""
        channel.setblocking(False)

    @classmethod
    def start(cls, words: Sequence[str], sockets: Mapping[str, Sequence[int]], *, succeeds: bool = False) -> "Child":
        """`perijove WORDS`; `succeeds`: in the place of another. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            own = {name: list(numbers) for name, numbers in sockets.items()}
            orders = {"parent": os.getpid(), "channel": theirs.fileno(), "succeeds": succeeds, "sockets": own}
            process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "perijove", *words],
                env={**{name: value for name, value in os.environ.items() if name != NOTIFY_SOCKET}, SUPERVISED: json.dumps(orders)},
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(theirs.fileno(), *(number for numbers in sockets.values() for number in numbers)),
            )
        process.returncode = 0  # waited for by its id below, as are those that we did not start ourselves
        return cls(process.pid, ours, time.monotonic())

    def poll(self) -> int | None:
        """The exit code (negative: the signal), or None while it runs."""
        if self.code is None:
            self.hear()
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.hear()
                self.code = os.waitstatus_to_exitcode(status)
                self.channel.close()
        return self.code

    def hear(self) -> None:
        """What it says of itself."""
        with suppress(OSError):
            while said := self.channel.recv(4096):
                self._heard += said
        states = self._heard.partition(FAILED)[0]
        self.ready, self.waits = self.ready or READY in states, WAITS in states

    @property
    def trouble(self) -> str:
        """Why it ended, in its own words."""
        return self._heard.partition(FAILED)[2].decode(errors="replace").strip()

    def tell(self, word: bytes) -> None:
        with suppress(OSError):
            self.channel.send(word)

    def send(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        while self.poll() is None:
            time.sleep(0.01)

    def end(self, deadline: float) -> None:
        """It was asked to: wait for it, and use force after `deadline` (monotonic)."""
        while self.poll() is None:
            if time.monotonic() > deadline:
                self.kill()
            time.sleep(0.02)
