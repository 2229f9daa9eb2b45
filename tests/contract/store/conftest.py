"""One suite for both databases."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from perijove.adapters.store_sql import SqlStore, open_store
from perijove.testing.clock import FakeClock
from tests.contract.store.postgres import PostgresServer


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def postgres(postgresql_bin: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(postgresql_bin)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a database that does not exist yet, or is empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state' / 'hub.sqlite'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.url(server.new_database())


@pytest.fixture
async def store(url: str, clock: FakeClock) -> AsyncIterator[SqlStore]:
    async with open_store(url, pool_size=6, clock=clock) as opened:
        yield opened
