"""What an administrator is told to look at."""

import pytest

from perijove.control.site.standing import standing_of
from perijove.ports.store.shared import ReplicaSeen
from perijove.ports.store.store import Tx
from tests.unit.control.house import House


@pytest.mark.parametrize(
    ("spawner", "names", "worried"),
    [("local", ["one:1:a", "two:1:b"], True), ("local", ["one:1:a", "one:2:b"], False), ("site.cluster:Spawner", ["one:1:a", "two:1:b"], False)],
)
async def test_hubs_on_several_machines_need_servers_that_all_reach(house: House, spawner: str, names: list[str], worried: bool) -> None:
    hub, now = house.hub(shared=True, spawner={"use": spawner}), house.time.now()

    def write(tx: Tx) -> None:
        for name in names:
            tx.replicas.report(ReplicaSeen(name=name, address="http://127.0.0.1:1", version="1", clock_ahead_s=0.0, started=now, seen_at=now))

    await house.store.write(write)
    found = [worry for worry in (await standing_of(hub)).worries if "several machines (one, two)" in worry]
    assert bool(found) is worried
