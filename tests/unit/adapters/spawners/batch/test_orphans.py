"""Jobs of this site that belong to no server are cancelled; those that belong to one, are young, or are another site's, are not."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from perijove.adapters.keys import Keys
from perijove.adapters.spawners.batch.settings import Config
from perijove.adapters.spawners.batch.spawner import ORPHANS_S, SWEEP_S, BatchSpawner
from perijove.adapters.store_sql import open_store
from perijove.domain.batch.status import JobId, JobStatus, State
from perijove.domain.server import Phase, ServerId
from perijove.ports.plugin import PluginContext
from perijove.ports.spawner import Handle
from perijove.ports.store.store import Store
from perijove.testing.clock import FakeClock
from perijove.wire.names import DEFAULT_SERVER


class Crowd:
    """A cluster's queue, as far as it is asked here."""

    def __init__(self, jobs: Sequence[JobStatus]) -> None:
        self.jobs = {job.job: job for job in jobs}
        self.cancelled: list[tuple[str, JobId]] = []

    async def living(self, prefix: str) -> Sequence[JobStatus]:
        return [job for job in self.jobs.values() if job.name.startswith(prefix)]

    async def query(self, jobs: Sequence[JobId]) -> dict[JobId, JobStatus]:
        return {job: self.jobs[job] for job in jobs if job in self.jobs}

    async def cancel(self, person: str, job: JobId, *, force: bool = False) -> None:
        self.cancelled.append((person, job))


@asynccontextmanager
async def site(tmp_path: Path, clock: FakeClock) -> AsyncIterator[tuple[Store, PluginContext]]:
    async with open_store(f"sqlite:///{tmp_path / 'hub.sqlite'}", pool_size=1, clock=clock) as store:
        secrets = Keys("m" * 40)
        yield store, PluginContext(state_dir=tmp_path, runtime_dir=tmp_path, base_url="/", exposed=False, store=store, clock=clock, secrets=secrets)


def job(number: int, name: str, at: datetime) -> JobStatus:
    return JobStatus(job=JobId(str(number)), state=State.RUNNING, name=name, user="alice", submitted=at)


@pytest.mark.parametrize("phase", [Phase.READY, Phase.STARTING, Phase.STOPPING])
async def test_only_what_belongs_to_nobody_is_cancelled(tmp_path: Path, phase: Phase) -> None:
    clock = FakeClock()
    async with site(tmp_path, clock) as (store, context):

        def write(tx: Any) -> tuple[int, int]:
            alice = tx.users.add("alice", now=clock.now())
            living = tx.servers.save(replace(tx.servers.add(alice.id, DEFAULT_SERVER, now=clock.now()), phase=phase, start_id="lives"))
            ended = tx.servers.save(replace(tx.servers.add(alice.id, "two", now=clock.now()), phase=Phase.STOPPED, start_id="over"))
            return living.id, ended.id

        living, ended = await store.write(write)
        config = Config(agent="/opt/perijove-agent")
        prefix = BatchSpawner(config, Crowd([]), context)._jobs.prefix  # type: ignore[arg-type]
        long_ago, now = clock.now() - timedelta(days=1), clock.now() + timedelta(seconds=ORPHANS_S)
        names = [f"{prefix}{living}-lives", f"{prefix}{living}-before", f"{prefix}{ended}-over", f"{prefix}999-gone", f"{prefix}strange",
                 f"perijove-otherone-{living}-x"]  # fmt: skip
        crowd = Crowd([*(job(number, name, long_ago) for number, name in enumerate(names)), job(77, f"{prefix}999-young", now)])
        spawner = BatchSpawner(config, crowd, context)  # type: ignore[arg-type]  # the methods that are needed here
        handle = Handle(
            server_id=ServerId(living), user_name="alice", server_name="", start_id="lives", state={"name": names[0], "person": "alice", "job": "0"}
        )
        working = asyncio.create_task(spawner.run())
        looking = asyncio.create_task(spawner.poll([handle]))
        await clock.turn_until(looking.done)
        await clock.turn_until(lambda: len(crowd.cancelled) >= 3, step_s=SWEEP_S)
        working.cancel()
    assert sorted(crowd.cancelled) == [("alice", "1"), ("alice", "2"), ("alice", "3")]
