"""What replicas promise each other holds in every state that two or three of them can get into."""

import pytest

from perijove.domain.lifecycle import ACTIVITY
from perijove.domain.server import Phase
from tests.model.explore import Broken, Explored, explore
from tests.model.protocol import IDLE, Luck, Rules, World, begin

LUCK = [
    pytest.param(2, Luck(wishes=2, crashes=1, pauses=1, deaths=1, breaks=1), id="two replicas, some of everything"),
    pytest.param(2, Luck(wishes=3, crashes=0, pauses=1, deaths=0, breaks=0), id="two replicas, changing wishes"),
    pytest.param(2, Luck(wishes=1, crashes=0, pauses=3, deaths=0, breaks=0), id="two replicas, pauses again and again"),
    pytest.param(2, Luck(wishes=1, crashes=2, pauses=0, deaths=1, breaks=0), id="two replicas, both killed"),
    pytest.param(3, Luck(wishes=2, crashes=1, pauses=1, deaths=0, breaks=0), id="three replicas"),
]


def wrong_in(world: World) -> str:
    """What must never be, even for a moment; "" if all is well."""
    row = world.row
    if len(world.processes) > 1:
        return "two processes of one server live"
    if row.routed and row.phase in IDLE | {Phase.QUEUED, Phase.STOPPING, Phase.STARTING}:
        return "a route leads to a server that is not there"
    if world.processes and row.phase not in IDLE and row.token == 0 and row.phase is not Phase.QUEUED:
        return "a server has no token"
    if row.phase in IDLE and row.token:
        return "a stopped server's token is valid"
    if row.phase in IDLE | {Phase.QUEUED} and world.processes:
        return "a server lives that nobody knows of"
    if world.processes and not world.processes <= {row.attempt}:
        return "a server of an earlier attempt lives"
    return ""


def unsettled(world: World) -> str:
    """What must not be when everything that was going to happen has happened."""
    row = world.row
    if ACTIVITY.get(row.phase) is not None:
        return f"the server hangs in {row.phase.value}"
    if row.phase is Phase.READY and world.processes != {row.attempt}:
        return "a server that is said to be ready does not live"
    if row.phase is Phase.READY and row.routed != row.attempt:
        return "a ready server has no route"
    if row.phase in IDLE and (world.processes or row.token or row.routed):
        return "a stopped server has left something behind"
    if row.wanted and row.phase is Phase.STOPPED:
        return "a wish was lost"
    if not row.wanted and row.phase is Phase.READY:
        return "a wish to end was lost"
    return ""


def check(replicas: int, luck: Luck, rules: Rules) -> Explored | Broken:
    return explore(begin(replicas, luck), rules, wrong_in)


@pytest.mark.parametrize(("replicas", "luck"), LUCK)
def test_no_server_is_ever_doubled_lost_or_left_behind(replicas: int, luck: Luck) -> None:
    found = check(replicas, luck, Rules())
    assert isinstance(found, Explored), str(found)
    ends = list(found.at_rest())
    assert ends
    for world in ends:
        assert not unsettled(world), str(Broken(unsettled(world), found.path(world)))


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(Rules(compare_and_swap=False), id="compare and swap"),
        pytest.param(Rules(promise_before_start=False), id="a promise in the database before a process in the world"),
        pytest.param(Rules(place_remembers_stops=False), id="a place that remembers what it stopped"),
    ],
)
def test_without_this_rule_something_breaks(rules: Rules) -> None:
    replicas, luck = 2, Luck(wishes=2, crashes=1, pauses=1, deaths=1, breaks=1)
    found = check(replicas, luck, rules)
    assert isinstance(found, Broken) or any(unsettled(world) for world in found.at_rest())


def test_the_model_gets_everywhere() -> None:
    found = check(2, Luck(wishes=2, crashes=1, pauses=1, deaths=1, breaks=1), Rules())
    assert isinstance(found, Explored)
    assert {world.row.phase for world in found.edges} == set(Phase)
    assert {world.row.phase for world in found.at_rest()} == {Phase.READY, Phase.STOPPED, Phase.FAILED}
