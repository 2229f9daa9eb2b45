"""A server whose environment is made ready first is waited for as long as that goes on, and not longer."""

from datetime import timedelta

import pytest

from perijove.control.context import Hub
from perijove.control.servers.ask import ask_start
from perijove.control.servers.reporting import ReportDesk
from perijove.domain.report import SILENCE, Facts, Preparing, Report
from perijove.domain.server import Phase, Server
from perijove.testing.clock import FakeClock
from tests.unit.control.house import House
from tests.unit.control.servers.test_reporting import running

READY_S = 30.0


@pytest.fixture
def time() -> FakeClock:
    return FakeClock()


async def waiting(house: House, hub: Hub) -> Server:
    house.world.script("alice/").status = None
    await ask_start(hub, "alice", "", options=None, actor="alice")
    server = await house.until(hub, lambda server: server is not None and server.phase is Phase.WAITING)
    assert server is not None
    return server


async def report(house: House, hub: Hub, server: Server, preparing: Preparing | None) -> None:
    desk = ReportDesk(hub)
    async with running(desk):
        at = house.time.now()
        await desk.add("alice", "", Report(server_id=server.id, start_id=server.start_id, at=at, facts=Facts(preparing=preparing)))


async def test_it_is_waited_for_while_reports_of_its_environment_come(house: House, time: FakeClock) -> None:
    hub = house.hub(limits={"ready_timeout": READY_S})
    async with house.running(hub):
        server = await waiting(house, hub)
        for minute in range(8):
            await report(house, hub, server, Preparing(text=f"Fetching package {minute // 2}", percent=20.0 + minute))
            for _ in range(30):
                await time.turn(2)
        present = await house.server()
        assert present is not None
        assert (present.phase, present.start_id) == (Phase.WAITING, server.start_id)
        house.world.script("alice/").status = 200
        await report(house, hub, server, None)
        await time.turn_until(lambda: house.witness.moves[-1].after.phase is Phase.READY)
    said = await house.store.read(lambda tx: tx.notices.progress(server.id))
    messages = [notice.data["message"] for notice in said]
    assert messages[:3] == ["Beginning", "Fetching package 0", "Fetching package 0"]
    assert messages[-1] == "Fetching package 3"
    assert said[1].data["percent"] == 20.0


@pytest.mark.parametrize("last", [Preparing(text="Fetching jupyterlab"), Preparing(text="It is ready.", state="done"), None])
async def test_it_is_given_up_when_they_cease_or_say_that_it_is_ready(house: House, time: FakeClock, last: Preparing | None) -> None:
    hub = house.hub(limits={"ready_timeout": READY_S})
    async with house.running(hub):
        server = await waiting(house, hub)
        began = time.now()
        await report(house, hub, server, last)
        await time.turn_until(lambda: house.witness.moves[-1].after.failure is not None)
        failure = house.witness.moves[-1].after.failure
    assert failure is not None
    assert failure.code == "ready-timeout"
    within = SILENCE + timedelta(seconds=2 * READY_S) if last is not None and last.state == "running" else timedelta(seconds=READY_S + 5)
    assert time.now() - began <= within


async def test_why_it_cannot_be_made_ready_is_what_the_person_is_told(house: House, time: FakeClock) -> None:
    hub = house.hub(limits={"ready_timeout": READY_S})
    async with house.running(hub):
        server = await waiting(house, hub)
        await report(house, hub, server, Preparing(text="There is no numpyy among the wheels that this cluster keeps.", state="failed"))
        (process,) = house.world.live()
        process.exit_code = 78
        await time.turn_until(lambda: house.witness.moves[-1].after.failure is not None)
        failure = house.witness.moves[-1].after.failure
    assert failure is not None
    assert failure.code == "environment"
    assert failure.message == "Your environment could not be made ready. There is no numpyy among the wheels that this cluster keeps."
