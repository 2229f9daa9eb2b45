from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perijove.adapters.keys import Keys
from perijove.adapters.store_sql import open_store
from perijove.config.settings import Settings
from perijove.control.access.identity import Identities, open_identities
from perijove.control.context import Hub
from perijove.control.watch import Watch
from perijove.domain.addresses import HubAddresses
from perijove.domain.claims import Claims
from perijove.ports.store.store import Store
from perijove.testing.clock import FakeClock

from .door import Door, Ear

Configure = Callable[..., Hub]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def door() -> Door:
    """Knows alice and bob, and has nothing to say about groups."""
    return Door(known={name: Claims(issuer="door", subject=f"id-{name}", username=name) for name in ("alice", "bob")})


@pytest.fixture
async def store(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Store]:
    async with open_store(f"sqlite:///{tmp_path / 'hub.sqlite'}", pool_size=2, clock=clock) as opened:
        yield opened


@pytest.fixture
def configure(store: Store, clock: FakeClock, door: Door, ear: Ear) -> Configure:
    """A hub with these sections of the configuration: configure(access={"allow_all": True})."""

    def make(**sections: dict[str, Any]) -> Hub:
        unused: Any = None  # nothing here starts or probes servers
        return Hub(
            replica="test",
            settings=msgspec.convert(sections, Settings),
            addresses=HubAddresses(base_url="/base/", api_url="http://127.0.0.1:8081/base/hub/api"),
            store=store,
            clock=clock,
            secrets=Keys("m" * 40),
            authenticator=door,
            observers=(ear,),
            spawner=unused,
            prober=unused,
            watch=Watch(store, clock),
        )

    return make


@pytest.fixture
def hub(configure: Configure) -> Hub:
    """Everybody whom the door knows is let in."""
    return configure(access={"allow_all": True})


@pytest.fixture
async def identities(hub: Hub) -> AsyncIterator[Identities]:
    async with open_identities(hub) as opened:
        yield opened
