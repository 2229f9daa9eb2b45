from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .fake_hub import FakeHub
from .running_server import Browser, running


@pytest.fixture(scope="module")
def shared_hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        yield hub


@pytest.fixture(scope="module")
def shared_server(shared_hub: FakeHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One server for a whole module: starting JupyterLab takes seconds."""
    home = tmp_path_factory.mktemp("home")
    with running(shared_hub, home) as browser:
        yield browser


@pytest.fixture
def hub(shared_hub: FakeHub) -> Iterator[FakeHub]:
    shared_hub.user = "alice"
    yield shared_hub
    shared_hub.answers = 200


@pytest.fixture
def browser(hub: FakeHub, shared_server: Browser) -> Iterator[Browser]:
    fresh = shared_server.another()
    fresh.log = shared_server.log
    yield fresh
    fresh.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder
