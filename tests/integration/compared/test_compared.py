"""The REST API beside JupyterHub's 6.1."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.integration.compared import activity, addresses, browsers, groups, hub_itself, matrix, names, scopes, servers, tokens, users
from tests.integration.compared.differences import DIFFERENCES
from tests.integration.compared.hubs import THEIRS, ours
from tests.integration.compared.matching import Ledger
from tests.integration.compared.shapes import compare, says_why, shape
from tests.integration.compared.talk import Ask, Step, Talk
from tests.integration.hub.jupyterhub import jupyterhub
from tests.running.perijove import perijove

AREAS: tuple[Callable[[], Iterator[Step]], ...] = (
    matrix.everybody_reads_everything,
    matrix.everybody_tries_to_change,
    *scopes.AREAS,
    *addresses.AREAS,
    *users.AREAS,
    *names.AREAS,
    *activity.AREAS,
    *tokens.AREAS,
    *groups.AREAS,
    *servers.AREAS,
    *hub_itself.AREAS,
    *browsers.AREAS,
    users.a_name_that_stays,
    names.names_that_change_under_servers,
)


@pytest.fixture(scope="module")
def hubs(jupyterhub_6_env: Path, at_once: ThreadPoolExecutor) -> Iterator[tuple[Talk, Talk]]:
    """JupyterHub's, and ours."""
    with (
        TemporaryDirectory(prefix="both-") as folder,
        jupyterhub(jupyterhub_6_env, THEIRS) as url,
        perijove(ours(), command="hub") as running,
        closing(Talk(url, Path(folder, "theirs"))) as theirs,
        closing(Talk(running.hub_url, Path(folder, "ours"))) as mine,
    ):
        theirs.prepare()
        mine.prepare()
        yield theirs, mine


@pytest.fixture(scope="module")
def at_once() -> Iterator[ThreadPoolExecutor]:
    """Both hubs can work at the same time."""
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger(DIFFERENCES)


@pytest.mark.parametrize("area", AREAS, ids=lambda area: area.__name__)
def test_both_hubs_answer_alike(hubs: tuple[Talk, Talk], at_once: ThreadPoolExecutor, ledger: Ledger, area: Callable[[], Iterator[Step]]) -> None:
    unlisted = []
    for step in area():
        if not isinstance(step, Ask):
            for _ in at_once.map(step, hubs):
                pass
            continue
        theirs, mine = [one.result() for one in [at_once.submit(talk.ask, step) for talk in hubs]]
        expected, found = shape(theirs), shape(mine)
        assert mine.status_code < 500 or mine.status_code == theirs.status_code, f"{step.name}: {mine.status_code} {mine.text}"
        assert says_why(mine), f"{step.name}: {mine.status_code} {mine.text}"
        ledger.asked += 1
        unlisted += [f"{step.name}\n    {line}" for line in compare(expected, found) if not ledger.knows(step.name, line)]
    for talk in hubs:
        talk.check_people()
    assert not unlisted, f"{len(unlisted)} differences:\n" + "\n".join(unlisted)


def test_every_listed_difference_is_still_there(ledger: Ledger) -> None:
    """Of a run of all areas: what is alike by now must leave the table, and the page."""
    if ledger.asked < 2000:
        pytest.fail("run the whole file: this looks back at all its questions")
    assert not ledger.unseen(), "gone: take it from differences.py, then `make fix`"
