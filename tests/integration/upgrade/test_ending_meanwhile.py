"""Whoever wants the end in the middle of a replacement gets the end, and all of it."""

import os
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


@pytest.mark.parametrize("moment", ["Checking", "lets go"])
def test_nothing_is_left(moment: str) -> None:
    with perijove(SETTINGS + NOTHING) as running:
        words = [sys.executable, "-m", "perijove", "up", "--replace", "--config", str(running.config)]
        with subprocess.Popen(words, stderr=subprocess.DEVNULL) as asker:
            until(lambda: moment in running.output, what=f"the moment in:\n{running.output}", pause_s=0.005)
            running.process.terminate()
            assert running.process.wait(15) == 0, running.output
            assert asker.wait(30) == 1
        assert not _of(running.config)
