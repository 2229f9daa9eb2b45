"""A database that does not come back with answers: requests are refused at a bound, the hub's own work is not."""

import asyncio
import threading
from pathlib import Path

import pytest

from perijove.adapters.store_sql import lanes, open_store
from perijove.adapters.store_sql.lanes import Lane
from perijove.ports.store.asking import is_asked, on_request
from perijove.ports.store.errand import Errand
from perijove.ports.store.store import DatabaseOverloadedError, Tx
from perijove.testing.clock import FakeClock


class Stall:
    """Holds a lane's only thread in the middle of a transaction."""

    def __init__(self) -> None:
        self.entered, self.go_on = threading.Event(), threading.Event()

    def __call__(self, _: Tx) -> None:
        self.entered.set()
        assert self.go_on.wait(20)


async def asking(lane: Lane, what: str, ran: list[str], errand: Errand | None = None) -> None:
    with on_request():
        await lane.run(lambda _: ran.append(what), errand)


async def test_requests_are_refused_beyond_the_bound_and_own_work_goes_before_them(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "MOST_WAITING", 5)
    async with open_store(f"sqlite:///{tmp_path / 'hub.sqlite'}", pool_size=2, clock=clock) as store:
        lane, stall, ran = store.writes, Stall(), list[str]()
        held = asyncio.create_task(lane.run(stall))
        assert await asyncio.to_thread(stall.entered.wait, 10)
        asked = [asyncio.create_task(asking(lane, f"request {number}", ran)) for number in range(50)]
        refused, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_EXCEPTION, timeout=10)
        assert len(refused) == 45
        assert lane.waiting == 5
        assert lane.refused_full == 45
        for each in refused:
            error = each.exception()
            assert isinstance(error, DatabaseOverloadedError)
            assert error.retry_after_s is not None
            assert 3 <= error.retry_after_s <= 9
        own = asyncio.create_task(lane.run(lambda _: ran.append("lease")))
        await asyncio.sleep(0)  # let it be put in the queue
        stall.go_on.set()
        await asyncio.gather(held, own, *(task for task in asked if task not in refused))
        assert ran[0] == "lease"
        assert len(ran) == 6
        await asking(lane, "again", ran)
        assert lane.waiting == 0


async def test_a_change_that_waited_too_long_is_refused_and_never_made(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "LONGEST_WAIT_S", 0.0)
    async with open_store(f"sqlite:///{tmp_path / 'hub.sqlite'}", pool_size=2, clock=clock) as store:
        lane, stall, ran = store.writes, Stall(), list[str]()
        held = asyncio.create_task(lane.run(stall))
        assert await asyncio.to_thread(stall.entered.wait, 10)
        own = asyncio.create_task(lane.run(lambda _: ran.append("lease")))
        errand = Errand()
        with pytest.raises(DatabaseOverloadedError):
            await asking(lane, "request", ran, errand)
        assert errand.void
        assert lane.refused_late == 1
        stall.go_on.set()
        await asyncio.gather(held, own)
        await lane.run(lambda _: None)
        assert ran == ["lease"]


async def test_what_outlives_its_request_is_the_hubs_own_work() -> None:
    answered = asyncio.Event()

    async def later() -> tuple[bool, bool]:
        before = is_asked()
        await answered.wait()
        return before, is_asked()

    with on_request():
        task = asyncio.create_task(later())
        await asyncio.sleep(0)
    answered.set()
    assert await task == (True, False)
    assert not is_asked()
