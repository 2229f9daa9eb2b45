"""Start, look, stop: with real processes."""

import asyncio
import os
import signal
import socket
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from perijove.domain.errors import SpawnerError
from perijove.ports.spawner import Address, Checkpoint, Exited, Progress, Running

from .stage import TOKEN, Stage, alive, ask, until


async def test_a_server_runs_with_its_environment_and_nothing_of_the_hubs(stage: Stage) -> None:
    async with stage.spawner(environment={"COURSE": "for {username}"}, args=("--who={username}",), memory_limit=2 * 1024**3) as spawner:
        handle, events = await stage.drive(spawner, stage.request())
        assert isinstance(events[0], Checkpoint)
        assert isinstance(events[-1], Address)
        assert any(isinstance(event, Progress) for event in events)
        about = ask(handle)
        env = about["env"]
        assert about["uid"] == [stage.uid] * 3
        assert about["cwd"] == env["HOME"]
        assert about["umask"] == 0o077
        assert about["argv"] == ["--who=alice"]
        assert env["JUPYTERHUB_API_TOKEN"] == TOKEN
        assert env["COURSE"] == "for alice"
        assert env["MEM_LIMIT"] == str(2 * 1024**3)
        assert env["LC_ALL"] == "C.UTF-8"
        assert env["USER"] == env["LOGNAME"] == stage.account
        assert "HUB_SECRET" not in env
        assert about["descriptors"] <= 6  # its input, output, sockets, and the folder it lists: none of ours
        assert await spawner.poll([handle]) == [Running()]


async def test_the_token_is_in_no_argument_and_no_file(stage: Stage) -> None:
    async with stage.spawner() as spawner:
        handle = await stage.started(spawner)
        await until(lambda: "begins" in (stage.folder / "state/logs/alice/server.log").read_text(), "the log")
        for file in stage.folder.rglob("*"):
            if file.is_file():
                assert TOKEN.encode() not in file.read_bytes()
        everybody = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, check=True).stdout
        assert b"little_server.py" in everybody
        assert TOKEN.encode() not in everybody
        assert TOKEN not in str(handle.state)


async def test_stopping_ends_kernels_in_other_sessions_and_daemons_too(stage: Stage) -> None:
    async with stage.spawner() as spawner:
        handle = await stage.started(spawner)
        below = ask(handle, "kernels")
        assert all(map(alive, below))
        await spawner.stop(handle, grace_s=5)
        assert not any(map(alive, below))
        assert [type(status) for status in await spawner.poll([handle])] == [Exited]
        assert not Path(unquote(urlsplit(handle.address or "").netloc)).parent.exists()
        await spawner.stop(handle, grace_s=5)


async def test_a_server_that_will_not_end_is_ended(stage: Stage) -> None:
    async with stage.spawner(args=("--stubborn",)) as spawner:
        handle = await stage.started(spawner)
        pid = ask(handle)["pid"]
        await spawner.stop(handle, grace_s=0.3)
        assert not alive(pid)


async def test_what_a_server_leaves_behind_when_it_ends_is_ended_and_its_exit_code_kept(stage: Stage) -> None:
    async with stage.spawner() as spawner:
        handle = await stage.started(spawner)
        below = ask(handle, "kernels")
        ask(handle, "end/3")
        await until(lambda: not any(map(alive, below)), "the kernels end with their server")
    async with stage.spawner() as next_hub:
        assert await stage.ended(next_hub, handle) == Exited(3, "The server ended with exit code 3; its log says why.")


async def test_a_signal_is_told_by_name(stage: Stage) -> None:
    async with stage.spawner() as spawner:
        handle = await stage.started(spawner)
        os.kill(ask(handle)["pid"], signal.SIGSEGV)
        assert await stage.ended(spawner, handle) == Exited(-signal.SIGSEGV, "The server was killed by SIGSEGV.")


async def test_a_server_that_dies_at_once_says_so(stage: Stage) -> None:
    async with stage.spawner(args=("--fail", "7")) as spawner:
        request = stage.request()
        with pytest.raises(SpawnerError, match="exit code 7"):
            await stage.drive(spawner, request)
        assert "the little server begins alice" in await spawner.log_tail(request.handle, 1000)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("/nowhere/at-all",), "cannot run the server command /nowhere/at-all: No such file"),
        (("no-such-program-anywhere",), "cannot run the server command no-such-program-anywhere"),
        (("/etc/passwd",), "cannot run the server command /etc/passwd: Permission denied"),
    ],
)
async def test_a_command_that_cannot_run_is_named_and_nothing_is_left(stage: Stage, command: tuple[str, ...], said: str) -> None:
    async with stage.spawner(command=command) as spawner:
        request = stage.request()
        with pytest.raises(SpawnerError, match=said) as first:
            await stage.drive(spawner, request)
        assert stage.account in first.value.message
        # a hub that died before it could write that down hears it again
        with pytest.raises(SpawnerError, match=said):
            await stage.drive(spawner, type(request)(handle=stage.handles[-1], prefix=request.prefix, env=request.env))
        assert not stage.processes(request.handle.start_id)


async def test_a_port_is_used_where_sockets_are_not_possible(stage: Stage) -> None:
    async with stage.spawner(listen="tcp") as spawner:
        handle = await stage.started(spawner)
        assert urlsplit(handle.address or "").hostname == "127.0.0.1"
        assert ask(handle)["uid"][0] == stage.uid
        assert ask(handle)["env"]["JUPYTERHUB_SERVICE_URL"] == f"{handle.address}/user/alice/"


async def test_one_person_can_have_several_servers(stage: Stage) -> None:
    async with stage.spawner() as spawner:
        default, lab = await stage.started(spawner), await stage.started(spawner, stage.request("lab"))
        assert ask(default)["pid"] != ask(lab)["pid"]
        await spawner.stop(default, 5)
        assert await spawner.poll([lab]) == [Running()]
        ask(lab, "say/only-lab")
        assert "only-lab" in await spawner.log_tail(lab, 4000)
        assert "only-lab" not in await spawner.log_tail(default, 4000)


async def test_a_log_stays_within_its_size_and_the_one_before_is_kept(stage: Stage) -> None:
    async with stage.spawner(log_size=65536) as spawner:
        handle = await stage.started(spawner)
        ask(handle, "flood/3000")
        ask(handle, "say/last-words")
        log = stage.folder / "state/logs/alice/server.log"
        await until(lambda: log.exists() and "last-words" in log.read_text(), "the end of the flood")
        assert sum(file.stat().st_size for file in log.parent.iterdir()) < 4 * 65536
        assert "last-words\n" in await spawner.log_tail(handle, 200)
        assert len(await spawner.log_tail(handle, 200)) <= 200
        await spawner.stop(handle, 5)
        again = await stage.started(spawner)
        await until(lambda: "begins" in log.read_text(), "the next log")
        assert "last-words" in log.with_name("server.log.1").read_text()
        await spawner.stop(again, 5)
        await spawner.forget("alice", "")
        assert not log.parent.exists()
        assert await spawner.log_tail(handle, 200) == ""


async def test_polling_hundreds_asks_the_kernel_once_for_each(stage: Stage) -> None:
    async with stage.spawner() as spawner:
        handle = await stage.started(spawner)
        await spawner.poll([handle])
        begun = asyncio.get_running_loop().time()
        statuses = await spawner.poll([handle] * 500)
        assert statuses == [Running()] * 500
        assert asyncio.get_running_loop().time() - begun < 0.5


async def test_a_link_in_place_of_the_socket_is_never_followed(stage: Stage) -> None:
    """Behind it could be any socket that the proxy may open and the account may not."""
    with socket.socket(socket.AF_UNIX) as theirs:
        path = stage.folder / "theirs"
        theirs.bind(str(path))
        theirs.listen()
        # listens, and then puts the link in the place of its socket
        trick = (
            "import os, socket, urllib.parse as u\n"
            "path = u.unquote(u.urlsplit(os.environ['JUPYTERHUB_SERVICE_URL']).netloc)\n"
            "s = socket.socket(socket.AF_UNIX); s.bind(path)\n"
            f"os.rename(path, path + 'x'); os.symlink({str(path)!r}, path)\n"
            "s.listen(); import time; time.sleep(600)"
        )
        async with stage.spawner(command=("/usr/bin/python3", "-c", trick)) as spawner:
            with pytest.raises(SpawnerError, match="not this server"):
                await stage.drive(spawner, stage.request())
