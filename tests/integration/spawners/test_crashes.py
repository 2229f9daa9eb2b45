"""Whatever is killed, wherever: nothing is lost and nothing runs twice."""

import asyncio
import fcntl
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from perijove.adapters.spawners.local.state import read_state
from perijove.domain.errors import SpawnerError
from perijove.ports.spawner import Address, Exited, Handle, Running, StartRequest
from perijove.processes import launcher, launching
from perijove.processes.claims import Launched

from .stage import PYTHON, Stage, alive, ask, until

KILLED_AT_CALL = """
import os, runpy, signal, sys
DEPTH, NUMBER, LAUNCHER, MARK = {depth}, {number}, {launcher!r}, {mark!r}
depth = count = 0
def deadly(call):
    def called(*args, **more):
        global count
        count += 1
        if depth == DEPTH and count == NUMBER:
            os_open(MARK, 0o101, 0o600)
            os_kill(os_getpid(), 9)
        return call(*args, **more)
    return called
def forked():
    global depth, count
    depth, count = depth + 1, 0
os.register_at_fork(after_in_child=forked)
os_open, os_kill, os_getpid = os.open, os.kill, os.getpid
for name in {names!r}:
    setattr(os, name, deadly(getattr(os, name)))
sys.argv = [LAUNCHER]
runpy.run_path(LAUNCHER, run_name="__main__")
"""
CALLS = {
    *("fork", "setsid", "pipe", "close", "read", "write", "open", "link", "unlink", "waitpid", "dup2", "set_inheritable"),
    *("initgroups", "setresgid", "setresuid", "umask", "chdir", "access", "execve"),
}


def again(handle: Handle, request: StartRequest) -> StartRequest:
    return replace(request, handle=handle)


@pytest.mark.parametrize(("depth", "who"), [(0, "launcher"), (1, "supervisor"), (2, "server")])
async def test_killed_before_any_system_call_of_the_launcher_there_is_one_server_or_none(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, depth: int, who: str
) -> None:
    marks = stage.folder / "marks"
    marks.mkdir()
    marks.chmod(0o777)  # the future server is killed as its own account, too
    mark = marks / "mark"
    for number in range(1, 60):
        script = stage.folder / "deadly.py"
        script.write_text(KILLED_AT_CALL.format(depth=depth, number=number, launcher=launcher.__file__, mark=str(mark), names=CALLS))
        async with stage.spawner() as hub:
            request = stage.request()
            with monkeypatch.context() as patch:
                patch.setattr(launching, "_LAUNCHER", str(script))
                first: str | None = None
                try:
                    handle, _ = await stage.drive(hub, request)
                except SpawnerError as error:
                    first, handle = error.message, stage.handles[-1]
            place = f"{who}, call {number}: {first}"
            was_killed = mark.exists()
            mark.unlink(missing_ok=True)
            assert was_killed or first is None, place
        async with stage.spawner() as next_hub:
            try:
                handle, _ = await stage.drive(next_hub, again(handle, request))
            except SpawnerError:
                assert not stage.processes(request.handle.start_id), place
            else:
                assert stage.processes(request.handle.start_id) == {ask(handle)["pid"]}, place
                assert await next_hub.poll([handle]) == [Running()], place
            await next_hub.stop(handle, 5)
            assert not stage.processes(request.handle.start_id), place
        if not was_killed:
            break
    assert number > (1 if depth == 0 else 8)


async def test_a_hub_killed_at_any_line_leaves_one_server_or_none(stage: Stage) -> None:
    lines = await dying_hub(stage, stage.request(), 0)
    assert lines > 150
    for place in range(1, lines, lines // 16):
        request = stage.request()
        await dying_hub(stage, request, place)
        saved = stage.folder / "saved"
        handle = replace(request.handle, state=json.loads(saved.read_text()) if saved.exists() else None)
        if handle.state is None:
            assert not stage.processes(request.handle.start_id), place
        else:
            stage.handles.append(handle)
        async with stage.spawner() as hub:
            handle = await stage.started(hub, again(handle, request))
            assert stage.processes(request.handle.start_id) == {ask(handle)["pid"]}, place
            await hub.stop(handle, 5)
            assert not stage.processes(request.handle.start_id), place


async def dying_hub(stage: Stage, request: StartRequest, line: int) -> int:
    """Run a hub in a process of its own that kills itself before this line of the spawner's code (0: never); the lines it came to."""
    (stage.folder / "saved").unlink(missing_ok=True)
    program = [sys.executable, str(Path(__file__).with_name("dying_hub.py")), str(stage.folder), stage.account, request.handle.start_id, str(line)]
    process = await asyncio.create_subprocess_exec(*program, stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    if process.returncode == -signal.SIGKILL:
        return line
    assert process.returncode == 0
    if line:  # it had to look less often whether the server listens, so it never came to this line
        return 0
    async with stage.spawner() as hub:
        await hub.stop(replace(request.handle, state=json.loads((stage.folder / "saved").read_text())), 5)
    return int(output)


@pytest.mark.parametrize("events", [1, 2, 3])
async def test_a_start_that_was_dropped_goes_on_where_it_was(stage: Stage, events: int) -> None:
    async with stage.spawner() as hub:
        request = stage.request()
        handle, _ = await stage.drive(hub, request, until=events)
    async with stage.spawner() as next_hub:
        handle, seen = await stage.drive(next_hub, again(handle, request))
        assert isinstance(seen[-1], Address)
        assert stage.processes(request.handle.start_id) == {ask(handle)["pid"]}


async def test_many_starts_of_one_attempt_at_once_give_one_server(stage: Stage) -> None:
    async with stage.spawner() as one, stage.spawner() as other:
        request = stage.request()
        handle, _ = await stage.drive(one, request, until=1)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(stage.drive(hub, again(handle, request))) for hub in (one, other) * 4]
        numbers = {ask(task.result()[0])["pid"] for task in tasks}
        assert stage.processes(request.handle.start_id) == numbers
        assert len(numbers) == 1


async def test_whether_starting_or_stopping_is_first_nothing_is_left(stage: Stage) -> None:
    outcomes = set()
    async with stage.spawner() as one, stage.spawner() as other:
        for step in range(12):
            request = stage.request()
            handle, _ = await stage.drive(one, request, until=1)
            start = asyncio.create_task(stage.drive(one, again(handle, request)))
            await asyncio.sleep(step * 0.02)
            await other.stop(handle, 1)
            try:
                await start
                outcomes.add("stopped later")
            except SpawnerError as error:
                outcomes.add(error.message)
            assert not stage.processes(request.handle.start_id)
            assert isinstance((await one.poll([handle]))[0], Exited)
    assert len(outcomes) > 1, outcomes


async def test_an_attempt_that_was_stopped_never_starts_again(stage: Stage) -> None:
    async with stage.spawner() as hub:
        request = stage.request()
        handle, _ = await stage.drive(hub, request, until=1)
        await hub.stop(handle, 1)
        with pytest.raises(SpawnerError, match="called off"):
            await stage.drive(hub, again(handle, request))


async def test_a_cancelled_start_leaves_nothing_that_stopping_does_not_find(stage: Stage) -> None:
    async with stage.spawner() as hub:
        for step in range(8):
            request = stage.request()
            start = asyncio.create_task(stage.drive(hub, request))
            await asyncio.sleep(0.005 + step * 0.02)
            start.cancel()
            await asyncio.wait([start])
            handle = stage.handles[-1]
            if handle.start_id == request.handle.start_id:
                await hub.stop(handle, 1)
            await until(lambda: not stage.processes(request.handle.start_id), "nothing runs")  # noqa: B023 - awaited within the round


async def test_a_server_outlives_its_hub_and_is_found_by_the_next(stage: Stage) -> None:
    request = stage.request()
    await dying_hub(stage, request, 0)  # stops what it started: shows that the script works
    program = [sys.executable, str(Path(__file__).with_name("dying_hub.py")), str(stage.folder), stage.account, "outlives", "0"]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, start_new_session=True)
    assert process.communicate()[0]
    handle = replace(request.handle, start_id="outlives", state=json.loads((stage.folder / "saved").read_text()))
    stage.handles.append(handle)
    async with stage.spawner() as hub:
        assert await hub.poll([handle]) == [Running()]
        (pid,) = stage.processes("outlives")
        assert os.getpgid(pid) == pid
        await hub.stop(handle, 5)
        assert not alive(pid)


async def test_a_reused_pid_is_neither_taken_for_the_server_nor_killed(stage: Stage) -> None:
    async with stage.spawner() as hub:
        handle = await stage.started(hub)
        assert handle.state is not None
        run = read_state(handle.state).run
        claim = run.claim()
        assert isinstance(claim, Launched)
        assert read_state(handle.state).launched == claim
        ask(handle, "end/0")
        await stage.ended(hub, handle)
    with subprocess.Popen([PYTHON, "-c", "import time; print(flush=True); time.sleep(600)"], stdout=subprocess.PIPE) as innocent:
        assert innocent.stdout is not None
        innocent.stdout.readline()
        old = claim.supervisor.started
        handle = replace(handle, state={**handle.state, "processes": [innocent.pid, old, innocent.pid, old]})
        async with stage.spawner() as next_hub:
            assert await next_hub.poll([handle]) == [Exited(0, "The server ended by itself (exit code 0).")]
            await next_hub.stop(handle, 1)
        assert innocent.poll() is None
        innocent.kill()


async def test_without_its_supervisor_a_server_is_still_seen_and_ended_with_its_kernels(stage: Stage) -> None:
    async with stage.spawner() as hub:
        handle = await stage.started(hub)
        assert handle.state is not None
        claim = read_state(handle.state).run.claim()
        assert isinstance(claim, Launched)
        kernel, daemon = ask(handle, "kernels")
        os.kill(claim.supervisor.pid, signal.SIGKILL)
        await until(lambda: not claim.supervisor.alive(), "the supervisor is gone")
        assert await hub.poll([handle]) == [Running()]
        await hub.stop(handle, 5)
        assert not alive(kernel)
        assert not alive(claim.server.pid)
        assert (await hub.poll([handle]))[0] == Exited(None, "The server ended, and nobody was left to see how: its supervisor was killed too.")
        if alive(daemon):  # without supervisor and control group nothing ties it to the server any more
            os.kill(daemon, signal.SIGKILL)


async def test_a_server_is_not_lost_with_its_claim_and_its_folder_is_guarded_from_cleaners(stage: Stage) -> None:
    async with stage.spawner() as hub:
        handle = await stage.started(hub)
        assert handle.state is not None
        run = read_state(handle.state).run
        descriptor = os.open(run.folder, os.O_RDONLY)
        with pytest.raises(BlockingIOError):  # as systemd-tmpfiles tries before it clears a folder
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)
        run.claim_file.unlink()
    async with stage.spawner() as next_hub:
        assert await next_hub.poll([handle]) == [Running()]
        pid = ask(handle)["pid"]
        await next_hub.stop(handle, 5)
        assert not alive(pid)


async def test_after_a_restart_of_the_machine_the_attempt_begins_anew(stage: Stage) -> None:
    async with stage.spawner() as hub:
        request = stage.request()
        handle, _ = await stage.drive(hub, request, until=1)
        assert handle.state is not None
        before = replace(handle, state={**handle.state, "boot": "another", "key": "0" * 16})
        assert await hub.poll([before]) == [Exited(None, "The machine was restarted.")]
        fresh = await stage.started(hub, again(before, request))
        assert ask(fresh)["uid"][0] == stage.uid


async def test_another_machines_server_is_never_taken_for_dead(stage: Stage) -> None:
    async with stage.spawner() as hub:
        handle, _ = await stage.drive(hub, stage.request(), until=1)
        assert handle.state is not None
        far = replace(handle, state={**handle.state, "boot": "another", "machine": "elsewhere"})
        (status,) = await hub.poll([far])
        assert "elsewhere" in getattr(status, "message", "")
        assert not isinstance(status, Exited)
        with pytest.raises(SpawnerError, match="belongs to the machine elsewhere"):
            await hub.stop(far, 1)
