"""Servers as jobs, on a queue in memory and a clock that is turned by hand."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from perijove.adapters.keys import Keys
from perijove.adapters.spawners.batch.settings import Config
from perijove.adapters.spawners.batch.spawner import AGAIN_S, IDLE_S, SWEEP_S, BatchSpawner
from perijove.domain.batch.status import Cause, Ending, JobId, State
from perijove.domain.errors import BadOptionsError, SpawnerError
from perijove.domain.server import ServerId
from perijove.ports.plugin import PluginContext
from perijove.ports.spawner import Handle, Pending, Progress, Running, StartRequest, Unclear
from perijove.testing.clock import FakeClock
from perijove.testing.fake_queue import FakeQueue
from perijove.testing.spawner_conformance import Attempt, SpawnerConformance, Subject

JOB = JobId("1")


def config(**more: Any) -> Config:
    return msgspec.convert({"agent": "/opt/agent", "unix_name": "u-{username}", **more}, Config)


def request(server_name: str = "", **options: Any) -> StartRequest:
    start_id = secrets.token_hex(8)
    handle = Handle(server_id=ServerId(secrets.randbelow(10**9)), user_name="alice", server_name=server_name, start_id=start_id, state=None)
    env = {"JUPYTERHUB_API_URL": "https://hub/hub/api", "JUPYTERHUB_API_TOKEN": "secret-of-the-server"}
    return StartRequest(handle=handle, prefix="/user/alice/", env=env, options=options)


class House:
    """One cluster, and any number of hubs."""

    def __init__(self, **queue: Any) -> None:
        self.clock = FakeClock()
        self.queue = FakeQueue(self.clock, **queue)

    @asynccontextmanager
    async def hub(self, **more: Any) -> AsyncIterator[BatchSpawner]:
        context = PluginContext(
            state_dir=Path("/nowhere"),
            runtime_dir=Path("/nowhere"),
            base_url="/",
            exposed=True,
            store=cast("Any", None),
            clock=self.clock,
            secrets=Keys("k" * 40),
            agent_url="wss://hub/tunnel/",
            agent_token=lambda start_id: f"token-of-{start_id}",
        )
        spawner = BatchSpawner(config(**more), self.queue, context)
        async with asyncio.TaskGroup() as group:
            working = group.create_task(spawner.run())
            yield spawner
            working.cancel()

    @asynccontextmanager
    async def starting(self, spawner: BatchSpawner, attempt: Attempt) -> AsyncIterator["asyncio.Task[Attempt]"]:
        task = asyncio.create_task(attempt.drive(spawner))
        try:
            yield task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, SpawnerError):
                await task

    async def has_said(self, attempt: Attempt, words: str) -> None:
        await self.clock.turn_until(lambda: any(words in event.message for event in attempt.events if isinstance(event, Progress)))

    async def until(self, task: "asyncio.Task[Any]") -> Any:
        await self.clock.turn_until(task.done)
        return task.result()

    async def did(self, work: Any) -> Any:
        return await self.until(asyncio.ensure_future(work))


@pytest.fixture
def house() -> House:
    return House()


@asynccontextmanager
async def waiting(house: House, spawner: BatchSpawner, **options: Any) -> AsyncIterator[tuple[Attempt, "asyncio.Task[Attempt]"]]:
    attempt = Attempt(request(**options))
    async with house.starting(spawner, attempt) as task:
        await house.has_said(attempt, "It waits in the queue")
        yield attempt, task


async def test_a_job_whose_answer_was_lost_is_found_again(house: House) -> None:
    house.queue.loses_answers = 2
    house.queue.starts_at_once = True
    async with house.hub() as spawner:
        attempt = Attempt(request())
        async with house.starting(spawner, attempt) as task:
            await house.until(task)
    assert attempt.up
    assert house.queue.alive() == [JOB]
    assert len(house.queue.submitted) == 1


async def test_two_replicas_that_submit_at_once_leave_one_job(house: House) -> None:
    house.queue.blind = 2
    one = request()
    first, second = Attempt(one), Attempt(one)
    async with house.hub() as left, house.hub() as right, house.starting(left, first) as a, house.starting(right, second) as b:
        await house.has_said(first, "It waits in the queue")
        await house.has_said(second, "It waits in the queue")
        assert len(house.queue.submitted) == 2
        assert house.queue.alive() == [JOB]
        house.queue.put(JOB, State.RUNNING)
        await house.until(a)
        await house.until(b)
    assert [(attempt.handle.state or {})["job"] for attempt in (first, second)] == [JOB, JOB]


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
async def test_a_start_that_was_broken_off_goes_on_with_the_job_there_is(house: House, steps: int) -> None:
    attempt = Attempt(request())
    async with house.hub() as spawner:
        await house.did(attempt.drive(spawner, steps))
    async with house.hub() as spawner, house.starting(spawner, attempt) as task:
        await house.has_said(attempt, "It waits in the queue")
        house.queue.put(JOB, State.RUNNING)
        await house.until(task)
    assert attempt.handle.address == f"tunnel://{attempt.handle.start_id}"
    assert house.queue.alive() == [JOB]


async def test_a_job_that_was_submitted_before_its_number_was_kept_is_taken_up(house: House) -> None:
    attempt = Attempt(request())
    async with house.hub() as spawner:
        await house.did(attempt.drive(spawner, 1))
        house.queue.starts_at_once = True
        await house.did(Attempt(attempt.request).drive(spawner, 2))  # its checkpoint with the number is lost with the hub
        assert "job" not in (attempt.handle.state or {})
        (status,) = await house.did(spawner.poll([attempt.handle]))
        assert isinstance(status, Running)
        await house.did(attempt.drive(spawner))
    assert len(house.queue.submitted) == 1


async def test_a_start_while_the_scheduler_is_away_says_so_and_submits_when_it_is_back(house: House) -> None:
    house.queue.away = True
    attempt = Attempt(request())
    async with house.hub() as spawner, house.starting(spawner, attempt) as task:
        await house.has_said(attempt, "The scheduler does not take jobs just now")
        assert [event.waits for event in attempt.events if isinstance(event, Progress) and "does not take" in event.message] == [True]
        house.queue.away = False
        house.queue.starts_at_once = True
        await house.clock.turn(AGAIN_S)
        await house.until(task)
    assert attempt.up


async def test_a_server_is_unclear_and_never_ended_while_the_scheduler_is_away() -> None:
    house = House(starts_at_once=True)
    async with house.hub() as spawner:
        attempt = await house.did(Attempt(request()).drive(spawner))
        nameless = replace(attempt.handle, state={name: value for name, value in attempt.handle.state.items() if name != "job"})
        house.queue.away = True
    async with house.hub() as spawner:
        for _ in range(5):
            statuses = await house.did(spawner.poll([attempt.handle, nameless]))
            assert [type(status) for status in statuses] == [Unclear, Unclear]
            await house.clock.turn(120)
        house.queue.away = False
        await house.clock.turn(300)
        assert [type(status) for status in await house.did(spawner.poll([attempt.handle]))] == [Running]


async def test_a_job_that_will_never_begin_is_cancelled_and_told_why(house: House) -> None:
    async with house.hub() as spawner, waiting(house, spawner) as (_, task):
        house.queue.put(JOB, State.PENDING, "PartitionTimeLimit")
        with pytest.raises(SpawnerError, match="more time than its partition allows") as refused:
            await house.until(task)
    assert "ask for less" in refused.value.hint
    assert house.queue.alive() == []


async def test_a_held_job_waits_and_says_who_can_release_it(house: House) -> None:
    async with house.hub() as spawner, waiting(house, spawner) as (attempt, _):
        house.queue.put(JOB, State.PENDING, "JobHeldAdmin")
        await house.has_said(attempt, "An administrator holds it back")
        assert house.queue.alive() == [JOB]


async def test_a_job_that_waits_longer_than_the_site_allows_is_cancelled(house: House) -> None:
    async with house.hub(queue_timeout=3600) as spawner, waiting(house, spawner) as (_, task):
        await house.clock.turn(3500)
        assert house.queue.alive() == [JOB]
        await house.clock.turn(120)
        with pytest.raises(SpawnerError, match="did not begin within 60 minutes"):
            await house.until(task)
    assert house.queue.alive() == []


@pytest.mark.parametrize(
    ("ending", "words"),
    [(Ending(Cause.CANCELLED, by="root"), "cancelled by root"), (Ending(Cause.NODE_FAILURE), "node failed"), (Ending(Cause.FAILED, 7), "code 7")],
)
async def test_a_job_that_ends_while_it_waits_fails_the_start_with_its_reason(house: House, ending: Ending, words: str) -> None:
    async with house.hub() as spawner, waiting(house, spawner) as (_, task):
        house.queue.put(JOB, State.ENDED, ending=ending)
        with pytest.raises(SpawnerError, match=words):
            await house.until(task)


async def test_a_waiting_job_can_be_stopped(house: House) -> None:
    async with house.hub() as spawner, waiting(house, spawner) as (attempt, _):
        await house.did(spawner.stop(attempt.handle, 10))
        assert house.queue.alive() == []


async def test_a_job_that_does_not_end_in_its_time_is_ended_by_force() -> None:
    house = House(starts_at_once=True)
    async with house.hub() as spawner:
        attempt = await house.did(Attempt(request()).drive(spawner))
        house.queue.stubborn = True
        began = house.clock.monotonic()
        await house.did(spawner.stop(attempt.handle, 30))
    assert house.queue.asked.count("cancel by force") == 1
    assert house.clock.monotonic() - began >= 30
    assert house.queue.alive() == []


async def test_what_is_submitted_after_its_stop_is_cancelled(house: House) -> None:
    attempt = Attempt(request())
    async with house.hub() as late, house.hub() as spawner:
        await house.did(attempt.drive(late, 1))
        await house.did(spawner.stop(attempt.handle, 1))
        await house.did(Attempt(attempt.request).drive(late, 2))
        assert house.queue.alive() == [JOB]
        await house.clock.turn(SWEEP_S)
        assert house.queue.alive() == []


async def test_a_server_that_was_put_back_or_stands_still_has_not_ended() -> None:
    house = House(starts_at_once=True)
    async with house.hub() as spawner:
        attempt = await house.did(Attempt(request()).drive(spawner))
        for state, status in [(State.SUSPENDED, Running), (State.REQUEUED, Pending), (State.UNKNOWN, Unclear), (State.RUNNING, Running)]:
            house.queue.put(JOB, state)
            await house.did(spawner.poll([attempt.handle]))
            await house.clock.turn(120)
            assert [type(one) for one in await house.did(spawner.poll([attempt.handle]))] == [status]


async def test_nobody_is_asked_about_no_servers(house: House) -> None:
    async with house.hub() as spawner:
        assert list(await spawner.poll([])) == []
        await house.clock.turn(600)
    assert house.queue.asked == []


async def test_a_replica_that_no_longer_polls_stops_asking() -> None:
    house = House(starts_at_once=True)
    async with house.hub() as spawner:
        attempt = await house.did(Attempt(request()).drive(spawner))
        await house.did(spawner.poll([attempt.handle]))
        await house.clock.turn(IDLE_S + 2 * SWEEP_S)
        house.queue.asked.clear()
        await house.clock.turn(IDLE_S)
    assert house.queue.asked == []


@pytest.mark.parametrize(
    ("max_time_s", "allowed", "given"), [(None, "1:00:00", 3600), (7200 + 600, "1:00:00", 600), (None, "", None), (7200, "1:00:00", None)]
)
async def test_a_server_is_prolonged_as_far_as_site_and_partition_allow(max_time_s: int | None, allowed: str, given: int | None) -> None:
    house = House(starts_at_once=True, max_time_s=max_time_s)
    async with house.hub(extend=allowed) as spawner:
        attempt = await house.did(Attempt(request()).drive(spawner))
        end = house.clock.now() + timedelta(hours=2)
        house.queue.jobs[JOB] = replace(house.queue.jobs[JOB], start=house.clock.now(), end=end)
        if given is None:
            with pytest.raises(SpawnerError) as refused:
                await spawner.extend(attempt.handle, 9999)
            assert refused.value.hint
            assert house.queue.prolonged == []
        else:
            assert await spawner.extend(attempt.handle, 9999) == end + timedelta(seconds=given)
            assert house.queue.prolonged == [(JOB, given)]


async def test_a_waiting_job_is_not_prolonged(house: House) -> None:
    async with house.hub(extend="1:00:00") as spawner, waiting(house, spawner) as (attempt, _):
        with pytest.raises(SpawnerError, match="does not run now"):
            await spawner.extend(attempt.handle, 600)


async def test_wrong_options_and_environments_are_refused(house: House) -> None:
    async with house.hub(own_environments=False, environments={"default": {"kind": "venv"}}, most={"cpus": 4}) as spawner:
        for name, value in {"time": "soon", "cpus": 5, "partition": "--wrap=x", "environment": "of my own"}.items():
            with pytest.raises(BadOptionsError) as refused:
                spawner.check_options({name: value})
            assert name in refused.value.problems
        assert spawner.check_options({"of another client": 1})["of another client"] == 1


async def test_the_program_gets_its_orders_and_secrets_by_its_environment_only() -> None:
    house = House(starts_at_once=True)
    async with house.hub(environ={"SITE": "x"}, grace=12) as spawner:
        attempt = await house.did(Attempt(request("lab")).drive(spawner))
    ((person, wanted, program),) = house.queue.submitted
    start_id = attempt.handle.start_id
    assert person == "u-alice"
    assert wanted.name.endswith(start_id)
    assert program.argv == ("/opt/agent", "serve")
    told = json.loads(program.environ["PERIJOVE_AGENT"])
    assert told["start_id"] == start_id
    assert told["dial"] == ["wss://hub/tunnel/"]
    assert told["grace_s"] == 12
    assert told["report_url"] == "https://hub/hub/api/perijove/users/alice/servers/lab/report"
    assert program.environ["PERIJOVE_AGENT_TOKEN"] == f"token-of-{start_id}"
    assert program.environ["SITE"] == "x"
    assert program.environ["JUPYTERHUB_API_TOKEN"] == "secret-of-the-server"
    assert not any(secret in f"{wanted}{attempt.events}{told}" for secret in ("secret-of-the-server", f"token-of-{start_id}"))


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ({"agent": "agent"}, "agent must be the absolute path"),
        ({"helper": "/h"}, "helper and rules go together"),
        ({"unix_name": "alice"}, "unix_name must have"),
        ({"rest": {"url": "https://x", "account": "hub"}}, "rest needs key_file or token_command"),
        ({"helper": "/h", "rules": "/r", "prologue": "x"}, "prologue and epilogue stand in its rules"),
        ({"extend": "soon"}, "soon"),
        ({"most": {"cpus": "many"}}, "cpus"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_mistake_in_the_settings_is_told_in_words(mistake: dict[str, Any], words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        config(**mistake)


class OnAQueue:
    """Implements spawner_conformance.Subject; time passes by itself."""

    def __init__(self, house: House) -> None:
        self._house = house

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[BatchSpawner]:
        async with self._house.hub() as spawner:
            yield spawner

    def request(self, server_name: str = "") -> StartRequest:
        return request(server_name)

    async def living(self, start_id: str) -> int:
        await self._house.clock.turn(SWEEP_S)  # what came too late is gone at the next sweep
        return sum(1 for job in self._house.queue.alive() if self._house.queue.jobs[job].name.endswith(start_id))

    async def end(self, handle: Handle) -> None:
        self._house.queue.put(JobId((handle.state or {})["job"]), State.ENDED, ending=Ending(Cause.FAILED, 1))


class TestAsEverySpawner(SpawnerConformance):
    @pytest.fixture
    async def subject(self) -> AsyncIterator[Subject]:
        house = House(starts_at_once=True)

        async def passes() -> None:
            while True:
                await house.clock.turn(0.5)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            passing = group.create_task(passes())
            yield OnAQueue(house)
            passing.cancel()
