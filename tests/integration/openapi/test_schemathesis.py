"""Schemathesis against a running hub: the document that the hub serves, and JupyterHub's.

`python -m tests.integration.openapi MINUTES SEED` looks for longer, and elsewhere.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.store.postgres import PostgresServer
from tests.integration.openapi.fuzzing import Bound, own_document, reference_document
from tests.integration.openapi.world import World, world

BOUND = Bound(examples=4, seed=20261123)
LOCKED = 4
"""Operations that the test's token opens only by chance."""
OF_SERVERS = 2
"""Only a server itself may report of its place: tests/integration/hub/test_places.py tries that."""


@pytest.fixture(scope="module")
def hub() -> Iterator[World]:
    with world() as found:
        yield found


@pytest.fixture(scope="module")
def postgresql_hub(postgresql_bin: Path) -> Iterator[World]:
    """PostgreSQL is stricter about what text and numbers it takes than SQLite."""
    server = PostgresServer(postgresql_bin)
    try:
        server.start()
        with world(server.url(server.new_database())) as found:
            yield found
    finally:
        server.close()


def test_the_hub_answers_as_its_own_document_says(hub: World, tmp_path: Path) -> None:
    outcome = own_document(hub, tmp_path, BOUND)
    assert outcome.passed, f"with seed {BOUND.seed}:\n{outcome.output}"
    assert outcome.locked < LOCKED + OF_SERVERS, outcome.output
    assert "Traceback" not in hub.running.output


def test_the_hub_answers_as_jupyterhub_s_document_says(hub: World, tmp_path: Path) -> None:
    outcome = reference_document(hub, tmp_path, BOUND)
    assert outcome.passed, f"with seed {BOUND.seed}:\n{outcome.output}"
    assert outcome.locked < LOCKED, outcome.output
    assert "Traceback" not in hub.running.output


def test_so_it_does_on_postgresql(postgresql_hub: World, tmp_path: Path) -> None:
    outcome = own_document(postgresql_hub, tmp_path, BOUND)
    assert outcome.passed, f"with seed {BOUND.seed}:\n{outcome.output}"
    assert outcome.locked < LOCKED + OF_SERVERS, outcome.output
    assert "Traceback" not in postgresql_hub.running.output
