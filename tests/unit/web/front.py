"""The hub's front in memory: the application over a real database, without a network."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2 as httpx
import msgspec
from starlette.responses import Response

from perijove.adapters.authenticators.dummy import Dummy
from perijove.adapters.keys import Keys
from perijove.adapters.store_sql import open_store
from perijove.adapters.system_clock import SystemClock
from perijove.config.settings import Settings
from perijove.control.access.identity import open_identities
from perijove.control.context import Hub
from perijove.control.people.sign_in import open_session
from perijove.control.servers.activity import Reports
from perijove.control.servers.offering import Judge
from perijove.control.servers.reporting import ReportDesk
from perijove.control.watch import Watch
from perijove.domain.addresses import HubAddresses
from perijove.domain.change import Notice, Topic
from perijove.ports.store.store import DatabaseUnavailableError, Store, Tx
from perijove.telemetry.metrics import Metrics
from perijove.web.answers import Answers
from perijove.web.app import App
from perijove.web.call import Call
from perijove.web.crowd import Crowd
from perijove.web.ending import Ending
from perijove.web.router import Route
from perijove.web.surface import Surface
from perijove.web.waking import Waking

T = TypeVar("T")


class Leaving:
    """A database that is away whenever `away` says so."""

    shared = False
    deaf_s = 0.0

    def __init__(self, store: Store) -> None:
        self._store = store
        self.away = False

    @property
    def epoch(self) -> str:
        return self._store.epoch

    async def read(self, query: Callable[[Tx], T]) -> T:
        self._refuse()
        return await self._store.read(query)

    async def write(self, change: Callable[[Tx], T]) -> T:
        self._refuse()
        return await self._store.write(change)

    def follow(self, topics: Sequence[Topic], after: int | None = None) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Notice]]]:
        return self._store.follow(topics, after)

    def _refuse(self) -> None:
        if self.away:
            raise DatabaseUnavailableError("The database is away.", retry_after_s=5)


@dataclass
class Front:
    surface: Surface
    store: Leaving
    client: httpx.AsyncClient
    """Of alice's browser, signed in."""


@asynccontextmanager
async def open_front(folder: Path, routes: Sequence[Route[Call, Response]]) -> AsyncIterator[Front]:
    clock, metrics = SystemClock(), Metrics("x_")
    unused: Any = None  # no servers here
    async with open_store(f"sqlite:///{folder / 'hub.sqlite'}", pool_size=2, clock=clock) as opened:
        store = Leaving(opened)
        hub = Hub(
            replica="one",
            settings=msgspec.convert({}, Settings),
            addresses=HubAddresses(base_url="/", api_url="http://127.0.0.1:8081/hub/api"),
            store=store,
            clock=clock,
            secrets=Keys("m" * 40),
            authenticator=Dummy(None),
            spawner=unused,
            prober=unused,
            watch=Watch(store, clock),
        )

        def sign_in(tx: Tx) -> str:
            alice = tx.users.add("alice", now=clock.now())
            return open_session(tx, hub, alice, "dummy", "alice", clock.now(), address="", user_agent="").cookie

        cookie = await store.write(sign_in)
        async with open_identities(hub) as identities:
            surface = Surface(
                hub=hub,
                identities=identities,
                metrics=metrics,
                answers=Answers(hub),
                reports=Reports(hub),
                desk=ReportDesk(hub),
                judge=Judge(hub),
                proxy_token="t" * 40,
                page_key=b"k" * 32,
                started=clock.now(),
                ending=Ending(),
                waking=Waking(clock),
                crowd=Crowd(metrics),
            )
            transport = httpx.ASGITransport(App(surface, tuple(routes)))
            async with httpx.AsyncClient(transport=transport, base_url="http://hub.example", cookies={"perijove-session": cookie}) as client:
                yield Front(surface, store, client)
