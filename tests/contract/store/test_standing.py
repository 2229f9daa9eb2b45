"""What the store tells of hubs, of their duties, and of what they work on."""

from dataclasses import replace
from datetime import timedelta

from perijove.adapters.store_sql import SqlStore
from perijove.ports.store.shared import ReplicaSeen
from perijove.testing.clock import FakeClock


def seen(name: str, clock: FakeClock) -> ReplicaSeen:
    now = clock.now()
    return ReplicaSeen(name=name, address="http://10.0.0.1:8081", version="1.2", clock_ahead_s=-1.25, started=now, seen_at=now)


async def test_a_hub_that_reports_again_is_the_same_one_seen_later(store: SqlStore, clock: FakeClock) -> None:
    first = seen("a", clock)
    later = replace(first, seen_at=clock.now() + timedelta(seconds=5), clock_ahead_s=0.5)
    await store.write(lambda tx: tx.replicas.report(first))
    await store.write(lambda tx: tx.replicas.report(later))
    assert await store.read(lambda tx: tx.replicas.seen_since(clock.now())) == [later]


async def test_only_those_seen_lately_are_told_of(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()
    await store.write(lambda tx: tx.replicas.report(seen("old", clock)))
    await store.write(lambda tx: tx.replicas.report(replace(seen("new", clock), seen_at=now + timedelta(seconds=30))))
    assert [replica.name for replica in await store.read(lambda tx: tx.replicas.seen_since(now + timedelta(seconds=1)))] == ["new"]
    assert await store.write(lambda tx: tx.replicas.forget_before(now + timedelta(seconds=1))) == 1
    assert [replica.name for replica in await store.read(lambda tx: tx.replicas.seen_since(now))] == ["new"]


async def test_one_that_ends_is_forgotten_and_forgetting_again_is_no_error(store: SqlStore, clock: FakeClock) -> None:
    await store.write(lambda tx: tx.replicas.report(seen("a", clock)))
    for _ in range(2):
        await store.write(lambda tx: tx.replicas.forget("a"))
    assert await store.read(lambda tx: tx.replicas.seen_since(clock.now())) == []


async def test_duties_are_told_as_long_as_their_leases_run(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()
    await store.write(lambda tx: tx.leases.take("poll", "a", now, now + timedelta(seconds=10)))
    await store.write(lambda tx: tx.leases.take("cull", "b", now, now + timedelta(seconds=20)))
    assert await store.read(lambda tx: tx.leases.held(now)) == {"cull": "b", "poll": "a"}
    assert await store.read(lambda tx: tx.leases.held(now + timedelta(seconds=15))) == {"cull": "b"}
