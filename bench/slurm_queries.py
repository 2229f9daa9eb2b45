"""How many commands a minute ask Slurm's controller about 300 servers: ours, and batchspawner's SlurmSpawner. `slurm_queries.py PYTHON`

PYTHON is one of an environment with jupyterhub 6.1 and batchspawner. Both sides run the same counting squeue, as real processes; there is no cluster. Ours runs
twelve minutes of a turned clock, of which the last ten count; theirs real time, 10 s of waiting and 60 s of running.
"""

import asyncio
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import msgspec

from perijove.adapters.keys import Keys
from perijove.adapters.spawners.batch.settings import Config
from perijove.adapters.spawners.batch.slurm import AsMyself, Commands, SlurmQueue
from perijove.adapters.spawners.batch.spawner import BatchSpawner
from perijove.domain.server import ServerId
from perijove.ports.plugin import PluginContext
from perijove.ports.spawner import Handle, StartRequest
from perijove.testing.clock import FakeClock

PEOPLE = 300
COUNTED_S = 600
SQUEUE = """#!/bin/sh
echo squeue >> {folder}/asked
case "$*" in *"%T %B"*) echo "{state} n1"; exit;; esac
cat {folder}/jobs
"""
THEIRS = Path(__file__).with_name("slurm_queries_batchspawner.py")


def cluster(folder: Path, state: str) -> Path:
    """The folder of a squeue that says of all jobs that they are in this state."""
    folder.mkdir()
    squeue = folder / "squeue"
    squeue.write_text(SQUEUE.format(folder=folder, state=state))
    squeue.chmod(0o755)
    for other in ("sacct", "scontrol"):
        (folder / other).write_text(f"#!/bin/sh\necho {other} >> {folder}/asked\n")
        (folder / other).chmod(0o755)
    from_us = (f"{n}\x1f{state}\x1fNone\x1fn1\x1fn1\x1f\x1f\x1f\x1fmain\x1fperijove-{n}\x1fu\x1f\n" for n in range(1, PEOPLE + 1))
    (folder / "jobs").write_text("".join(from_us))
    (folder / "asked").touch()
    return folder


def asked(folder: Path) -> int:
    return len((folder / "asked").read_text().split())


def handle(number: int) -> Handle:
    state = {"name": f"perijove-{number}", "person": "u", "job": str(number)}
    return Handle(server_id=ServerId(number), user_name="u", server_name="", start_id=str(number), state=state)


async def ours(folder: Path, replicas: int, *, waiting: bool) -> float:
    """Commands a minute. Starts are spread over the replicas; one of them polls what runs, every 30 s."""
    clock = FakeClock()
    none = cast("Any", None)
    context = PluginContext(
        state_dir=folder,
        runtime_dir=folder,
        base_url="/",
        exposed=False,
        store=none,
        clock=clock,
        secrets=Keys("k" * 40),
        agent_url="wss://hub/tunnel/",
    )
    queue = SlurmQueue(Commands(bin=str(folder)), AsMyself())
    spawners = [BatchSpawner(msgspec.convert({"agent": "/agent"}, Config), queue, context) for _ in range(replicas)]

    async def started(number: int) -> None:
        request = StartRequest(handle=handle(number), prefix="/", env={})
        async for _ in spawners[number % replicas].start(request):
            pass

    async def polled() -> None:
        while True:
            await spawners[0].poll([handle(n) for n in range(1, PEOPLE + 1)])
            await clock.sleep(30)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.run()) for one in spawners]
        tasks += [group.create_task(started(n)) for n in range(1, PEOPLE + 1)] if waiting else [group.create_task(polled())]
        before = 0
        for second in range(120 + COUNTED_S):
            if second == 120:
                before = asked(folder)
            await clock.turn(1)
            await asyncio.sleep(0.02)  # a process needs a real moment
        counted = asked(folder) - before
        for task in tasks:
            task.cancel()
    return counted * 60 / COUNTED_S


def theirs(python: str, folder: Path, *, waiting: bool) -> float:
    """Commands a minute."""
    seconds = 10 if waiting else 60
    subprocess.run([python, str(THEIRS), "waiting" if waiting else "running", str(PEOPLE), str(seconds), str(folder)], check=True)
    return asked(folder) * 60 / seconds


async def main(python: str) -> None:
    with tempfile.TemporaryDirectory() as place, suppress(KeyboardInterrupt):
        for word, waiting in (("PENDING", True), ("RUNNING", False)):
            other = asyncio.create_task(asyncio.to_thread(theirs, python, cluster(Path(place, f"theirs-{word}"), word), waiting=waiting))
            if waiting:
                await other  # it takes all of the machine
            own = {n: await ours(cluster(Path(place, f"{word}-{n}"), word), n, waiting=waiting) for n in (1, 3)}
            for replicas, each in own.items():
                theirs_is = await other
                print(
                    f"{PEOPLE} {word}: {each:.1f} a minute with {replicas} replicas, batchspawner {theirs_is:.0f}, ratio {theirs_is / each:.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
