"""What each thing that the doctor may find means."""

from typing import Any

import pytest

from perijove.domain.batch import doctor
from perijove.domain.batch.doctor import Verdict, exit_status

GOOD, WARNING, BROKEN = Verdict.GOOD, Verdict.WARNING, Verdict.BROKEN
CONFIG = {
    "SLURM_VERSION": "23.11.4", "ClusterName": "c", "ProctrackType": "proctrack/cgroup", "MinJobAge": "300 sec", "MaxJobCount": "10000",
    "KillWait": "30 sec",
}  # fmt: skip


@pytest.mark.parametrize(
    ("more", "topic", "verdict"),
    [
        ({}, "version", GOOD),
        ({"SLURM_VERSION": "21.08.1"}, "version", WARNING),
        ({"SLURM_VERSION": "19.05.8"}, "version", BROKEN),
        ({"ProctrackType": "proctrack/linuxproc"}, "process tracking", WARNING),
        ({"MinJobAge": "5 sec"}, "MinJobAge", BROKEN),
        ({"MinJobAge": "60 sec"}, "MinJobAge", WARNING),
        ({"MaxJobCount": "100"}, "MaxJobCount", WARNING),
        ({"KillWait": "2 sec"}, "KillWait", WARNING),
    ],
)
def test_a_configuration_is_judged_and_what_is_not_well_says_what_to_do(more: dict[str, str], topic: str, verdict: Verdict) -> None:
    found = next(one for one in doctor.configuration(CONFIG | more) if one.topic == topic)
    assert found.verdict is verdict
    assert bool(found.advice) == (verdict is not GOOD)


@pytest.mark.parametrize(
    ("private", "account", "level", "has_history", "verdict"),
    [
        (["none"], "hub", None, False, GOOD),
        (["accounts", "usage"], "hub", "None", True, GOOD),
        (["jobs"], "hub", "None", True, BROKEN),
        (["jobs"], "hub", "Operator", True, GOOD),
        (["all"], "hub", "Administrator", True, GOOD),
        (["jobs"], "hub", None, False, BROKEN),
        (["jobs"], "root", None, False, GOOD),
    ],
)
def test_whether_a_hub_sees_the_jobs_that_it_submits(
    private: list[str], account: str, level: str | None, *, has_history: bool, verdict: Verdict
) -> None:
    found = doctor.privacy(private, account=account, level=level, has_history=has_history)
    assert found.verdict is verdict
    if verdict is BROKEN and has_history:
        assert "sacctmgr modify user hub set adminlevel=operator" in found.advice


def test_clocks_files_and_limits_are_judged_by_how_far_they_are_off() -> None:
    assert [doctor.skew("x", ahead).verdict for ahead in (0.0, -5.0, 10.0, -90.0, None)] == [GOOD, GOOD, WARNING, BROKEN, WARNING]
    assert "behind" in doctor.skew("x", -90.0).text
    assert [doctor.latency("x", ms).verdict for ms in (3.0, 150.0, 2500.0, None)] == [GOOD, WARNING, BROKEN, BROKEN]
    rows = [{"account": "lab", "maxjobs": "1", "maxsubmit": ""}]
    assert [one.verdict for one in doctor.associations("ada", rows, enforced=True)] == [GOOD, WARNING]
    assert [one.verdict for one in doctor.associations("ada", [], enforced=True)] == [BROKEN]
    assert [one.verdict for one in doctor.associations("ada", [], enforced=False)] == [WARNING]
    assert doctor.accounting(has_history=True, answers=False, words="away").verdict is BROKEN
    assert doctor.accounting(has_history=False, answers=True).verdict is WARNING
    assert (doctor.names([], 3).verdict, doctor.names(["n1"], 3).verdict) == (GOOD, WARNING)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ({"failed": "dns", "error": "Name or service not known"}, "by name"),
        ({"failed": "tcp", "error": "timed out"}, "firewall"),
        ({"failed": "tls", "error": "self-signed certificate"}, "does not trust"),
        ({"failed": "websocket", "status": 404, "error": "404"}, "no gateway"),
        ({"failed": "websocket", "status": 400, "error": "400"}, "does not let WebSockets"),
        ({"failed": "something new", "error": "?"}, "fails"),
    ],
)
def test_each_step_at_which_the_way_to_the_hub_ends_has_its_own_words(steps: dict[str, Any], words: str) -> None:
    found = doctor.tunnel({"url": "wss://h/tunnel/", **steps})
    assert found.verdict is BROKEN
    assert words in found.text
    assert found.advice


@pytest.mark.parametrize(
    ("more", "verdicts"),
    [
        ({}, {GOOD}),
        ({"python": "3.6.8"}, {GOOD, WARNING}),
        ({"cgroup": 0}, {GOOD, WARNING}),
        ({"in_job_cgroup": False}, {GOOD, WARNING}),
        ({"cuda": "0,1"}, {GOOD, WARNING}),
        ({"gpus": 4}, {GOOD, WARNING}),
        ({"runtime_dir": "missing /run/user/1000"}, {GOOD, WARNING}),
        ({"home": {"folder": "/home/ada", "error": "Read-only file system"}}, {GOOD, BROKEN}),
    ],
)
def test_a_node_is_judged_by_what_the_probe_saw(more: dict[str, Any], verdicts: set[Verdict]) -> None:
    seen = {"host": "n1", "python": "3.11.2", "uid": 1001, "cgroup": 2, "in_job_cgroup": True, "home": {"folder": "/home/ada", "ms": 2.0}} | more
    assert {one.verdict for one in doctor.node(seen)} == verdicts


def test_rules_that_open_everything_are_told_and_narrow_ones_are_not() -> None:
    assert doctor.variables(["JUPYTERHUB_*", "PERIJOVE_*", "LANG", "LC_*"]) is None
    for pattern in ("*", "LD_*", "PYTHON*", "BASH_ENV"):
        assert doctor.variables([pattern]) is not None
    assert [doctor.program(path) is None for path in ("/opt/perijove-agent", "/bin/bash", "/usr/bin/python3.11", "/usr/bin/env")] == [True] + [
        False
    ] * 3


def test_the_exit_status_is_that_of_the_worst() -> None:
    fine, worry, fault = doctor.good("x", ""), doctor.warning("x", "", "y"), doctor.broken("x", "", "y")
    assert [exit_status(each) for each in ([fine], [fine, worry], [worry, fault, fine], [])] == [0, 2, 1, 0]
