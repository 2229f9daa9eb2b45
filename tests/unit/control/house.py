"""What outlives hubs: one real database and one world. Hubs come, are killed, and are followed by others."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from perijove.adapters.keys import Keys
from perijove.config.settings import Settings
from perijove.control.context import Hub
from perijove.control.servers.progress import wait_until_settled
from perijove.control.servers.reconcile import run_reconciler
from perijove.control.watch import Watch
from perijove.domain.addresses import HubAddresses
from perijove.domain.change import Notice, Topic
from perijove.domain.environment import client_id
from perijove.domain.lifecycle import Transition
from perijove.domain.server import Phase, Server
from perijove.ports.clock import Clock
from perijove.ports.store.store import Store, Tx
from perijove.testing.fake_prober import FakeProber
from perijove.testing.fuse import Fuse, Killed
from perijove.testing.scripted_spawner import ScriptedSpawner
from perijove.testing.world import World

T = TypeVar("T")
WITHIN_S = 10.0


class Mortal:
    """The database as one replica reaches it: not at all any more once its fuse has blown."""

    def __init__(self, store: Store, fuse: Fuse, *, shared: bool) -> None:
        self._store = store
        self._fuse = fuse
        self.shared = shared

    @property
    def epoch(self) -> str:
        return self._store.epoch

    @property
    def deaf_s(self) -> float:
        return self._store.deaf_s

    async def read(self, query: Callable[[Tx], T]) -> T:
        if self._fuse.blown.is_set():
            raise Killed
        return await self._store.read(query)

    async def write(self, change: Callable[[Tx], T]) -> T:
        self._fuse.burn("write")
        done = await self._store.write(change)
        self._fuse.burn("written")
        return done

    def follow(self, topics: Sequence[Topic], after: int | None = None) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Notice]]]:
        return self._store.follow(topics, after)


@dataclass
class Witness:
    """Implements ports.observer.Observer for transitions."""

    moves: list[Transition] = field(default_factory=list)

    def transition(self, transition: Transition, at: datetime) -> None:
        self.moves.append(transition)

    def audit(self, event: object) -> None: ...


@dataclass
class House:
    store: Store
    world: World
    time: Clock
    witness: Witness = field(default_factory=Witness)

    def hub(self, replica: str = "first", *, fuse: Fuse | None = None, shared: bool = False, **sections: dict[str, Any]) -> Hub:
        """A new hub, which knows nothing of those before it; `sections` of the configuration."""
        fuse = fuse or Fuse()
        store = Mortal(self.store, fuse, shared=shared)
        unused: Any = None  # nobody signs in
        return Hub(
            replica=replica,
            settings=msgspec.convert(sections, Settings),
            addresses=HubAddresses(base_url="/base/", api_url="http://127.0.0.1:8081/base/hub/api"),
            store=store,
            clock=self.time,
            secrets=Keys("m" * 40),
            authenticator=unused,
            observers=(self.witness,),
            spawner=ScriptedSpawner(self.world, fuse),
            prober=FakeProber(self.world, fuse),
            watch=Watch(store, self.time),
        )

    @asynccontextmanager
    async def running(self, hub: Hub) -> AsyncIterator[Hub]:
        """While its reconciler runs. That it is killed is no error; whatever else ends it is."""
        work = asyncio.create_task(run_reconciler(hub))
        standing = asyncio.create_task(hub.watch.standing.wait())
        await asyncio.wait({work, standing}, return_when=asyncio.FIRST_COMPLETED)
        try:
            yield hub
        finally:
            work.cancel()
            standing.cancel()
            await asyncio.wait({work, standing})
            if not work.cancelled() and (error := work.exception()) is not None and not _only_killed(error):
                raise error

    async def server(self, user: str = "alice", name: str = "") -> Server | None:
        return await self.store.read(lambda tx: tx.servers.find(user, name))

    async def until(self, hub: Hub, condition: Callable[[Server | None], bool], user: str = "alice", name: str = "") -> Server | None:
        """The row when it is so. Raises TimeoutError."""
        first = await self.server(user, name)
        if first is None:
            assert condition(None)
            return None
        with hub.watch.of(first.id) as news:
            async with asyncio.timeout(WITHIN_S):
                while True:
                    news.clear()  # before looking: what happens meanwhile is news
                    present = await self.server(user, name)
                    if condition(present):
                        return present
                    await news.wait()

    async def settled(self, hub: Hub, user: str = "alice", name: str = "") -> Server | None:
        """The row when nothing more will happen to it; None if it was deleted."""
        server = await self.server(user, name)
        return None if server is None else await wait_until_settled(hub, server, WITHIN_S)

    async def check(self) -> None:
        """What must be true whenever all is settled: each server runs once or not at all, and nothing is left of those that do not."""
        assert self.world.doubles == []
        servers, routes, tokens, clients = await self.store.read(lambda tx: _all(tx, self.time.now()))
        ready = [server for server in servers if server.phase is Phase.READY]
        assert [server.phase for server in servers if server not in ready and not server.stopped] == []
        assert {process.address for process in self.world.live()} == {server.address for server in ready}
        assert routes == {(server.id, server.address) for server in ready}
        assert tokens == sorted(server.id for server in ready)
        assert clients == sorted(server.id for server in ready)


def _all(tx: Tx, now: datetime) -> tuple[list[Server], set[tuple[Any, Any]], list[Any], list[Any]]:
    users = [user for name in ("alice", "bob") if (user := tx.users.get(name)) is not None]
    servers = [server for own in tx.servers.of_users([user.id for user in users]).values() for server in own]
    routes = {(route.server_id, route.target) for route in tx.routes.all()[1]}
    tokens = sorted(token.server_id or 0 for user in users for token in tx.tokens.of_user(user.id, now))
    clients = sorted(server.id for server in servers if tx.oauth.client(client_id(server)) is not None)
    return servers, routes, tokens, clients


def _only_killed(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_only_killed(one) for one in error.exceptions)
    return isinstance(error, Killed)


async def until_killed(fuse: Fuse, acts: Awaitable[None]) -> bool:
    """Whether the fuse blew before the acts were done."""
    acting = asyncio.ensure_future(acts)
    blown = asyncio.ensure_future(fuse.blown.wait())
    try:
        async with asyncio.timeout(WITHIN_S):
            await asyncio.wait({acting, blown}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        acting.cancel()
        blown.cancel()
        await asyncio.wait({acting, blown})
    if fuse.blown.is_set():
        return True
    acting.result()
    return False
