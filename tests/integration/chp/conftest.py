"""Both programs, started once for each set of options."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from .option_sets import SETS
from .running import Proxy, World, both, world

Pair = tuple[Proxy, Proxy]


@pytest.fixture(scope="session")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The servers behind the proxies."""
    with world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture(scope="module")
def start_pair(behind: World, configurable_http_proxy: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Pair]]:
    """configurable-http-proxy and ours with the options of this name; they run until a pair with other options is asked for."""
    started: dict[str, Pair] = {}
    with ExitStack() as stack:

        def start(name: str) -> Pair:
            if name not in started:
                stack.close()
                started.clear()
                started[name] = stack.enter_context(both(configurable_http_proxy, SETS[name], behind, tmp_path_factory.mktemp("pair")))
            return started[name]

        yield start
