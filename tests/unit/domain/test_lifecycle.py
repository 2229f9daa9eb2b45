"""The one table: walked at random, with what must be true wherever one stands."""

from itertools import product

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from perijove.domain.lifecycle import ACTIVITY, TABLE, Effect, Event, IllegalTransitionError, can, step
from perijove.domain.server import IDLE_PHASES, Phase

MAY_HAVE_ROUTE = frozenset({Phase.ROUTING, Phase.READY, Phase.UNKNOWN, Phase.WAITING})
"""WAITING: of a server that was routed before its hub died; it is found again first."""


class Life(RuleBasedStateMachine):
    """One server and its bookkeeping, under any events the table allows."""

    def __init__(self) -> None:
        super().__init__()
        self.phase = Phase.STOPPED
        self.token = False
        self.route = False
        self.exists = False

    def take(self, event: Event) -> None:
        self.phase, effects = step(self.phase, event)
        for effect in effects:
            match effect:
                case Effect.ISSUE_TOKEN:
                    assert not self.token, "a second token while the first is valid"
                    self.token = True
                case Effect.REVOKE_TOKEN:
                    self.token = False
                case Effect.ADD_ROUTE:
                    self.route = True
                case Effect.REMOVE_ROUTE:
                    self.route = False
        if self.phase is Phase.STARTING:
            self.exists = True
        if event in {Event.GONE, Event.GONE_FAILED, Event.GONE_AGAIN}:
            self.exists = False

    @rule(data=st.data())
    def something_happens(self, data: st.DataObject) -> None:
        self.take(data.draw(st.sampled_from([event for event in Event if can(self.phase, event)])))

    @rule(event=st.sampled_from(Event))
    def what_is_not_in_the_table_is_refused(self, event: Event) -> None:
        if not can(self.phase, event):
            with pytest.raises(IllegalTransitionError, match=self.phase.value):
                step(self.phase, event)

    @precondition(lambda self: can(self.phase, Event.ASK_STOP))
    @rule()
    def asking_to_stop_leads_to_rest(self) -> None:
        self.take(Event.ASK_STOP)
        if self.phase is Phase.STOPPING:
            self.take(Event.GONE)
        assert self.phase is Phase.STOPPED

    @invariant()
    def nothing_is_left_of_a_server_at_rest(self) -> None:
        if self.phase in IDLE_PHASES | {Phase.QUEUED}:
            assert (self.token, self.route, self.exists) == (False, False, False)

    @invariant()
    def whatever_may_run_has_a_valid_token(self) -> None:
        assert self.token == self.exists

    @invariant()
    def a_route_stands_only_while_a_server_may_be_behind_it(self) -> None:
        assert not self.route or self.phase in MAY_HAVE_ROUTE
        assert self.route or self.phase not in {Phase.ROUTING, Phase.READY}


Life.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestLife = Life.TestCase


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase not in {Phase.STOPPED, Phase.STOPPING}])
def test_from_any_phase_a_wish_to_stop_is_at_most_two_events_from_rest(phase: Phase) -> None:
    after, _ = step(phase, Event.ASK_STOP)
    assert after is Phase.STOPPED or step(after, Event.GONE)[0] is Phase.STOPPED


def test_every_phase_can_be_reached_and_left() -> None:
    reached, edge = {Phase.STOPPED}, {Phase.STOPPED}
    while edge:
        edge = {after for (before, _), (after, _) in TABLE.items() if before in edge} - reached
        reached |= edge
    assert reached == set(Phase)
    assert {before for before, _ in TABLE} == set(Phase)


def test_what_outlives_a_hub_can_be_found_out_by_the_next() -> None:
    """Each phase with work under a lease takes LOST, and stays or becomes one in which the work can be done again."""
    for phase in set(ACTIVITY) - {Phase.QUEUED}:
        after, effects = step(phase, Event.LOST)
        assert after in ACTIVITY
        assert effects == ()


def test_every_pair_not_in_the_table_is_illegal() -> None:
    for phase, event in product(Phase, Event):
        if (phase, event) not in TABLE:
            assert not can(phase, event)
            with pytest.raises(IllegalTransitionError):
                step(phase, event)
