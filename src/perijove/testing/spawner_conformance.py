"""What every spawner must do (ports/spawner.py), as tests: inherit, say how yours is opened, and run them with pytest.

    class TestMine(SpawnerConformance):
        @pytest.fixture(autouse=True)
        def _place(self, tmp_path): ...

        def opened(self): return MySpawner.open(config, context)

The tests are coroutines: pytest-asyncio in auto mode runs them. What they start they stop, also when they fail.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from secrets import token_hex

from perijove.domain.server import ServerId
from perijove.ports.spawner import Address, Checkpoint, Exited, Handle, Progress, Running, Spawner, StartEvent, StartRequest, Unclear

TAIL_BYTES = 1000
Run = Callable[[StartRequest], Awaitable[tuple[Handle, list[StartEvent]]]]


class SpawnerConformance:
    """Each `opened` is a hub's: the place and whatever lives there outlives it."""

    user_name = "alice"
    within_s = 30.0
    grace_s = 5.0

    def opened(self) -> AbstractAsyncContextManager[Spawner]:
        """A spawner as a new hub opens it, every time over the same place."""
        raise NotImplementedError

    def living(self, handle: Handle) -> int | None:  # noqa: ARG002 - for those who override it
        """How many servers of this attempt live, found out without the spawner; None if there is no other way."""
        return None

    def request(self, name: str = "") -> StartRequest:
        """Of a new attempt. Extend it by the options and environment that your servers need."""
        handle = Handle(server_id=ServerId(1), user_name=self.user_name, server_name=name, start_id=token_hex(8), state=None)
        prefix = f"/user/{self.user_name}/" + (f"{name}/" if name else "")
        return StartRequest(handle=handle, prefix=prefix, env={"JUPYTERHUB_API_TOKEN": token_hex(8), "JUPYTERHUB_BASE_URL": "/"})

    async def test_a_start_ends_with_an_address_of_something_that_runs(self) -> None:
        async with self.opened() as spawner, self._stopping(spawner) as run:
            handle, events = await run(self.request())
            assert isinstance(events[-1], Address)
            assert events[-1].url.startswith(("http://", "https://", "http+unix://"))
            assert all(isinstance(event, Checkpoint | Progress) for event in events[:-1])
            (status,) = await spawner.poll([handle])
            assert isinstance(status, Running)
            assert status.address in {None, handle.address}
            assert self.living(handle) in {None, 1}

    async def test_what_was_stopped_has_ended_and_stopping_it_again_succeeds(self) -> None:
        async with self.opened() as spawner, self._stopping(spawner) as run:
            handle, _ = await run(self.request())
            for _ in range(2):
                await spawner.stop(handle, self.grace_s)
                (status,) = await spawner.poll([handle])
                assert isinstance(status, Exited)
                assert not self.living(handle)

    async def test_what_never_began_can_be_stopped_and_does_not_run(self) -> None:
        async with self.opened() as spawner:
            handle = self.request().handle
            await spawner.stop(handle, self.grace_s)
            (status,) = await spawner.poll([handle])
            assert isinstance(status, Exited)

    async def test_the_next_hub_polls_and_stops_what_another_started(self) -> None:
        async with self.opened() as first, self._stopping(first) as run:
            handle, _ = await run(self.request())
            async with self.opened() as second:
                (status,) = await second.poll([handle])
                assert isinstance(status, Running)
                await second.stop(handle, self.grace_s)
                (status,) = await second.poll([handle])
                assert isinstance(status, Exited)
            assert not self.living(handle)

    async def test_a_start_broken_off_anywhere_is_picked_up_by_the_next_hub(self) -> None:
        async with aclosing(self._broken_off()) as starts:
            async for handle, request, spawner, run in starts:
                picked_up, events = await run(replace(request, handle=handle))
                assert isinstance(events[-1], Address)
                (status,) = await spawner.poll([picked_up])
                assert isinstance(status, Running)
                assert self.living(picked_up) in {None, 1}
                if handle.address is not None:
                    assert picked_up.address == handle.address, "the server that was up was not picked up"

    async def test_a_start_broken_off_anywhere_can_be_stopped_by_the_next_hub(self) -> None:
        async with aclosing(self._broken_off()) as starts:
            async for handle, _, spawner, _ in starts:
                await spawner.stop(handle, self.grace_s)
                (status,) = await spawner.poll([handle])
                assert isinstance(status, Exited)
                assert not self.living(handle)

    async def test_a_server_can_be_started_anew_after_it_was_stopped(self) -> None:
        async with self.opened() as spawner, self._stopping(spawner) as run:
            first, _ = await run(self.request())
            await spawner.stop(first, self.grace_s)
            second, _ = await run(self.request())
            old, new = await spawner.poll([first, second])
            assert isinstance(old, Exited)
            assert isinstance(new, Running)

    async def test_polls_answer_in_order_and_stopping_one_leaves_the_other(self) -> None:
        async with self.opened() as spawner, self._stopping(spawner) as run:
            one, _ = await run(self.request("one"))
            two, _ = await run(self.request("two"))
            assert one.address != two.address
            await spawner.stop(one, self.grace_s)
            statuses = await spawner.poll([two, one, two])
            assert [type(status) for status in statuses] == [Running, Exited, Running]
            assert list(await spawner.poll([])) == []

    async def test_the_log_is_short_and_there_is_one_for_what_is_gone_too(self) -> None:
        async with self.opened() as spawner, self._stopping(spawner) as run:
            assert isinstance(await spawner.log_tail(self.request("never").handle, TAIL_BYTES), str)
            handle, _ = await run(self.request())
            assert len(await spawner.log_tail(handle, TAIL_BYTES)) <= TAIL_BYTES
            await spawner.stop(handle, self.grace_s)
            assert len(await spawner.log_tail(handle, 10)) <= 10

    async def test_state_that_it_never_wrote_is_not_taken_for_dead(self) -> None:
        """A spawner of another place, or a later version, may have written it."""
        async with self.opened() as spawner:
            handle = replace(self.request().handle, state={"written by": "somebody else"})
            (status,) = await spawner.poll([handle])
            assert isinstance(status, Unclear | Exited)

    @asynccontextmanager
    async def _stopping(self, spawner: Spawner, known: dict[str, Handle] | None = None) -> AsyncIterator[Run]:
        """A function that starts a server; in the end all of them are stopped, and those `known` then."""
        started = {} if known is None else known

        async def run(request: StartRequest) -> tuple[Handle, list[StartEvent]]:
            return await self._start(spawner, request, started)

        try:
            yield run
        finally:
            for handle in started.values():
                await spawner.stop(handle, 0)

    async def _start(
        self, spawner: Spawner, request: StartRequest, started: dict[str, Handle], until: int = 10_000
    ) -> tuple[Handle, list[StartEvent]]:
        """As a hub does, with `started` as its database; broken off after so many events."""
        events: list[StartEvent] = []
        handle, stream = request.handle, spawner.start(request)
        started[handle.start_id] = handle
        async with asyncio.timeout(self.within_s), AsyncExitStack() as stack:
            if (close := getattr(stream, "aclose", None)) is not None:
                stack.push_async_callback(close)
            async for event in stream:
                events.append(event)
                state = None if isinstance(event, Progress) else event.state
                if state is not None:
                    handle = replace(handle, state=json.loads(json.dumps(state)))
                if isinstance(event, Address):
                    handle = replace(handle, address=event.url)
                started[handle.start_id] = handle
                if isinstance(event, Address) or len(events) == until:
                    break
        return handle, events

    async def _broken_off(self) -> AsyncGenerator[tuple[Handle, StartRequest, Spawner, Run], None]:
        """Starts broken off after one event, after two, and so on up to the address; each with the next hub's spawner."""
        number, ended = 0, False
        while not ended:
            number += 1
            request, started = self.request(), dict[str, Handle]()
            async with self.opened() as second, self._stopping(second, started) as run:
                async with self.opened() as first:
                    handle, events = await self._start(first, request, started, number)
                ended = isinstance(events[-1], Address)
                yield handle, request, second, run
