"""What nobody waits for any more is not changed late; what was begun is finished."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from perijove.adapters.store_sql import SqlStore
from perijove.ports.store.errand import ERRAND, Errand
from perijove.ports.store.store import AbandonedError, Tx
from perijove.testing.clock import FakeClock


@pytest.fixture
def errand() -> Iterator[Errand]:
    made = Errand()
    token = ERRAND.set(made)
    yield made
    ERRAND.reset(token)


async def names(store: SqlStore) -> list[str]:
    return await store.read(lambda tx: [name for name in ("ada", "bob", "eve") if tx.users.get(name)])


async def test_what_was_given_up_before_it_began_is_not_done(store: SqlStore, clock: FakeClock, errand: Errand) -> None:
    errand.abandoned = True
    with pytest.raises(AbandonedError):
        await store.write(lambda tx: tx.users.add_missing(["ada"], now=clock.now()))
    assert await names(store) == []


async def test_what_is_given_up_while_the_database_takes_its_time_is_not_committed(store: SqlStore, clock: FakeClock, errand: Errand) -> None:
    def change(tx: Tx) -> None:
        tx.users.add_missing(["ada"], now=clock.now())
        errand.abandoned = True  # as another thread would do it

    with pytest.raises(AbandonedError):
        await store.write(change)
    assert await names(store) == []


async def test_what_is_found_to_be_given_up_when_the_hub_listens_is_not_done(store: SqlStore, clock: FakeClock) -> None:
    def listen() -> None:
        paused.abandoned = True  # as a hub finds out that was paused until now

    paused = Errand(listen)
    token = ERRAND.set(paused)
    with pytest.raises(AbandonedError):
        await store.write(lambda tx: tx.users.add_missing(["ada"], now=clock.now()))
    ERRAND.reset(token)
    assert await names(store) == []


async def test_others_in_the_same_transaction_are_not_harmed(store: SqlStore, clock: FakeClock) -> None:
    given_up, held = Errand(), threading.Event()

    def hold(_tx: Tx) -> None:
        held.wait(10)

    async def write(name: str, errand: Errand | None) -> None:
        token = ERRAND.set(errand)
        try:
            await store.write(lambda tx: tx.users.add_missing([name], now=clock.now()))
        finally:
            ERRAND.reset(token)

    first = asyncio.create_task(store.write(hold))
    ada, bob = asyncio.create_task(write("ada", given_up)), asyncio.create_task(write("bob", Errand()))
    await asyncio.sleep(0)
    given_up.abandoned = True
    held.set()
    results = await asyncio.gather(first, ada, bob, return_exceptions=True)
    assert isinstance(results[1], AbandonedError)
    assert results[2] is None
    assert await names(store) == ["bob"]


async def test_an_errand_that_has_begun_is_finished(store: SqlStore, clock: FakeClock, errand: Errand) -> None:
    await store.write(lambda tx: tx.users.add_missing(["ada"], now=clock.now()))
    errand.abandoned = True
    await store.write(lambda tx: tx.users.add_missing(["bob"], now=clock.now()))
    assert await names(store) == ["ada", "bob"]


async def test_what_the_hub_does_by_itself_is_nobody_s_errand(store: SqlStore, clock: FakeClock) -> None:
    assert ERRAND.get() is None
    await store.write(lambda tx: tx.users.add_missing(["eve"], now=clock.now()))
    assert await names(store) == ["eve"]
