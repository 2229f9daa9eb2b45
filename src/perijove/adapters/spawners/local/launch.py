"""The hub's half of launching: hand the plan to the launcher, and hear what came of it."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from perijove.adapters.spawners.local import cgroups, launcher, supervisor
from perijove.adapters.spawners.local.accounts import Account
from perijove.adapters.spawners.local.state import State
from perijove.adapters.spawners.local.words import failure_error

_LAUNCHER: Final = str(Path(launcher.__file__))
_SUPERVISOR: Final = str(Path(supervisor.__file__))


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
        "supervisor": _SUPERVISOR,
    }


async def launch(plan: dict[str, Any]) -> str:
    """Launch, unless somebody else was first. Raises SpawnerError if the server could not begin.

    Returns what a launcher said that ended without an answer; whether it launched anything, the claim knows.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-S", _LAUNCHER),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={},
        cwd="/",
        start_new_session=True,  # what ends the hub's terminal or group does not end servers
    )
    try:
        output, _ = await process.communicate(json.dumps(plan).encode())
    except asyncio.CancelledError:
        # it may have forked already; then the claim says so to whoever stops this attempt
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    told = _last_object(output)
    raise_failure(told, plan["account"])
    return "" if told else output.decode(errors="replace").strip().rsplit("\n", 1)[-1][-300:]


def raise_failure(told: dict[str, Any] | None, account: str) -> None:
    """Raise the SpawnerError for a step that did not work, if that is what was told."""
    if told is not None and told.get("outcome") == "failed":
        raise failure_error(told, account)


def read_failure(stored: bytes | None) -> dict[str, Any] | None:
    """What an earlier launcher wrote down."""
    return _last_object(stored or b"")


def _last_object(output: bytes) -> dict[str, Any] | None:
    try:
        told = json.loads(output.strip().rsplit(b"\n", 1)[-1])
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
