"""Processes of managed services, without a hub: nothing of them stays, and their output is kept within its size."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from perijove.adapters.services import LocalServiceProcesses
from perijove.adapters.services.places import LOG_SIZE
from perijove.adapters.system_clock import SystemClock
from perijove.ports.service_processes import ServiceOrder, ServiceProcessError
from perijove.processes.process import this_process

FAMILY = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open(sys.argv[1], "w").write(str(os.getpid()))
        os.rename(sys.argv[1], sys.argv[1] + ".done")
time.sleep(3600)
"""


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[LocalServiceProcesses]:
    async with AsyncExitStack() as stack:
        yield await _open(stack, tmp_path)


async def _open(stack: AsyncExitStack, folder: Path) -> LocalServiceProcesses:
    for name in ("run", "state"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    return await stack.enter_async_context(
        LocalServiceProcesses.open(
            runtime_dir=folder / "run", state_dir=folder / "state", clock=SystemClock(), environ={"LANG": "C.UTF-8", "KEY": "hub's"}
        )
    )


def order(*command: str, **more: str) -> ServiceOrder:
    return ServiceOrder(name="thing", command=command, env={"GIVEN": "yes"}, **more)


async def until(path: Path) -> str:
    async with asyncio.timeout(20):
        while not path.exists():
            await asyncio.sleep(0.01)
    return path.read_text()


async def gone(pid: int) -> None:
    async with asyncio.timeout(20):
        while (process := this_process(pid)) is not None and process.alive():
            await asyncio.sleep(0.01)


async def test_it_ends_with_its_exit_code_and_what_it_said(processes: LocalServiceProcesses, tmp_path: Path) -> None:
    await processes.start(order("sh", "-c", "echo $GIVEN $KEY $LANG token=abcdefghijklmnopqrst; exit 5"))
    assert await processes.ended("thing") == 5
    assert await processes.output("thing", 1000) == "yes C.UTF-8 token=(hidden)\n"
    await processes.start(order("sh", "-c", "kill -9 $$"))
    assert await processes.ended("thing") == -signal.SIGKILL
    assert "yes" in await processes.output("thing", 1000)  # the earlier ones' output stays
    assert not list((tmp_path / "run" / "claims").iterdir())


async def test_its_secrets_are_not_shown_should_it_write_them(processes: LocalServiceProcesses) -> None:
    secret = ServiceOrder(name="thing", command=("sh", "-c", "echo my key is $KEY!"), env={"KEY": "swordfish"}, secrets=["swordfish"])
    await processes.start(secret)
    await processes.ended("thing")
    assert await processes.output("thing", 1000) == "my key is (hidden)!\n"


async def test_what_it_started_is_ended_with_it_by_force_if_need_be(processes: LocalServiceProcesses, tmp_path: Path) -> None:
    pid = await processes.start(order(sys.executable, "-c", FAMILY, str(tmp_path / "child")))
    child = int(await until(tmp_path / "child.done"))
    assert await processes.end("thing", 0.2) == -signal.SIGKILL
    await gone(pid)
    await gone(child)
    assert await processes.end("thing", 0.2) is None  # nothing is left to end


async def test_what_a_killed_hub_left_is_ended_before_anything_else_though_its_supervisor_was_killed(tmp_path: Path) -> None:
    async with AsyncExitStack() as before, AsyncExitStack() as after:
        killed = await _open(before, tmp_path)
        pid = await killed.start(order(sys.executable, "-c", FAMILY, str(tmp_path / "child")))
        child = int(await until(tmp_path / "child.done"))
        supervisor = int((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
        os.kill(supervisor, signal.SIGKILL)
        await gone(supervisor)
        later = await _open(after, tmp_path)
        assert await later.end_strays(0.2) == 1
        await gone(pid)
        await gone(child)
        assert await later.end_strays(0.2) == 0
        assert await killed.ended("thing") is None  # nobody was left to see how


async def test_it_ends_when_the_hub_lets_go_of_it(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        processes = await _open(stack, tmp_path)
        pid = await processes.start(order("sleep", "3600"))
        assert (found := this_process(pid)) is not None
        assert found.alive()
    await gone(pid)
    assert not list((tmp_path / "run").glob("life-*"))


async def test_output_is_kept_within_its_size(processes: LocalServiceProcesses, tmp_path: Path) -> None:
    line = "x" * 99
    await processes.start(order("sh", "-c", f"yes {line} | head -c {3 * LOG_SIZE}; echo the end"))
    assert await processes.ended("thing") == 0
    assert (await processes.output("thing", 1000)).endswith("the end\n")
    sizes = [file.stat().st_size for file in (tmp_path / "state").iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= LOG_SIZE + 65536


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (order("no-such-program"), "no-such-program"),
        (order("/etc/passwd"), "Permission denied"),
        (order("true", cwd="/no/such/folder"), "/no/such/folder"),
        (order("true", user="no-such-account"), "no such account"),
    ],
)
async def test_what_cannot_be_started_is_told_in_words(processes: LocalServiceProcesses, tmp_path: Path, asked: ServiceOrder, words: str) -> None:
    with pytest.raises(ServiceProcessError, match=words) as caught:
        await processes.start(asked)
    assert "administrator" in caught.value.hint
    assert not list((tmp_path / "run").glob("*-*/"))
    assert await processes.end("thing", 0.1) is None
