"""Where passwords are checked there is room for so many and no more."""

import asyncio
import threading

import pytest

from perijove.adapters.authenticators import desk as desks
from perijove.adapters.authenticators.desk import Desk, SignInBusyError


async def test_beyond_the_queue_nobody_waits_and_nothing_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desks, "MOST_WAITING", 3)
    go_on, checked = threading.Event(), list[int]()
    async with Desk.open(2, "test") as desk:
        held = [asyncio.create_task(desk.check(go_on.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        asked = [asyncio.create_task(desk.check(lambda number=number: checked.append(number))) for number in range(50)]  # type: ignore[misc]
        refused, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_EXCEPTION, timeout=10)
        assert (len(refused), len(waiting), desk.waiting) == (47, 3, 3)
        for each in refused:
            error = each.exception()
            assert isinstance(error, SignInBusyError)
            assert error.retry_after_s is not None
            assert 3 <= error.retry_after_s <= 9
        go_on.set()
        await asyncio.gather(*held, *waiting)
        assert checked == [0, 1, 2]
        assert await desk.check(lambda: "again") == "again"


async def test_nobody_waits_for_longer_than_people_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desks, "LONGEST_WAIT_S", 0.01)
    go_on, checked = threading.Event(), list[int]()
    async with Desk.open(1, "test") as desk:
        held = asyncio.create_task(desk.check(go_on.wait))
        await asyncio.sleep(0)
        with pytest.raises(SignInBusyError):
            await desk.check(lambda: checked.append(1))
        assert desk.waiting == 0
        go_on.set()
        await held
        monkeypatch.undo()
        assert await desk.check(lambda: "again") == "again"
    assert not checked


async def test_a_check_that_nobody_waits_for_any_more_keeps_its_thread_only() -> None:
    go_on = threading.Event()
    async with Desk.open(1, "test") as desk:
        left = asyncio.create_task(desk.check(go_on.wait))
        await asyncio.sleep(0.01)
        left.cancel()
        await asyncio.wait({left})
        go_on.set()
        assert await desk.check(lambda: "again") == "again"
