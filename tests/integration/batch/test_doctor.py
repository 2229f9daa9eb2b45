"""`perijove doctor slurm` on a real Slurm, through the real helper, with a real site to dial: each thing that is broken on purpose is found."""

import json
import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest

from perijove.adapters.spawners.batch.doctor import Saying, Wanted, examine
from perijove.adapters.spawners.batch.slurm import Commands
from perijove.adapters.system_clock import SystemClock
from perijove.domain.batch.doctor import Finding, Verdict
from perijove.processes.agent_file import packed
from tests.integration.batch.conftest import Site, account
from tests.running.perijove import Running, free_port, perijove
from tests.running.slurm import Slurm

SETTINGS = """
[hub]
listen = "HUB"
state_dir = "{folder}/state"
public_url = "http://PROXY"
[proxy]
listen = "PROXY"
[gateway]
enabled = true
listen = "unix:{folder}/gateway.sock"
[authenticator]
use = "dummy"
[spawner]
use = "perijove.testing.null_spawner:NullSpawner"
"""


@dataclass
class Clinic:
    site: Site
    hub: Running
    wanted: Wanted

    @property
    def agent(self) -> Path:
        return Path(self.wanted.agent)


@pytest.fixture(scope="module")
def clinic(session_site: Site) -> Generator[Clinic]:
    """All as an administrator should have it."""
    folder = session_site.folder
    agent, rules = folder / "perijove-agent", folder / "doctor-rules.json"
    agent.write_bytes(packed("/usr/bin/python3"))
    agent.chmod(0o755)
    given = json.loads(session_site.rules.read_text()) | {"programs": [str(agent)]}
    rules.write_text(json.dumps(given))
    with perijove(SETTINGS) as hub:
        wanted = Wanted(
            commands=Commands(slurm_conf=str(session_site.slurm.conf)),
            helper=str(session_site.helper),
            rules=str(rules),
            agent=str(agent),
            person=session_site.alice,
            dial=(f"{hub.url.replace('http', 'ws', 1)}/tunnel/",),
            hub_url=f"{hub.url}/hub/health",
            wait_s=40,
        )
        yield Clinic(session_site, hub, wanted)


async def seen(wanted: Wanted) -> tuple[list[Finding], list[str]]:
    found: list[Finding] = []
    said: list[str] = []
    async for one in examine(wanted, SystemClock()):
        if isinstance(one, Saying):
            said.append(one.text)
        else:
            found.append(one)
    return found, said


def about(found: list[Finding], topic: str, verdict: Verdict) -> list[str]:
    return [f"{one.text} {one.advice}" for one in found if one.topic == topic and one.verdict is verdict]


async def test_what_is_well_is_called_well_and_the_way_back_is_seen_from_a_node(clinic: Clinic) -> None:
    found, said = await seen(clinic.wanted)
    assert [one for one in found if one.verdict is Verdict.BROKEN and one.topic != "MinJobAge"] == []  # the cluster of tests forgets soon
    assert {one.topic for one in found if one.verdict is Verdict.GOOD} >= {
        "controller", "version", "PrivateData", "clock of the controller", "names of nodes", "agent file", "helper", "sudo", "rules",
        "test job", "way from node to hub", "hub from node", "clock of the node", "home folder on nodes",
    }  # fmt: skip
    assert about(found, "process tracking", Verdict.WARNING)
    assert any("accounting" in one.topic and one.verdict is Verdict.WARNING for one in found)
    assert "tcp" in about(found, "way from node to hub", Verdict.GOOD)[0]
    assert any("It runs on" in text or "waits" in text for text in said)
    clinic.site.slurm.until(lambda: not clinic.site.slurm.command("squeue", "-h", "-o", "%i").split(), "the job is gone", within_s=90)


async def test_ways_to_the_hub_that_fail_are_named_by_the_step_at_which_they_fail(clinic: Clinic) -> None:
    gateless = clinic.hub.hub_url.replace("http", "ws", 1) + "/tunnel/"
    wrong = (f"ws://127.0.0.1:{free_port()}/tunnel/", "wss://nosuch.invalid/tunnel/", clinic.wanted.dial[0].replace("ws:", "wss:"), gateless)
    found, _ = await seen(replace(clinic.wanted, dial=wrong, hub_url=f"http://127.0.0.1:{free_port()}/hub/health"))
    told = about(found, "way from node to hub", Verdict.BROKEN)
    assert len(told) == 4
    for text, step in zip(told, ("fails at tcp", "fails at dns", "fails at tls", "no gateway"), strict=True):
        assert step in text
    assert about(found, "hub from node", Verdict.BROKEN)


def put(path: Path, **more: object) -> Iterator[None]:
    before = path.read_text()
    path.write_text(json.dumps(json.loads(before) | more))
    yield
    path.write_text(before)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"programs": ["/bin/bash"]}, "could run anything as anybody"),
        ({"programs": ["/opt/nothing"]}, "does not name"),
        ({"variables": ["*"]}, "LD_PRELOAD"),
        ({"audit": "/nonexistent"}, "no log listens"),
        ({"bin": "/nonexistent"}, "sbatch, squeue and scancel"),
        ({"programs": []}, "names no `programs`"),
        ({"surprise": 1}, "not rules"),
    ],
)
async def test_rules_that_are_wrong_are_told_before_anybody_is_acted_as(clinic: Clinic, more: dict[str, object], words: str) -> None:
    for _ in put(Path(clinic.wanted.rules), **more):
        found, _said = await seen(clinic.wanted)
    assert any(words in text for text in about(found, "rules", Verdict.BROKEN))
    assert about(found, "test job", Verdict.BROKEN) == ["It is not tried, for the helper does not work. Mend that first."]


@contextmanager
def mode(path: Path, bits: int) -> Iterator[None]:
    before = path.stat().st_mode
    path.chmod(bits)
    try:
        yield
    finally:
        path.chmod(before)


async def test_files_that_others_can_change_or_nobody_can_run_are_found(clinic: Clinic) -> None:
    quick = replace(clinic.wanted, try_job=False)
    with mode(clinic.agent, 0o777):
        found, _ = await seen(quick)
        assert any("others than root" in text for text in about(found, "agent file", Verdict.BROKEN))
    with mode(clinic.agent, 0o700):
        found, _ = await seen(quick)
        assert any("cannot be run by everybody" in text for text in about(found, "agent file", Verdict.BROKEN))
    with mode(Path(clinic.wanted.helper), 0o775):
        found, _ = await seen(quick)
        assert any("others than root" in text for text in about(found, "helper", Verdict.BROKEN))
    with mode(Path(clinic.wanted.rules), 0o666):
        found, _ = await seen(quick)
        assert any("other than root" in text for text in about(found, "rules", Verdict.BROKEN))
    found, _ = await seen(replace(quick, agent="/nonexistent"))
    assert about(found, "agent file", Verdict.BROKEN)
    found, _ = await seen(replace(quick, person="nosuch-person"))
    assert about(found, "sudo", Verdict.BROKEN)


async def test_an_agent_that_cannot_run_on_the_node_is_told_apart_from_a_network(clinic: Clinic) -> None:
    whole = clinic.agent.read_bytes()
    try:
        clinic.agent.write_bytes(packed("/opt/no/python3"))
        found, _ = await seen(clinic.wanted)
    finally:
        clinic.agent.write_bytes(whole)
    assert any("told nothing" in text for text in about(found, "test job", Verdict.BROKEN))
    assert not about(found, "way from node to hub", Verdict.BROKEN)


async def test_a_job_that_does_not_begin_is_no_verdict_on_nodes_and_is_taken_back(clinic: Clinic) -> None:
    slurm: Slurm = clinic.site.slurm
    slurm.command("scontrol", "update", "partitionname=main", "state=down")
    try:
        found, said = await seen(replace(clinic.wanted, wait_s=3))
    finally:
        slurm.command("scontrol", "update", "partitionname=main", "state=up")
    assert any("has not begun" in text for text in about(found, "test job", Verdict.WARNING))
    assert any("partition is closed" in text for text in said)
    slurm.until(lambda: not slurm.command("squeue", "-h", "-o", "%i", "--states=PENDING").split(), "it is taken back")


async def test_private_jobs_accounts_and_an_accounting_that_is_away_are_found(accounted: Site) -> None:
    """As root, who sees all; what an account that is no operator is told, the unit tests say."""
    slurm = accounted.slurm
    asking = Wanted(commands=Commands(slurm_conf=str(slurm.conf), timeout_s=3), try_job=False)
    before = slurm.conf.read_text()
    slurm.conf.write_text(before + "PrivateData=jobs\n")
    slurm.command("scontrol", "reconfigure")
    try:
        found, _ = await seen(replace(asking, person=accounted.bob))
        assert about(found, "PrivateData", Verdict.GOOD)[0].startswith("Jobs are private, and root may see them")
        assert any("has no account" in text for text in about(found, "accounts", Verdict.BROKEN))
        assert about(found, "accounting", Verdict.GOOD)
        found, _ = await seen(replace(asking, person=accounted.alice))
        assert any("lab" in text for text in about(found, "accounts", Verdict.GOOD))
    finally:
        slurm.conf.write_text(before)
        slurm.command("scontrol", "reconfigure")
    slurm.end("slurmdbd")
    try:
        found, _ = await seen(asking)
        assert about(found, "accounting", Verdict.BROKEN)
    finally:
        slurm.start("slurmdbd", "slurmdbd", "-D")
        slurm.until(lambda: "Cluster" in slurm.command("sacctmgr", "-P", "show", "cluster", check=False), "slurmdbd answers")


AS_SOMEBODY = """
import asyncio, json, os, pwd, sys
from dataclasses import asdict
from perijove.adapters.spawners.batch.doctor import Saying, Wanted, examine
from perijove.adapters.spawners.batch.slurm import Commands
from perijove.adapters.system_clock import SystemClock
who, given = pwd.getpwnam(sys.argv[1]), json.loads(sys.argv[2])
os.setgroups([]); os.setgid(who.pw_gid); os.setuid(who.pw_uid)
async def seen():
    wanted = Wanted(**given | {"commands": Commands(**given["commands"]), "dial": tuple(given["dial"])})
    return [[one.topic, one.verdict.value, one.text] async for one in examine(wanted, SystemClock()) if not isinstance(one, Saying)]
print(json.dumps(asyncio.run(seen())))
"""


def test_the_hubs_account_learns_as_whom_it_may_act_and_whose_jobs_it_does_not_see(clinic: Clinic) -> None:
    site, hub, group = clinic.site, f"pj-doc-{os.getpid()}", f"pj-docs-{os.getpid()}"
    sudoers = Path(f"/etc/sudoers.d/pj-doctor-test-{os.getpid()}")

    def as_hub(person: str, wait_s: float = 20) -> dict[tuple[str, str], str]:
        words = json.dumps(asdict(replace(clinic.wanted, person=person, dial=(), hub_url="", wait_s=wait_s)))
        done = subprocess.run([sys.executable, "-c", AS_SOMEBODY, hub, words], capture_output=True, text=True, cwd="/", check=False)
        assert done.returncode == 0, done.stderr
        return {(topic, verdict): text for topic, verdict, text in json.loads(done.stdout)}

    before = site.slurm.conf.read_text()
    with account(hub):
        subprocess.run(["groupadd", group], check=True)
        try:
            subprocess.run(["usermod", "--append", "--groups", group, site.alice], check=True)
            line = subprocess.run(
                [site.helper, "--sudoers", hub, group, site.helper, clinic.wanted.rules], check=True, capture_output=True, text=True
            )
            sudoers.write_text(line.stdout)
            sudoers.chmod(0o440)
            found = as_hub(site.alice)
            assert {("sudo", "good"), ("helper", "good"), ("test job", "good")} <= found.keys()
            assert "root" not in found["sudo", "good"]
            assert "may not run the helper" in as_hub(site.bob)["sudo", "broken"]
            site.slurm.conf.write_text(before + "PrivateData=jobs\n")
            site.slurm.command("scontrol", "reconfigure")
            found = as_hub(site.alice, wait_s=2)
            assert ("PrivateData", "broken") in found
            assert "does not see it in the queue" in found["test job", "broken"]
        finally:
            sudoers.unlink(missing_ok=True)
            site.slurm.conf.write_text(before)
            site.slurm.command("scontrol", "reconfigure")
            subprocess.run(["gpasswd", "--delete", site.alice, group], check=False, capture_output=True)
            subprocess.run(["groupdel", group], check=False)
    site.slurm.clear()


def test_the_command_tells_all_as_json_and_by_its_exit_status(clinic: Clinic) -> None:
    perijove_command = [sys.executable, "-m", "perijove", "doctor", "slurm", "--json"]
    conf = f"--slurm-conf={clinic.site.slurm.conf}"
    environ = {"PATH": os.defpath + ":/usr/sbin"}
    done = subprocess.run([*perijove_command, conf, f"--agent={clinic.agent}"], capture_output=True, text=True, env=environ, check=False)
    told = json.loads(done.stdout)
    assert (done.returncode, told["status"]) == (1, 1)  # MinJobAge
    assert {"topic", "verdict", "text", "advice"} == set(told["findings"][0])
    assert "Asking Slurm" in done.stderr
    away = subprocess.run([*perijove_command, "--bin=/nonexistent"], capture_output=True, text=True, env=environ, check=False)
    assert away.returncode == 1
    assert json.loads(away.stdout)["findings"][0]["topic"] == "controller"
