from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.compared_oauth.differences import DIFFERENCES
from tests.integration.compared_oauth.hubs import THEIRS, ours
from tests.integration.compared_oauth.walking import Walker
from tests.integration.hub.jupyterhub import jupyterhub
from tests.running.perijove import Running, perijove

Walk = Callable[[Walker], str]


@pytest.fixture(scope="package")
def running() -> Iterator[Running]:
    with perijove(ours(), command="hub") as found:
        yield found


@pytest.fixture(scope="package")
def walkers(jupyterhub_6_env: Path, running: Running) -> Iterator[tuple[Walker, Walker]]:
    """JupyterHub's, and ours."""
    with jupyterhub(jupyterhub_6_env, THEIRS) as url:
        pair = Walker(url), Walker(running.hub_url)
        try:
            for walker in pair:
                walker.prepare()
            yield pair
        finally:
            for walker in pair:
                walker.close()


@pytest.fixture
def alike(walkers: tuple[Walker, Walker], request: pytest.FixtureRequest) -> Callable[[Walk], None]:
    """Takes a walk at both hubs; what came of it must be the same, or differ exactly as the table of differences says."""

    def check(walk: Walk) -> None:
        theirs, ours_ = walk(walkers[0]), walk(walkers[1])
        listed = DIFFERENCES.get(request.node.name)
        if listed is None:
            assert ours_ == theirs
        else:
            assert ours_.startswith(listed.ours), listed.why
            assert theirs != ours_, "a difference is gone: take it from the list, and from the documentation"

    return check
