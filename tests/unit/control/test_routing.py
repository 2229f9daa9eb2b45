"""A server is ready when every live proxy knows the way to it."""

import pytest

from perijove.control.context import Hub
from perijove.control.routing import ALIVE, PATIENCE_S
from perijove.control.servers.ask import ask_start
from perijove.domain.change import Topic
from perijove.domain.lifecycle import Event
from perijove.domain.server import Phase, Server
from perijove.ports.store.store import Tx
from perijove.testing.clock import FakeClock

from .house import House


@pytest.fixture
def time() -> FakeClock:
    return FakeClock()


async def report(house: House, proxy: str, revision: int) -> None:
    now = house.time.now()
    await house.store.write(lambda tx: tx.proxies.report(proxy, revision, now))


async def route_revision(house: House) -> int:
    """Of the newest notice about a route: all a proxy ever hears of."""

    def query(tx: Tx) -> int:
        found = tx.notices.after(0, (Topic.ROUTE,))
        assert found
        return found[-1].revision

    return await house.store.read(query)


async def routing(house: House, hub: Hub) -> Server:
    """A start that has come as far as the proxies."""
    await ask_start(hub, "alice", "", options=None, actor="alice")
    server = await house.until(hub, lambda server: server is not None and server.phase in {Phase.ROUTING, Phase.READY})
    assert server is not None
    return server


async def test_it_waits_for_all_live_proxies_and_for_nothing_but_the_route(house: House, time: FakeClock) -> None:
    await report(house, "quick", 0)
    await report(house, "slow", 0)
    async with house.running(house.hub()) as hub:
        assert (await routing(house, hub)).phase is Phase.ROUTING
        known = await route_revision(house)
        await house.store.write(lambda tx: tx.notices.add(Topic.USER, "bob", at=time.now()))  # proxies never hear of it
        await report(house, "quick", known)
        await time.turn(0.5)
        present = await house.server()
        assert present is not None
        assert present.phase is Phase.ROUTING
        await report(house, "slow", known)
        await time.turn(0.1)
        assert await house.until(hub, lambda server: server is not None and server.ready)
        await house.check()


async def test_a_proxy_that_is_behind_is_waited_for_in_vain_only_so_long(house: House, time: FakeClock) -> None:
    await report(house, "stuck", 0)
    async with house.running(house.hub()) as hub:
        assert (await routing(house, hub)).phase is Phase.ROUTING
        await time.turn_until(lambda: any(move.event is Event.ROUTED for move in house.witness.moves), step_s=0.1)
        assert time.monotonic() <= PATIENCE_S + 1
        await house.check()


async def test_a_proxy_that_is_gone_is_not_waited_for(house: House, time: FakeClock) -> None:
    await report(house, "gone", 0)
    await time.turn(ALIVE.total_seconds() + 0.1)
    async with house.running(house.hub()) as hub:
        assert (await routing(house, hub)).phase is Phase.READY
