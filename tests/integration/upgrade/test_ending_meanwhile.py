"""Whoever wants the end in the middle of a replacement gets the end, and all of it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.upgrade.place import NOTHING, SETTINGS
from tests.running.perijove import perijove, until


def _of(config: Path) -> list[str]:
    """Processes that were started with this configuration."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int(entry.name) != os.getpid() and os.fsencode(config) in (entry / "cmdline").read_bytes():
                found.append((entry / "cmdline").read_text())
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("moment", "number", "code"),
    [("Checking", signal.SIGTERM, 0), ("lets go", signal.SIGTERM, 0), ("lets go", signal.SIGKILL, -signal.SIGKILL)],
)
def test_nothing_is_left(moment: str, number: signal.Signals, code: int) -> None:
    with perijove(SETTINGS + NOTHING) as running:
        words = [sys.executable, "-m", "perijove", "up", "--replace", "--config", str(running.config)]
        with subprocess.Popen(words, stderr=subprocess.DEVNULL) as asker:
            until(lambda: moment in running.output, what=f"the moment in:\n{running.output}", pause_s=0.005)
            running.process.send_signal(number)
            assert running.process.wait(15) == code, running.output
            assert asker.wait(30) == 1
        until(lambda: not _of(running.config), what=f"the end of {_of(running.config)}", within_s=15)
