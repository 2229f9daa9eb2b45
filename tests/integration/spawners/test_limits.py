"""Limits that the kernel keeps. Where it does not let us, that is said."""

import http.client
from pathlib import Path

import pytest

from perijove.adapters.spawners.local import cgroups
from perijove.adapters.spawners.local.limits import Limits
from perijove.domain.errors import SettingsError
from perijove.ports.spawner import Progress, Running

from .stage import Stage, ask

MB = 1024**2
ALL = Limits(memory=100 * MB, cpu=0.5, processes=50)


@pytest.fixture
def limited(privileged: Stage) -> Stage:
    if missing := cgroups.prepare(cgroups.find_cgroups()).missing(ALL):
        pytest.skip(f"this machine cannot limit: {missing}; run this test where the hub's control group is delegated")
    return privileged


async def test_a_server_that_takes_too_much_memory_is_ended_and_told_why(limited: Stage) -> None:
    async with limited.spawner(memory_limit=100 * MB) as spawner:
        handle = await limited.started(spawner)
        assert handle.state is not None
        groups = [Path(group) for group in handle.state["cgroups"]]
        assert ask(handle)["pid"] in cgroups.processes_in(groups[0])
        assert ask(handle, "hog/10") == 1
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            ask(handle, "hog/200")
        status = await limited.ended(spawner, handle)
        assert status.exit_code == -9
        assert "more than the 100 MB of memory it may use" in status.message
        await spawner.stop(handle, 1)
        assert not any(group.exists() for group in groups)


async def test_cores_and_processes_are_limited_and_all_it_starts_with_it(limited: Stage) -> None:
    async with limited.spawner(cpu_limit=0.5, process_limit=40) as spawner:
        handle = await limited.started(spawner)
        assert handle.state is not None
        below = ask(handle, "kernels")
        groups = [Path(group) for group in handle.state["cgroups"]]
        for group in groups:
            assert {ask(handle)["pid"], *below} <= set(cgroups.processes_in(group))
        settings = {
            file.name: file.read_text().strip()
            for group in groups
            for file in group.glob("*")
            if file.name in {"cpu.cfs_quota_us", "cpu.max", "pids.max"}
        }
        assert settings in ({"cpu.cfs_quota_us": "50000", "pids.max": "40"}, {"cpu.max": "50000 100000", "pids.max": "40"})
        assert ask(handle)["env"]["CPU_LIMIT"] == "0.5"
        assert await spawner.poll([handle]) == [Running()]
        await spawner.stop(handle, 1)
        assert not any(group.exists() for group in groups)


async def test_a_choice_of_memory_is_the_limit(limited: Stage) -> None:
    async with limited.spawner(memory_choices=(200 * MB, 400 * MB)) as spawner:
        handle = await limited.started(spawner, limited.request(memory=str(400 * MB)))
        assert ask(handle)["env"]["MEM_LIMIT"] == str(400 * MB)
        assert handle.state is not None
        await spawner.stop(handle, 1)
    assert not Path(handle.state["cgroups"][0]).parent.exists()  # the last hub leaves nothing behind


async def test_limits_that_cannot_be_kept_are_said_or_refused(stage: Stage) -> None:
    async with stage.spawner(memory_limit=100 * MB, cgroup="/no/such/group") as spawner:
        handle, events = await stage.drive(spawner, stage.request())
        assert any(isinstance(event, Progress) and "cannot limit: memory" in event.message for event in events)
        assert ask(handle)["env"]["MEM_LIMIT"] == str(100 * MB)
    with pytest.raises(SettingsError, match="cannot limit: memory"):
        async with stage.spawner(memory_limit=100 * MB, cgroup="/no/such/group", require_limits=True):
            pass
