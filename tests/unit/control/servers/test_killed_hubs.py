"""A hub is killed at every point at which it touches the world outside its own memory; the next one makes good.

What is counted are the points the fuse knows: before and after each commit, and around each thing the spawner and the prober
do. The hub is killed at the first of them, then anew at the second, and so on until nothing is left to interrupt.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from perijove.control.context import Hub
from perijove.control.servers.ask import ask_delete, ask_start, ask_stop
from perijove.domain.server import Desired, Phase, Server
from perijove.testing.fuse import Fuse
from perijove.testing.world import Moment, Script, World
from tests.unit.control.house import House, until_killed

NAME = "lab"


@dataclass(frozen=True)
class Scene:
    """`before`: with a hub that nobody kills. `acts`: asks for something, and waits until it is so."""

    acts: Callable[[House, Hub], Awaitable[None]]
    before: Callable[[House, Hub], Awaitable[None]] | None = None
    hangs: Moment | None = None


async def begin(house: House, hub: Hub) -> None:
    await ask_start(hub, "alice", NAME, options=None, actor="alice")


async def start(house: House, hub: Hub) -> None:
    await begin(house, hub)
    await house.until(hub, lambda server: server is not None and server.ready, name=NAME)


async def begin_and_hang(house: House, hub: Hub) -> None:
    await begin(house, hub)
    moment = house.world.script(f"alice/{NAME}").hangs
    await house.world.until(lambda: moment in {reached for _, reached in house.world.reached})


async def stop(house: House, hub: Hub) -> None:
    await ask_stop(hub, "alice", NAME, actor="alice")
    await house.until(hub, at_rest, name=NAME)


async def delete(house: House, hub: Hub) -> None:
    await ask_delete(hub, "alice", NAME, actor="alice")
    await house.until(hub, lambda server: server is None, name=NAME)


async def restart(house: House, hub: Hub) -> None:
    await ask_stop(hub, "alice", NAME, actor="alice")
    await ask_start(hub, "alice", NAME, options=None, actor="alice")
    await house.until(hub, lambda server: server is not None and server.ready and server.attempt == 2, name=NAME)


async def die(house: House, hub: Hub) -> None:
    """Starts a server that ends before it answers."""
    await begin(house, hub)
    await house.until(hub, lambda server: server is not None and server.phase is Phase.FAILED, name=NAME)


def at_rest(server: Server | None) -> bool:
    return server is not None and server.stopped


SCENES = {
    "start": Scene(start),
    "failing start": Scene(die),
    "stop": Scene(stop, before=start),
    "restart": Scene(restart, before=start),
    "delete": Scene(delete, before=start),
    "stop before anything began": Scene(stop, before=begin_and_hang, hangs=Moment.BEFORE_CHECKPOINT),
    "stop before it was begun": Scene(stop, before=begin_and_hang, hangs=Moment.AFTER_CHECKPOINT),
    "stop before its address was known": Scene(stop, before=begin_and_hang, hangs=Moment.BEGUN),
    "delete during start": Scene(delete, before=begin_and_hang, hangs=Moment.BEGUN),
}


@pytest.mark.parametrize("name", SCENES)
async def test_a_hub_killed_anywhere_is_made_good_by_the_next(house: House, name: str) -> None:
    scene, at = SCENES[name], 0
    died = True
    while died:
        at += 1
        died = await killed_at(at, scene, House(house.store, World(), house.time))
    assert at > 5, "nothing was interrupted"


async def killed_at(at: int, scene: Scene, house: House) -> bool:
    """Whether there was such a point."""
    script = house.world.scripts[f"alice/{NAME}"] = Script(hangs=scene.hangs)
    if scene.acts is die:
        script.dies, script.status = Moment.POLL, None
    fuse = Fuse()
    async with house.running(house.hub(f"killed at {at}", fuse=fuse)) as hub:
        if scene.before is not None:
            await scene.before(house, hub)
        fuse.arm(at)
        died = await until_killed(fuse, scene.acts(house, hub))
    script.hangs = None
    wished = await house.server(name=NAME)
    async with house.running(house.hub("next")) as hub:
        try:
            server = await house.until(hub, settled_as_wished, name=NAME)
        except TimeoutError:
            raise AssertionError(f"not made good after {fuse.points}: {await house.server(name=NAME)}") from None
        if wished is not None and wished.desired is Desired.ABSENT:
            assert server is None, fuse.points
        await house.check()
        if server is not None and not server.stopped:
            await stop(house, hub)
        if server is not None:
            await delete(house, hub)
        await house.check()
        assert house.world.live() == []
    return died


def settled_as_wished(server: Server | None) -> bool:
    if server is None:
        return True
    if server.desired is Desired.RUNNING:
        return server.ready
    return server.stopped and server.desired is Desired.STOPPED
