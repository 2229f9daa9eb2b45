"""The hub's half of launching: hand the plan to the launcher, and hear what came of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from perijove.adapters.spawners.local import cgroups
from perijove.adapters.spawners.local.state import State
from perijove.adapters.spawners.local.words import failure_error
from perijove.processes.account import Account
from perijove.processes.launching import SUPERVISOR, last_object, run_launcher


def launch_plan(state: State, account: Account, argv: Sequence[str], env: Mapping[str, str], *, umask: int, log_size: int) -> dict[str, Any]:
    """All the launcher has to know."""
    run = state.run
    groups = [Path(group) for group in state.cgroups]
    counted = next((file for group in groups if (file := cgroups.oom_file(group))), None)
    return {
        "claim_file": str(run.claim_file),
        "run_folder": str(run.folder),
        "failure_file": str(run.failure_file),
        "log_file": state.log,
        "log_size": log_size,
        "argv": list(argv),
        "env": dict(env),
        "account": account.name,
        "uid": account.uid,
        "gid": account.gid,
        "home": str(account.home),
        "umask": umask,
        "cgroup_files": [str(group / "cgroup.procs") for group in groups],
        "oom_file": str(counted or ""),
        "supervisor": SUPERVISOR,
    }


async def launch(plan: dict[str, Any]) -> str:
    """Launch, unless somebody else was first. Raises SpawnerError if the server could not begin.

    Returns what a launcher said that ended without an answer; whether it launched anything, the claim knows.
    """
    told, said = await run_launcher(plan)
    raise_failure(told, plan["account"])
    return said


def raise_failure(told: dict[str, Any] | None, account: str) -> None:
    """Raise the SpawnerError for a step that did not work, if that is what was told."""
    if told is not None and told.get("outcome") == "failed":
        raise failure_error(told, account)


def read_failure(stored: bytes | None) -> dict[str, Any] | None:
    """What an earlier launcher wrote down."""
    return last_object(stored or b"")
