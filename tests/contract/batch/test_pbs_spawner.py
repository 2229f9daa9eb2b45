"""The spawner on a PBS whose programs answer as OpenPBS's documentation says: one server from its start to its end."""

import asyncio
import json
import os
import pwd
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perijove.adapters.keys import Keys
from perijove.adapters.spawners.batch.on_pbs import PbsConfig, PbsSpawner
from perijove.adapters.system_clock import SystemClock
from perijove.domain.server import ServerId
from perijove.ports.plugin import PluginContext
from perijove.ports.spawner import Address, Checkpoint, Exited, Handle, Running, StartRequest
from tests.contract.batch import pbs_says

ME = pwd.getpwuid(os.geteuid()).pw_name
JOB = "101.head"
PROGRAMS = {
    "qsub": 'cat > script; echo "$*" > words; echo 101.head',
    "qselect": "[ -e script ] && echo 101.head; true",
    "qstat": 'case "$*" in *-B*) cat server.json;; *-Q*) cat queues.json;; *) if [ -e ended ]; then cat ended; else cat jobs.json; fi;; esac',
    "pbsnodes": "cat nodes.json",
    "qdel": 'echo "$*" > deleted; cp over.json ended',
}


class Quick(SystemClock):
    """Time as it is, without its waits."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.02))


@pytest.fixture
def pbs(tmp_path: Path) -> Path:
    for name, script in PROGRAMS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\ncd {tmp_path}\n{script}\n")
        (tmp_path / name).chmod(0o755)
    for name, line in zip(("server", "queues", "nodes"), pbs_says.SAYS["cluster"], strict=True):
        (tmp_path / f"{name}.json").write_text(line.out)
    return tmp_path


def job(state: str, **more: Any) -> str:
    about = {"Job_Name": "perijove-start1", "Job_Owner": f"{ME}@login", "job_state": state, "queue": "main", **more}
    return json.dumps({"Jobs": {JOB: about}})


@pytest.fixture
async def spawner(pbs: Path, tmp_path: Path) -> AsyncIterator[PbsSpawner]:
    config = msgspec.convert({"agent": "/bin/echo", "bin": str(pbs), "dial": ["wss://h/tunnel/"], "unix_name": "{username}"}, PbsConfig)
    unused: Any = None
    context = PluginContext(
        state_dir=tmp_path, runtime_dir=tmp_path, base_url="/", exposed=False, store=unused, clock=Quick(), secrets=Keys("m" * 40),
        agent_token=lambda start: f"token of {start}",
    )  # fmt: skip
    async with PbsSpawner.open(config, context) as opened:
        yield opened


async def test_a_server_is_submitted_followed_and_ended(pbs: Path, spawner: PbsSpawner) -> None:
    (pbs / "jobs.json").write_text(job("R", substate=42, exec_host="n1/0*2", stime="Tue Nov 14 22:15:00 2023"))
    (pbs / "over.json").write_text(job("F", substate=91, Exit_status=271))
    handle = Handle(server_id=ServerId(1), user_name=ME, server_name="", start_id="start1", state=None)
    request = StartRequest(
        handle=handle, prefix="/user/ada/", env={"JUPYTERHUB_API_URL": "https://h/hub/api"}, options={"time": "1:00:00", "cpus": 2, "gpus": "1"}
    )
    async with asyncio.timeout(30):
        events = [event async for event in spawner.start(request)]
    assert isinstance(events[0], Checkpoint)
    assert isinstance(events[-1], Address)
    assert events[-1].url == "tunnel://start1"
    words = (pbs / "words").read_text()
    assert "select=1:ncpus=2:ngpus=1" in words
    assert "walltime=01:00:00" in words
    assert "token of" not in words
    running = Handle(server_id=ServerId(1), user_name=ME, server_name="", start_id="start1", state=events[-1].state)
    assert [type(one) for one in await spawner.poll([running])] == [Running]
    async with asyncio.timeout(30):
        await spawner.stop(running, 1.0)
        assert (pbs / "deleted").read_text().split() == [JOB]
        while not isinstance((await spawner.poll([running]))[0], Exited):
            await asyncio.sleep(0.1)


def test_what_is_slurms_is_no_setting_of_pbs() -> None:
    for wrong in ({"slurm_conf": "/x"}, {"extend": "1:00:00"}, {"rest": {"url": "http+unix://x", "account": "a", "key_file": "/k"}}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"agent": "/a", **wrong}, PbsConfig)
    assert "qos" not in PbsConfig(agent="/a").shown
