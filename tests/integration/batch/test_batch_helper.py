"""The batch helper as an administrator allows it: real accounts, real sudo, a real Slurm behind it."""

import json
import os
import pwd
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.batch.conftest import Site, account

HUB = f"pj-hub-{os.getpid()}"
GROUP = f"pj-people-{os.getpid()}"
REQUEST = {"name": "perijove-helper-1", "folder": "/", "output": "/dev/null"}
PROGRAM = {"argv": ["/bin/sleep", "60"], "environ": {}}


@pytest.fixture(scope="module")
def allowed(session_site: Site) -> Generator[Site]:
    """The hub's account may act as alice, by the line that the helper itself prints; bob is not in the group."""
    site = session_site
    subprocess.run(["groupadd", "--force", GROUP], check=True)
    subprocess.run(["usermod", "--append", "--groups", GROUP, site.alice], check=True)
    line = subprocess.run([site.helper, "--sudoers", HUB, GROUP, site.helper, site.rules], check=True, capture_output=True, text=True).stdout
    sudoers = Path(f"/etc/sudoers.d/pj-batch-test-{os.getpid()}")
    with account(HUB):
        try:
            sudoers.write_text(line)
            sudoers.chmod(0o440)
            subprocess.run(["visudo", "--check", "--quiet", f"--file={sudoers}"], check=True)
            yield site
        finally:
            sudoers.unlink()
            subprocess.run(["gpasswd", "--delete", site.alice, GROUP], check=False, capture_output=True)
            subprocess.run(["groupdel", GROUP], check=False)


def ask(site: Site, person: str, question: object, *words: str, environ: dict[str, str] | None = None) -> Any:
    """The answer to the hub's question, or the exit code of sudo's refusal."""
    argv = ["/usr/bin/sudo", "-n", "-u", person, "--", str(site.helper), *(words or (str(site.rules),))]
    given = question if isinstance(question, str) else json.dumps(question)
    done = subprocess.run(
        argv, user=HUB, group=HUB, extra_groups=[], env={"PATH": "/usr/bin:/bin"} | (environ or {}), cwd="/",
        input=given, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return json.loads(done.stdout) if not done.returncode else done.returncode


def test_the_hub_submits_and_cancels_as_a_member_of_the_group_only(allowed: Site) -> None:
    found = ask(allowed, allowed.alice, {"verb": "submit", "request": REQUEST, "program": PROGRAM})
    assert allowed.slurm.command("squeue", "-h", "-j", found["job"], "-o", "%u").strip() == allowed.alice
    assert ask(allowed, allowed.bob, {"verb": "submit", "request": REQUEST, "program": PROGRAM}) == 1
    assert ask(allowed, "root", {"verb": "submit", "request": REQUEST, "program": PROGRAM}) == 1
    assert ask(allowed, allowed.alice, {"verb": "cancel", "job": found["job"]}) == {"job": found["job"]}
    assert "start at" in ask(allowed, allowed.alice, {"verb": "test", "request": REQUEST})["text"]
    assert any(f'"by": "{HUB}"' in line and f'"as": {pwd.getpwnam(allowed.alice).pw_uid}' in line for line in allowed.audited())


@pytest.mark.parametrize("words", [("--as-myself",), ("/tmp/other-rules.json",), ()])
def test_sudo_lets_no_other_arguments_through(allowed: Site, words: tuple[str, ...]) -> None:
    argv = ["/usr/bin/sudo", "-n", "-u", allowed.alice, "--", str(allowed.helper), *words]
    done = subprocess.run(
        argv, user=HUB, group=HUB, extra_groups=[], env={}, cwd="/", input="{}", capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize(
    ("question", "kind", "words"),
    [
        ("no json", "bad", "verb must be one of"),
        ({"verb": "run"}, "bad", "verb must be one of"),
        ({"verb": "submit", "request": REQUEST, "program": PROGRAM, "more": 1}, "bad", "Not known"),
        ({"verb": "submit", "request": REQUEST | {"wrap": "id"}, "program": PROGRAM}, "bad", "Not fields"),
        ({"verb": "submit", "request": REQUEST | {"partition": "a --uid=0"}, "program": PROGRAM}, "bad", "partition"),
        ({"verb": "submit", "request": REQUEST, "program": {"argv": ["/usr/bin/id"]}}, "not-allowed", "may not run"),
        ({"verb": "submit", "request": REQUEST, "program": PROGRAM | {"prologue": "id"}}, "not-allowed", "prologue"),
        ({"verb": "submit", "request": REQUEST, "program": PROGRAM | {"environ": {"LD_PRELOAD": "x"}}}, "not-allowed", "LD_PRELOAD"),
        ({"verb": "submit", "request": REQUEST, "program": PROGRAM | {"environ": {"BASH_ENV": "x"}}}, "not-allowed", "BASH_ENV"),
        ({"verb": "cancel", "job": "--user=x"}, "bad", "number"),
        ({"verb": "cancel", "job": 5}, "bad", "number"),
        (" " * (1 << 20) + "{}", "not-allowed", "1 MiB"),
    ],
)
def test_what_is_not_in_the_rules_is_refused(allowed: Site, question: object, kind: str, words: str) -> None:
    found = ask(allowed, allowed.alice, question)
    assert found["error"] == kind
    assert words in found["message"]


def test_the_hubs_environment_changes_nothing(allowed: Site) -> None:
    leaks = {"SBATCH_PARTITION": "nosuch", "SLURM_CONF": "/nonexistent", "PYTHONPATH": "/tmp", "LD_PRELOAD": "/tmp/x.so", "BASH_ENV": "/tmp/x"}
    assert "job" in ask(allowed, allowed.alice, {"verb": "submit", "request": REQUEST, "program": PROGRAM}, environ=leaks)


def test_rules_that_others_can_change_are_not_trusted(allowed: Site) -> None:
    allowed.rules.chmod(0o666)
    try:
        found = ask(allowed, allowed.alice, {"verb": "test", "request": REQUEST})
    finally:
        allowed.rules.chmod(0o644)
    assert found["error"] == "not-allowed"
    assert "other than root" in found["message"]


def test_nothing_is_done_that_cannot_be_recorded(allowed: Site) -> None:
    before = allowed.rules.read_text()
    allowed.rules.write_text(json.dumps(json.loads(before) | {"audit": "/nonexistent"}))
    try:
        found = ask(allowed, allowed.alice, {"verb": "submit", "request": REQUEST | {"name": "unrecorded"}, "program": PROGRAM})
    finally:
        allowed.rules.write_text(before)
    assert found["error"] == "not-allowed"
    assert "takes no line" in found["message"]
    assert "unrecorded" not in allowed.slurm.command("squeue", "-h", "-o", "%j")
