"""A hub that was paused reads what came in meanwhile before it changes anything."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from perijove.testing.clock import FakeClock
from perijove.web.waking import LISTEN_S, STILL_S, TICK_S, Waking


@pytest.fixture
async def waking(clock: FakeClock) -> AsyncIterator[Waking]:
    made = Waking(clock)
    watching = asyncio.create_task(made.watch())
    await asyncio.sleep(0)
    yield made
    watching.cancel()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def test_a_hub_that_goes_on_all_the_time_is_listening(waking: Waking, clock: FakeClock) -> None:
    for _ in range(20):
        await clock.turn(TICK_S)
        assert waking.listening()


async def test_one_that_stood_still_is_not_before_it_has_gone_on_for_a_moment(waking: Waking, clock: FakeClock) -> None:
    clock.stand_still(TICK_S + STILL_S + 1)
    assert not waking.listening()
    await clock.turn(0)
    assert not waking.listening()
    await clock.turn(LISTEN_S)
    assert waking.listening()


async def test_who_is_about_to_change_something_waits_for_that(waking: Waking, clock: FakeClock) -> None:
    clock.stand_still(TICK_S + STILL_S + 1)
    waiting = threading.Thread(target=waking.until_listening)
    waiting.start()
    assert waiting.is_alive()
    await clock.turn(0)
    await clock.turn(LISTEN_S)
    await asyncio.to_thread(waiting.join, 10)
    assert not waiting.is_alive()


async def test_nobody_waits_for_a_hub_that_ends(waking: Waking, clock: FakeClock) -> None:
    clock.stand_still(TICK_S + STILL_S + 1)
    assert not waking.listening()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert waking.listening()
