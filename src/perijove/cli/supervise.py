"""`perijove up`: hub and proxy, and the gateway if there is one, as child processes, restarted when they die, ended together, and replaced without a gap.

The proxy never dies with the hub: they are separate processes, and people's servers are children of neither. To take up a new version or a
changed configuration, the supervisor becomes the new code (execve(2): the same process, with its children and sockets), which replaces the
children one by one. What can be checked is checked before, by the new code in a process of its own (`up --rehearse`).
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import FrameType

import click

from perijove.cli.asking import Asker, Request, ask, asked, control_path, open_control
from perijove.cli.doors import Door, Doors, wanted
from perijove.cli.handover import SIGNALS, Handover
from perijove.cli.landing import HANDOVER
from perijove.cli.notify import notify
from perijove.cli.parts import Part
from perijove.cli.replacing import END_S, replace
from perijove.cli.run_proxy import proxy_settings
from perijove.config.load import Loaded
from perijove.runtime import prepare
from perijove.web.ending import ASKED

WITHIN_S = 120.0
_REHEARSAL_S = 60.0
_LOOK_S = 0.25
_LOOK_CLOSER_S = 0.02


class Supervisor:
    """`parts`: "hub", "proxy" or both. `handover`: from the code before us, in this same process."""

    def __init__(self, loaded: Loaded, config: Path | None, parts: Sequence[str], handover: Handover | None) -> None:
        """Raises SettingsError if another supervisor runs with the same configuration."""
        self._config = config
        self._names = parts
        self._handover = handover
        self._end_s = END_S + (loaded.settings.hub.drain if "hub" in parts else 0.0)
        self._ending = threading.Event()
        self._signalled = False
        children = _children(loaded, parts)
        self._doors = Doors(_wanted(loaded, parts), handover.sockets if handover is not None else {})
        options = ["--config", str(config)] if config is not None else []
        # The proxy first: it says that the hub is about to come, for as long as that takes.
        self._parts = {name: Part(name, [name, *options], self._doors) for name in ("proxy", "gateway", "hub") if name in children}
        self._path = control_path(loaded, parts)
        self._control = socket.socket(fileno=handover.control) if handover is not None else open_control(self._path)

    def run(self) -> int:
        """Until SIGTERM, SIGINT or SIGHUP; returns the exit code. Raises SettingsError."""
        self._handle_signals()
        code, ready = 0, False
        try:
            if self._handover is not None:
                self._take_over(self._handover)
            while not self._ending.is_set():
                tended = [part.tend() for part in self._parts.values()]
                if not all(tended):
                    code = 1
                    break
                if not ready and all(part.child is not None and part.child.ready for part in self._parts.values()):
                    ready = True
                    notify("READY=1")
                if any(part.ended == ASKED for part in self._parts.values()):
                    break
                self._hear()
                self._ending.wait(_LOOK_S)
        finally:
            self._end()
        return code

    def _handle_signals(self) -> None:
        def end(_number: int, _frame: FrameType | None) -> None:
            self._ending.set()

        def replace_all(_number: int, _frame: FrameType | None) -> None:
            self._signalled = True

        def open_logs(_number: int, _frame: FrameType | None) -> None:
            proxy = self._parts.get("proxy")
            for child in proxy.all() if proxy is not None else ():
                child.send(signal.SIGUSR1)

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, end)
        signal.signal(signal.SIGUSR1, open_logs)
        signal.signal(signal.SIGUSR2, replace_all)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes the wait for the end
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _hear(self) -> None:
        """Does anybody want us replaced?"""
        if self._signalled:
            self._signalled = False
            self._hand_over(Asker(None), Request(sys.executable, None, WITHIN_S))
        found = asked(self._control)
        if found is not None:
            self._hand_over(*found)

    def _hand_over(self, asker: Asker, request: Request) -> None:
        """Become the new code. Comes back if that cannot be."""
        config = request.config or (str(self._config) if self._config is not None else None)
        words = [request.python, "-m", "perijove", "up", *self._names, *(["--config", config] if config else [])]
        handover = Handover(
            parts=[part.handed() for part in self._parts.values()],
            sockets=self._doors.numbers(),
            control=self._control.fileno(),
            within_s=request.within_s,
            asker=asker.connection.fileno() if asker.connection is not None else -1,
        )
        environ = {**os.environ, HANDOVER: handover.text()}
        asker.say("Checking the configuration and the version that is to take over.")
        trouble = _rehearsed([*words, "--rehearse"], environ)
        if trouble:
            asker.say(f"{trouble}\nNothing was changed: what runs goes on.")
            asker.end(1)
            return
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # from here on they wait for the new code
        if self._ending.is_set():  # asked for during the rehearsal
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            asker.say("The supervisor is asked to end.")
            asker.end(1)
            return
        for number in handover.numbers():
            os.set_inheritable(number, True)
        try:
            os.execve(request.python, words, environ)  # noqa: S606 - to become another program is the purpose
        except OSError as error:
            for number in handover.numbers():
                os.set_inheritable(number, False)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            asker.say(f"{request.python} cannot be run: {error.strerror or error}. What runs goes on.")
            asker.end(1)

    def _take_over(self, handover: Handover) -> None:
        """We are the new code: adopt what runs, then replace it."""
        for number in handover.numbers():
            os.set_inheritable(number, False)
        for handed in handover.parts:
            if handed.name in self._parts:
                self._parts[handed.name].adopt(handed)
            elif handed.child is not None:  # the gateway is not enabled any more
                os.kill(handed.child.pid, signal.SIGTERM)
        asker = Asker(socket.socket(fileno=handover.asker) if handover.asker >= 0 else None)
        done = True
        for name in ("hub", "gateway", "proxy"):
            if name in self._parts and done and not self._ending.is_set():
                done = replace(self._parts[name], handover.within_s, asker, partial(self._pause, name))
        if done:
            self._doors.shut_others()
        asker.end(0 if done else 1)

    def _pause(self, name: str) -> bool:
        """While the part `name` is being replaced."""
        for part in self._parts.values():
            if part.name != name:
                part.tend()
        self._ending.wait(_LOOK_CLOSER_S)
        return not self._ending.is_set()

    def _end(self) -> None:
        notify("STOPPING=1")
        click.echo("Ending. People's servers go on running.", err=True)
        children = [child for part in self._parts.values() for child in part.all()]
        for child in children:
            child.send(signal.SIGTERM)
        deadline = time.monotonic() + self._end_s
        for child in children:
            child.end(deadline)
        self._doors.shut()
        self._control.close()
        self._path.unlink(missing_ok=True)


def _children(loaded: Loaded, parts: Sequence[str]) -> tuple[str, ...]:
    """The gateway has its place beside the proxy."""
    return (*parts, "gateway") if "proxy" in parts and loaded.settings.gateway.enabled else tuple(parts)


def _wanted(loaded: Loaded, parts: Sequence[str]) -> list[Door]:
    return wanted(loaded, _children(loaded, parts), proxy_settings(loaded))


def _rehearsed(words: Sequence[str], environ: dict[str, str]) -> str:
    """What is wrong, in the words of whoever is to take over; "" if nothing."""
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            words, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_REHEARSAL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{words[0]} cannot be tried: {error}"
    return "" if done.returncode == 0 else (done.stderr.strip() or done.stdout.strip() or f"It ended with code {done.returncode}.")


def rehearse(loaded: Loaded, parts: Sequence[str], handover: Handover | None) -> None:
    """Whether we could take over, without doing anything. Raises SettingsError."""
    known = handover.sockets if handover is not None else {}
    for door in _wanted(loaded, parts):
        if door.key not in known:
            tried = door.bound()
            for sock in tried:
                sock.close()
            if door.path:
                Path(door.path).unlink(missing_ok=True)


def supervise(loaded: Loaded, config: Path | None, parts: Sequence[str], handover: Handover | None = None) -> int:
    """Run until SIGTERM, SIGINT or SIGHUP; returns the exit code. Raises SettingsError."""
    prepare(loaded)
    return Supervisor(loaded, config, parts, handover).run()


def ask_for_replacement(loaded: Loaded, config: Path | None, parts: Sequence[str], within_s: float) -> int:
    """Have the running `perijove up` replaced by this installation; returns the exit code. Raises SettingsError."""
    return ask(control_path(loaded, parts), Request(sys.executable, str(config.absolute()) if config is not None else None, within_s))
