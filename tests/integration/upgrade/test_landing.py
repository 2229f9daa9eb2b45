"""The moment in which one code takes the place of the other."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from perijove.cli.handover import Handover
from perijove.cli.landing import HANDOVER
from tests.integration.upgrade.installation import installed
from tests.integration.upgrade.place import NOTHING, SETTINGS
from tests.running.perijove import until


def test_what_runs_outlives_code_that_does_not_load_any_more(tmp_path: Path) -> None:
    """It loaded in the rehearsal, and pip is in the middle of something."""
    with installed(tmp_path, SETTINGS + NOTHING) as installation:
        site = installation.site
        site.running.end()
        with socket.socket(socket.AF_UNIX) as control, socket.socket() as kept:
            kept.bind(("127.0.0.1", int(site.running.url.rpartition(":")[2])))
            kept.listen()
            handed = Handover(
                parts=[], sockets={site.running.url.replace("http://", "public "): [kept.fileno()]}, control=control.fileno(), within_s=60
            )
            control.bind(str(tmp_path / "control"))
            control.listen()
            control.setblocking(False)
            installation.edit("cli/supervise.py", "class Supervisor:", "class Supervisor(:")
            words = [sys.executable, "-m", "perijove", "up", "--config", str(site.running.config)]
            environ = {**os.environ, **site.environ, HANDOVER: handed.text()}
            with subprocess.Popen(words, env=environ, pass_fds=tuple(handed.numbers()), stderr=subprocess.PIPE, text=True) as process:
                assert process.stderr is not None
                assert "does not load: SyntaxError" in process.stderr.readline()
                installation.edit("cli/supervise.py", "class Supervisor(:", "class Supervisor:")
                until(lambda: site.running.healthy(site.running.url), what="the site")
                process.terminate()
                process.stderr.read()
                assert process.wait(30) == 0
