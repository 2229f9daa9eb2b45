"""The job's program makes a person's environment ready, tells the hub how far it is, and starts their server in it."""

import http.server
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from perijove.processes.agent_file import packed
from tests.integration.prepared_environments.conftest import Account
from tests.integration.prepared_environments.test_prepare import tiny


class Hub(http.server.ThreadingHTTPServer):
    """Takes reports. `came` is set whenever one has come."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taker)
        self.reports: list[dict[str, Any]] = []
        self.came = threading.Event()


class Taker(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Hub)
        self.server.reports.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()
        self.server.came.set()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as its parent calls it
        """Not to the test's output."""


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def serve(account: Account, hub: Hub, describe: dict[str, Any], *command: str) -> subprocess.Popen[str]:
    """The program as one file, with nothing else of ours beside it."""
    program = account.home / "perijove-agent"
    program.write_bytes(packed())
    told = {
        "start_id": "s1",
        "dial": ["ws://127.0.0.1:9/tunnel/"],
        "report_url": f"http://127.0.0.1:{hub.server_port}/report",
        "environment": describe,
        "command": list(command),
    }
    environ = {**account.environ, "TMPDIR": "/tmp", "JUPYTERHUB_API_TOKEN": "t", "PERIJOVE_AGENT": json.dumps(told), "PERIJOVE_AGENT_TOKEN": "a" * 64}
    return subprocess.Popen([sys.executable, str(program), "serve"], env=environ, stderr=subprocess.PIPE, text=True, cwd="/")


def test_a_server_begins_in_an_environment_that_is_made_ready_first(account: Account, hub: Hub) -> None:
    words = ("python", "-c", "import sys, time; print('runs in', sys.prefix, flush=True); time.sleep(600)")
    with serve(account, hub, tiny(account), *words) as process:
        said = ""
        for line in process.stderr or ():
            said += line
            if line.startswith("runs in"):
                break
        (folder,) = account.root.glob("venv-*")
        assert said.splitlines()[-1] == f"runs in {folder / 'env'}", said
        while not (hub.reports and hub.reports[-1]["preparing"] and hub.reports[-1]["preparing"]["state"] == "done"):
            assert hub.came.wait(60), said
            hub.came.clear()
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    told = [report["preparing"] for report in hub.reports if report["preparing"]]
    assert told, "the hub heard how far it was"
    assert [one["percent"] for one in told] == sorted(one["percent"] for one in told)
    assert {one["state"] for one in told} <= {"running", "done"}

    again = ("python", "-c", "print('again')")
    with serve(account, hub, tiny(account, name="same"), *again) as process:
        assert "Making the virtualenv" not in process.communicate()[1]
    assert process.returncode == 0


def test_where_it_cannot_be_made_ready_the_hub_hears_why(account: Account, hub: Hub) -> None:
    with serve(account, hub, tiny(account, packages=["jupyterlab", "numpyy"]), "python", "-c", "print('never')") as process:
        said = process.communicate()[1]
    assert process.returncode == 78, said
    last = hub.reports[-1]["preparing"]
    assert last["state"] == "failed"
    assert "There is no numpyy among the wheels" in last["text"]
    assert "No matching distribution found for numpyy" in hub.reports[-1]["log_tail"], "in pip's own words too"


def test_asked_to_end_meanwhile_it_leaves_nothing_running_and_nothing_locked(account: Account, hub: Hub) -> None:
    with serve(account, hub, tiny(account), "python", "-c", "print('never')") as process:
        for line in process.stderr or ():
            if "Making the virtualenv" in line:
                break
        children = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()]
        process.send_signal(signal.SIGTERM)
        said = process.communicate()[1]
    assert "never" not in said
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert list((account.root / "locks").iterdir()) == []
