"""Metrics say what `perijove status` says."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from perijove.control.site.gauges import watch_gauges
from perijove.control.site.standing import standing_of
from perijove.domain.change import Topic
from perijove.domain.server import Phase
from perijove.ports.store.shared import ReplicaSeen
from perijove.ports.store.store import Tx
from perijove.telemetry.metrics import Metrics
from perijove.wire.names import ServerName
from tests.unit.control.house import House


async def test_replicas_leases_proxies_and_lag_are_those_of_the_status(house: House) -> None:
    hub, metrics, now = house.hub("one", shared=True), Metrics("x_"), house.time.now()
    seen = ReplicaSeen(name="one", address="http://127.0.0.1:1", version="1", clock_ahead_s=0.5, started=now, seen_at=now)

    def write(tx: Tx) -> None:
        tx.replicas.report(seen)
        tx.replicas.report(replace(seen, name="two", clock_ahead_s=-3.0))
        tx.leases.take("cull", "two", now, now + timedelta(minutes=1))
        alice = tx.users.get("alice")
        assert alice is not None
        for name in ("a", "b"):
            server = tx.servers.add(alice.id, ServerName(name), now=now)
            tx.servers.save(replace(server, phase=Phase.STARTING, lease_holder="two", lease_until=now + timedelta(minutes=1)))
        tx.proxies.report("p", tx.notices.last(), now)

    await house.store.write(lambda tx: tx.notices.add(Topic.ROUTE, "1", at=now))
    await house.store.write(write)
    await house.store.write(lambda tx: tx.notices.add(Topic.ROUTE, "2", at=now))
    await house.store.write(lambda tx: tx.notices.add(Topic.ROUTE, "3", at=now))
    watching = asyncio.create_task(watch_gauges(hub, metrics))
    try:
        async with asyncio.timeout(10):
            while "x_total_users 2.0" not in metrics.render().decode():
                await asyncio.sleep(0.005)
    finally:
        watching.cancel()
        await asyncio.wait({watching})
    said, standing = metrics.render().decode(), await standing_of(hub)
    assert f"x_replicas {float(len(standing.replicas))}" in said
    for replica in standing.replicas:
        assert f'x_replica_clock_ahead_seconds{{replica="{replica.name}"}} {replica.clock_ahead_s}' in said
        assert f'x_replica_leases{{replica="{replica.name}"}} {float(standing.working_on.get(replica.name, 0))}' in said
    assert standing.working_on == {"two": 2}
    assert [(each.proxy.proxy_id, each.behind) for each in standing.proxies] == [("p", 2)]
    assert 'x_proxy_changes_behind{proxy="p"} 2.0' in said
    assert standing.duties == {"cull": "two"}
    assert 'x_duty_holder{replica="two",work="cull"} 1.0' in said
    assert "x_queue_longest_wait_seconds 0.0" in said
