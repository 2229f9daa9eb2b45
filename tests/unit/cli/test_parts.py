"""A part that dies: started again, or the reason for everything to end."""

import os
import signal
import socket
import subprocess
import time

import pytest

from perijove.cli.children import Child
from perijove.cli.doors import Doors
from perijove.cli.parts import Part
from perijove.web.relief import READY


def ended(code: int, *, ready: bool) -> Child:
    """One that has come up, or not, and has ended."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(["/bin/sh", "-c", f"exit {code}" if code >= 0 else f"kill {code} $$"])
        if ready:
            theirs.send(READY)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    process.returncode = 0
    return Child(process.pid, ours, time.monotonic())


def part(child: Child) -> Part:
    found = Part("hub", ["--version"], Doors([], {}))
    found.child = child
    return found


def test_one_that_cannot_use_its_configuration_ends_everything() -> None:
    assert not part(ended(1, ready=False)).tend()


@pytest.mark.parametrize(("code", "ready"), [(1, True), (-signal.SIGKILL, True), (-signal.SIGKILL, False), (3, False)])
def test_one_that_dies_otherwise_is_started_again(code: int, ready: bool) -> None:
    dead = part(ended(code, ready=ready))
    assert dead.tend()
    assert dead.child is None


def test_one_that_had_come_up_is_missed_for_seconds_at_most(capsys: pytest.CaptureFixture[str]) -> None:
    dying = Part("hub", ["--version"], Doors([], {}))
    for _ in range(8):
        dying.child = ended(-signal.SIGKILL, ready=True)
        assert dying.tend()
    pauses = [line.rpartition(" in ")[2] for line in capsys.readouterr().err.splitlines()]
    assert pauses == ["0.5 s.", "1.0 s.", "2.0 s.", "4.0 s.", "4.0 s.", "4.0 s.", "4.0 s.", "4.0 s."]


def test_one_that_never_comes_up_is_tried_seldom(capsys: pytest.CaptureFixture[str]) -> None:
    dying = Part("hub", ["--version"], Doors([], {}))
    for _ in range(8):
        dying.child = ended(-signal.SIGKILL, ready=False)
        assert dying.tend()
    assert capsys.readouterr().err.endswith(" in 30.0 s.\n")
