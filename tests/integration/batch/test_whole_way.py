"""From the form to a notebook on a cluster's node, on a real Slurm, as a real person: through full queues, requeues, outages and ends."""

import json
import os
import pwd
import signal
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
from websockets.sync.client import connect

from perijove.processes.agent_file import packed
from tests.running.browser import Person
from tests.running.perijove import Running, perijove, until

from .conftest import Site

PASS = "a-token-of-the-tests-only-at-least-long-enough"
GPU = {"partition": "main", "gpus": "1", "cpus": 1, "memory": "512M", "time": "10:00"}


@dataclass
class Center:
    """A site whose servers are jobs. `alice` works there."""

    running: Running
    site: Site
    alice: Person

    @property
    def name(self) -> str:
        return self.site.alice

    def api(self, method: str, path: str, **body: Any) -> httpx.Response:
        return httpx.request(method, f"{self.running.hub_url}/hub/api{path}", headers={"authorization": f"token {PASS}"}, timeout=60, **body)

    def start(self, **options: Any) -> httpx.Response:
        return self.api("POST", f"/users/{self.name}/server", json=GPU | options)

    def server(self) -> dict[str, Any]:
        found: dict[str, Any] = self.api("GET", f"/users/{self.name}?include_stopped_servers=1").json()["servers"].get("", {})
        return found

    def jobs(self, state: str = "") -> list[str]:
        """Of alice, by number: those that Slurm has in its queue."""
        only = [f"--states={state}"] if state else []
        return self.site.slurm.command("squeue", "-h", "-u", self.name, "-o", "%i", *only).split()

    def job(self) -> str:
        return until(lambda: next(iter(self.jobs()), ""), what=f"a job in:\n{self.running.output}")

    def ready(self, within_s: float = 90.0) -> None:
        try:
            until(lambda: self.server().get("ready"), what="the server", within_s=within_s)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.server()}\n{self.running.output[-4000:]}\n{self.site.slurm.logs()}") from None

    def stop(self) -> None:
        assert self.api("DELETE", f"/users/{self.name}/server").status_code in {202, 204}
        self.gone()

    def gone(self) -> None:
        until(lambda: self.server().get("stopped", True) and not self.jobs(), what=f"the end of {self.jobs()}: {self.server()}", within_s=60)

    def status(self) -> int:
        return self.alice.get(f"/user/{self.name}/api/status").status_code

    def said(self, code: str) -> str:
        """What a cell prints, run in a kernel of its own."""
        prefix = f"/user/{self.name}"
        token = self.alice.http.cookies.get("_xsrf", path=f"{prefix}/") or ""
        made = self.alice.http.post(f"{prefix}/api/kernels", json={"name": "python3"}, headers={"x-xsrftoken": token})
        assert made.status_code == 201, made.text
        cookies = "; ".join(f"{one.name}={one.value}" for one in self.alice.http.cookies.jar)
        url = f"{self.running.url.replace('http', 'ws', 1)}{prefix}/api/kernels/{made.json()['id']}/channels"
        asked = uuid4().hex
        header = {"msg_id": asked, "msg_type": "execute_request", "username": "", "session": uuid4().hex, "date": "", "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
        with connect(url, additional_headers={"Cookie": cookies}, proxy=None) as socket:
            socket.send(json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}))
            while True:
                message = json.loads(socket.recv(60))
                if message.get("parent_header", {}).get("msg_id") == asked and message["msg_type"] == "stream":
                    return str(message["content"]["text"])


@pytest.fixture(scope="module")
def center(session_site: Site, user_env: Path) -> Generator[Center]:
    site = session_site
    program = site.folder / "perijove-agent"
    program.write_bytes(packed("/usr/bin/python3"))
    program.chmod(0o755)
    rules = json.loads(site.rules.read_text())
    site.rules.write_text(json.dumps(rules | {"programs": [*rules["programs"], str(program)]}))
    settings = f"""
[proxy]
listen = "PROXY"
[hub]
listen = "HUB"
[gateway]
enabled = true
listen = "unix:{{folder}}/gateway.sock"
[limits]
api_wait = 1
[cull]
poll_every = 1
[authenticator]
use = "dummy"
[access]
allow_all = true
[[services]]
name = "test"
api_token = "{PASS}"
[[roles]]
name = "test"
services = ["test"]
scopes = ["admin:servers", "read:users", "admin:server_state"]
[spawner]
use = "slurm"
agent = "{program}"
helper = "{site.helper}"
rules = "{site.rules}"
slurm_conf = "{site.slurm.conf}"
extend = "1:00:00"
warn = 60
[spawner.most]
time = "1-0"
[spawner.environments.site]
title = "The site's"
kind = "existing"
path = "{user_env}"
"""
    with perijove(settings) as running:
        alice = Person(running.url)
        assert alice.sign_in(site.alice).status_code == 200
        yield Center(running, site, alice)
        alice.close()
    site.rules.write_text(json.dumps(rules))


@pytest.fixture(autouse=True)
def clean(center: Center) -> Generator[None]:
    center.site.slurm.clear()
    center.site.audited()
    yield
    if not center.server().get("stopped", True):
        center.stop()
    assert not center.jobs(), "an orphan job"


def working(center: Center) -> Callable[[], bool]:
    return lambda: center.alice.get(f"/user/{center.name}/lab").status_code == 200 and center.status() == 200


def test_a_person_waits_in_a_full_queue_gets_a_gpu_and_works_under_their_own_uid(center: Center) -> None:
    slurm = center.site.slurm
    hog = slurm.command("sbatch", "--parsable", "--exclusive", f"--nodes={len(slurm.node_names)}", "--wrap", "sleep 600").strip()
    assert center.start().status_code == 202
    assert center.jobs("PENDING") == [center.job()]
    said: list[str] = []
    with httpx.stream(
        "GET", f"{center.running.hub_url}/hub/api/users/{center.name}/server/progress", headers={"authorization": f"token {PASS}"}, timeout=60
    ) as stream:
        for line in stream.iter_lines():
            said.append(line)
            if f"Job {center.job()}: PENDING (" in line:
                break
    assert "in the queue" in "".join(said)
    slurm.command("scancel", hog)
    center.ready()
    until(working(center), what=f"the lab in:\n{center.running.output[-3000:]}")
    code = "import os; print(os.environ['SLURM_JOB_ID'], os.environ['CUDA_VISIBLE_DEVICES'], os.getuid())"
    job, gpu, uid = center.said(code).split()
    assert (job, uid) == (center.job(), str(pwd.getpwnam(center.name).pw_uid))
    assert gpu.isdecimal()
    center.stop()


def test_a_requeued_server_comes_back_with_the_same_address(center: Center) -> None:
    center.start()
    center.ready()
    job = center.job()
    center.site.slurm.command("scontrol", "requeue", job)
    until(lambda: not center.server().get("ready"), what="the hub to see that it was put back")
    center.site.slurm.command("scontrol", "update", f"JobId={job}", "StartTime=now", check=False)
    center.ready(within_s=150)
    assert center.jobs() == [job]
    until(working(center), what="the lab again")
    center.stop()


def test_the_hub_is_killed_while_the_job_waits_and_while_it_runs(center: Center) -> None:
    slurm = center.site.slurm
    hog = slurm.command("sbatch", "--parsable", "--exclusive", f"--nodes={len(slurm.node_names)}", "--wrap", "sleep 600").strip()
    center.start()
    job = center.job()
    kill_hub(center)
    slurm.command("scancel", hog)
    center.ready()
    assert center.jobs() == [job]
    until(working(center), what="the lab")
    hub = center.running.child("hub")
    os.kill(hub, signal.SIGKILL)
    assert center.status() == 200, "a notebook does not need the hub"
    until(lambda: center.running.child("hub") != hub and center.running.healthy(), what="the hub again")
    assert center.server()["ready"]
    assert center.jobs() == [job]
    center.stop()


def kill_hub(center: Center) -> None:
    hub = center.running.child("hub")
    os.kill(hub, signal.SIGKILL)
    until(lambda: center.running.child("hub") != hub and center.running.healthy(), what="the hub again")


def test_a_controller_that_is_away_ends_nobodys_server(center: Center) -> None:
    slurm = center.site.slurm
    center.start()
    center.ready()
    job = center.job()
    slurm.end("slurmctld")
    until(lambda: '"the place could not be asked"' in center.running.output or center.server().get("ready"), what="an answer")
    until(working(center), what="the lab without a controller")
    slurm.start_controller()
    slurm.wait_for_nodes()
    assert center.server()["ready"]
    assert center.jobs() == [job]
    center.stop()


def test_what_ends_a_job_is_told_in_a_sentence(center: Center) -> None:
    center.start()
    center.ready()
    center.site.slurm.command("scancel", center.job())
    until(lambda: "It was cancelled." in center.alice.get("/hub/home").text, what="the reason")


def test_a_stop_while_the_job_waits_takes_it_out_of_the_queue(center: Center) -> None:
    slurm = center.site.slurm
    hog = slurm.command("sbatch", "--parsable", "--exclusive", f"--nodes={len(slurm.node_names)}", "--wrap", "sleep 600").strip()
    center.start()
    center.job()
    center.stop()
    slurm.command("scancel", hog)


def test_what_can_never_start_is_refused_with_the_reason(center: Center) -> None:
    refused = center.start(partition="nowhere")
    assert refused.status_code == 500, "as a start that fails while it is waited for"
    assert "There is no partition 'nowhere'" in refused.json()["message"]
    assert center.jobs() == []


def test_a_running_server_is_prolonged_within_its_partitions_limit(center: Center) -> None:
    center.start()
    center.ready()
    answer = center.api("POST", f"/perijove/users/{center.name}/server/extend", json={"by_s": 600})
    assert answer.status_code == 200, answer.text
    limit = center.site.slurm.command("squeue", "-h", "-j", center.job(), "-o", "%l").strip()
    assert limit == "20:00"
    center.stop()
