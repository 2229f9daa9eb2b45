"""What every spawner must do, as tests. For authors of spawners:

    class TestMySpawner(SpawnerConformance):
        @pytest.fixture
        def subject(self) -> Subject: ...

It needs pytest-asyncio in its auto mode, or a runner of your own that awaits each `test_…` method with a fresh `Subject`.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from perijove.domain.errors import SpawnerError
from perijove.domain.server import JsonObject
from perijove.ports.spawner import Address, Checkpoint, Exited, Handle, Pending, Progress, Running, Spawner, StartEvent, StartRequest

WITHIN_S = 60.0
"""How long anything may take."""


class Subject(Protocol):
    """A spawner to be examined, and the place where its servers run."""

    def opened(self) -> AbstractAsyncContextManager[Spawner]:
        """Open it as a hub does. Again, over the same place: as the next hub does."""
        ...

    def request(self, server_name: str = "") -> StartRequest:
        """A start of a server that has not been started yet: another `start_id` and `server_id` each time."""
        ...

    async def living(self, start_id: str) -> int:
        """How many servers of this attempt live, as the place itself says."""
        ...

    async def end(self, handle: Handle) -> None:
        """Have a running server die, without the spawner's doing. Returns when it is dead."""
        ...


@dataclass(slots=True)
class Attempt:
    """One start as a hub drives it: keeps in `handle` what a database would keep."""

    request: StartRequest
    events: list[StartEvent] = field(default_factory=list)

    @property
    def handle(self) -> Handle:
        return self.request.handle

    @property
    def up(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1], Address)

    async def drive(self, spawner: Spawner, most: int = 1000) -> "Attempt":
        """Take at most so many events, and let go of the start."""
        async with asyncio.timeout(WITHIN_S), _closing(spawner.start(self.request)) as stream:
            for _ in range(most):
                event = await anext(stream, None)
                if event is None:
                    break
                self.take(event)
                if isinstance(event, Address):
                    break
        return self

    def take(self, event: StartEvent) -> None:
        """Keep what a database would keep of it."""
        self.events.append(event)
        changes: dict[str, Any] = {}
        if isinstance(event, Checkpoint):
            changes["state"] = _stored(event.state)
        elif isinstance(event, Address):
            changes["address"] = event.url
            if event.state is not None:
                changes["state"] = _stored(event.state)
        self.request = replace(self.request, handle=replace(self.handle, **changes))


class SpawnerConformance:
    """Subclasses provide the fixture `subject`."""

    async def test_a_start_ends_with_an_address_and_one_server_runs(self, subject: Subject) -> None:
        async with subject.opened() as spawner:
            attempt = await Attempt(subject.request()).drive(spawner)
            assert attempt.up, "the last event of a start is an Address"
            assert attempt.handle.state is not None, "without any state it cannot be found again"
            assert str(attempt.handle.address).startswith(("http://", "https://", "http+unix://", "tunnel://"))
            assert all(event.percent is None or 0 <= event.percent <= 100 for event in attempt.events if isinstance(event, Progress))
            assert await subject.living(attempt.handle.start_id) == 1
            assert [type(status) for status in await spawner.poll([attempt.handle])] == [Running]
            await stopped(spawner, attempt.handle)

    async def test_a_stopped_server_is_gone_and_stopping_again_succeeds(self, subject: Subject) -> None:
        async with subject.opened() as spawner:
            attempt = await Attempt(subject.request()).drive(spawner)
            await stopped(spawner, attempt.handle)
            assert await subject.living(attempt.handle.start_id) == 0
            assert [type(status) for status in await spawner.poll([attempt.handle])] == [Exited]
            await stopped(spawner, attempt.handle)

    async def test_a_stopped_server_can_be_started_anew(self, subject: Subject) -> None:
        async with subject.opened() as spawner:
            first = await Attempt(subject.request()).drive(spawner)
            await stopped(spawner, first.handle)
            request = subject.request()
            second = await Attempt(replace(request, handle=replace(request.handle, server_id=first.handle.server_id))).drive(spawner)
            assert [type(status) for status in await spawner.poll([first.handle, second.handle])] == [Exited, Running]
            await stopped(spawner, first.handle)
            assert await subject.living(second.handle.start_id) == 1, "stopping an earlier attempt ended the present one"
            await stopped(spawner, second.handle)

    async def test_what_was_never_started_can_be_stopped_polled_and_forgotten(self, subject: Subject) -> None:
        async with subject.opened() as spawner:
            handle = subject.request().handle
            await stopped(spawner, handle)
            assert [type(status) for status in await spawner.poll([handle])] == [Exited]
            assert await spawner.log_tail(handle, 1000) == ""
            await spawner.forget(handle.user_name, handle.server_name)
            await spawner.forget(handle.user_name, handle.server_name)

    async def test_a_hub_that_dies_at_any_step_of_a_start_leads_to_one_server(self, subject: Subject) -> None:
        step, last = 1, False
        while not last:
            async with subject.opened() as spawner:
                attempt = await Attempt(subject.request()).drive(spawner, step)
            last, step, address = attempt.up, step + 1, attempt.handle.address
            async with subject.opened() as spawner:
                await attempt.drive(spawner)
                assert address in {None, attempt.handle.address}, "a server that was up already was not picked up where it is"
                assert attempt.up, f"begun anew after {step - 1} events, the start did not end with an address"
                assert await subject.living(attempt.handle.start_id) == 1, f"begun anew after {step - 1} events"
                await stopped(spawner, attempt.handle)
                assert await subject.living(attempt.handle.start_id) == 0

    async def test_a_start_called_off_at_any_step_leaves_nothing_when_stopped(self, subject: Subject) -> None:
        step, last = 1, False
        while not last:
            async with subject.opened() as spawner:
                attempt = await Attempt(subject.request()).drive(spawner, step)
                await stopped(spawner, attempt.handle)
                assert await subject.living(attempt.handle.start_id) == 0, f"called off after {step} events"
            last, step = attempt.up, step + 1

    async def test_an_attempt_that_was_stopped_is_not_begun_any_more_by_a_hub_that_is_late(self, subject: Subject) -> None:
        step, last = 1, False
        while not last:
            async with subject.opened() as late, subject.opened() as spawner:
                attempt = Attempt(subject.request())
                async with asyncio.timeout(WITHIN_S), _closing(late.start(attempt.request)) as stream:
                    for _ in range(step):
                        attempt.take(await anext(stream))
                    await stopped(spawner, attempt.handle)
                    last, step = attempt.up, step + 1
                    if not last and attempt.handle.state is not None:
                        with contextlib.suppress(SpawnerError):
                            while await anext(stream, None) is not None:
                                pass
                assert await subject.living(attempt.handle.start_id) == 0, f"stopped by another hub after {step - 1} events, and begun again"

    async def test_a_start_that_is_cancelled_while_it_works_can_be_stopped(self, subject: Subject) -> None:
        async with subject.opened() as spawner:
            attempt = Attempt(subject.request())
            await attempt.drive(spawner, 1)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.005):
                    await attempt.drive(spawner)
            await stopped(spawner, attempt.handle)
            assert await subject.living(attempt.handle.start_id) == 0

    async def test_a_server_that_died_is_said_to_have_ended_by_the_next_hub_too(self, subject: Subject) -> None:
        async with subject.opened() as spawner:
            attempt = await Attempt(subject.request()).drive(spawner)
            await subject.end(attempt.handle)
            await until_ended(spawner, attempt.handle)
        async with subject.opened() as spawner:
            await until_ended(spawner, attempt.handle)
            await stopped(spawner, attempt.handle)

    async def test_many_are_asked_about_at_once_and_answered_in_order(self, subject: Subject) -> None:
        async with subject.opened() as spawner:
            assert list(await spawner.poll([])) == []
            one, two = [await Attempt(subject.request(name)).drive(spawner) for name in ("", "lab")]
            never = subject.request("never")
            await subject.end(one.handle)
            await until_ended(spawner, one.handle)
            handles = [never.handle, two.handle, one.handle]
            assert [type(status) for status in await spawner.poll(handles)] == [Exited, Running, Exited]
            for handle in handles:
                await stopped(spawner, handle)

    async def test_the_next_hub_finds_what_runs_and_its_log(self, subject: Subject) -> None:
        async with subject.opened() as spawner:
            attempt = await Attempt(subject.request()).drive(spawner)
        async with subject.opened() as spawner:
            (status,) = await spawner.poll([attempt.handle])
            assert isinstance(status, Running)
            assert status.address in {None, attempt.handle.address}
            assert len(await spawner.log_tail(attempt.handle, 10)) <= 10
            await stopped(spawner, attempt.handle)
            assert await subject.living(attempt.handle.start_id) == 0
            assert len(await spawner.log_tail(attempt.handle, 10)) <= 10

    async def test_options_that_it_does_not_know_are_kept(self, subject: Subject) -> None:
        async with subject.opened() as spawner:
            assert dict(spawner.check_options({"of a client of its own": 1}))["of a client of its own"] == 1
            names = [option.name for option in spawner.option_fields("alice")]
            assert len(names) == len(set(names))


async def stopped(spawner: Spawner, handle: Handle) -> None:
    """Stop it without much patience."""
    async with asyncio.timeout(WITHIN_S):
        await spawner.stop(handle, 1.0)


async def until_ended(spawner: Spawner, handle: Handle) -> Exited:
    """Ask until it is said to have ended: what has just died may be noticed a moment later."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        (status,) = await spawner.poll([handle])
        if isinstance(status, Exited):
            return status
        assert not isinstance(status, Pending), "a server that has run does not wait to begin"
        assert time.monotonic() < deadline, f"still {status}"
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def _closing(stream: AsyncIterator[StartEvent]) -> AsyncIterator[AsyncIterator[StartEvent]]:
    try:
        yield stream
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()


def _stored(state: JsonObject) -> JsonObject:
    """Through the database and back: only JSON survives."""
    loaded: JsonObject = json.loads(json.dumps(state))
    return loaded
