"""Wishes: whatever people ask for, and whatever happens meanwhile, nothing is left behind and a stop ends in stopped."""

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from perijove.domain.errors import BadInputError, ConflictError
from perijove.domain.lifecycle import Effect, Event, can, step
from perijove.domain.server import IDLE_PHASES, Desired, Failure, Phase, Server, ServerId, UserId
from perijove.domain.wish import end_of_stop, wish_to_end, wish_to_run
from perijove.wire.names import DEFAULT_SERVER, UserName

FAILURE = Failure(code="died", message="It died.")
NEW = Server(id=ServerId(1), user_id=UserId(1), user_name=UserName("ann"), name=DEFAULT_SERVER)
_EXISTS = frozenset({Phase.STARTING, Phase.WAITING, Phase.ROUTING, Phase.READY, Phase.STOPPING, Phase.UNKNOWN})
"""Something may exist outside the database."""


class Wishes(RuleBasedStateMachine):
    """One server: wishes, a world outside, and a hub that does what the activity of the phase asks for and may die at any moment.

    The world: a process that lives or not, told by the hub's own doing or ended by itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self.server = NEW
        self.alive = 0
        self.launched = 0
        self.token = self.route = False
        self.deleted = False

    def raised(self, event: Event, **changes: object) -> None:
        phase, effects = step(self.server.phase, event)
        self.server = replace(self.server, phase=phase, **changes)  # type: ignore[arg-type]
        for effect in effects:
            match effect:
                case Effect.ISSUE_TOKEN:
                    assert not self.token, "the token before was revoked"
                    self.token = True
                case Effect.REVOKE_TOKEN:
                    self.token = False
                case Effect.ADD_ROUTE:
                    self.route = True
                case Effect.REMOVE_ROUTE:
                    self.route = False

    @precondition(lambda self: not self.deleted)
    @rule(desired=st.sampled_from(Desired))
    def wish(self, desired: Desired) -> None:
        try:
            wish = wish_to_run(self.server) if desired is Desired.RUNNING else wish_to_end(self.server, desired)
        except (BadInputError, ConflictError):
            assert desired is Desired.RUNNING
            return
        if wish is None:
            return
        self.server = wish.server
        assert self.server.desired is desired
        if wish.event is not None:
            self.raised(wish.event)

    @precondition(lambda self: self.server.phase is Phase.QUEUED)
    @rule()
    def admit(self) -> None:
        self.raised(Event.ADMIT, attempt=self.server.attempt + 1, failure=None)

    @precondition(lambda self: self.server.phase is Phase.STARTING)
    @rule(comes_up=st.booleans(), said=st.booleans())
    def start(self, comes_up: bool, said: bool) -> None:
        """The spawner may launch it and the hub never hear of it."""
        if self.alive == 0 and self.launched < self.server.attempt:
            self.launched = self.server.attempt
            self.alive = 1
        if said:
            self.raised(Event.CHECKPOINT)
            if comes_up:
                self.raised(Event.UP)
            else:
                self.raised(Event.BROKE, failure=FAILURE)

    @precondition(lambda self: self.server.phase is Phase.WAITING)
    @rule(gives_up=st.booleans())
    def probe(self, gives_up: bool) -> None:
        if gives_up:
            self.raised(Event.BROKE, failure=FAILURE)
        elif self.alive:
            self.raised(Event.ANSWERED)
        else:
            self.raised(Event.DIED, failure=FAILURE)

    @precondition(lambda self: self.server.phase is Phase.ROUTING)
    @rule()
    def routed(self) -> None:
        self.raised(Event.ROUTED)

    @precondition(lambda self: self.server.phase is Phase.READY)
    @rule(event=st.sampled_from([Event.MOVED, Event.REQUEUED]))
    def poll(self, event: Event) -> None:
        if not self.alive:
            self.raised(Event.DIED, failure=FAILURE)
        else:
            self.raised(event)

    @precondition(lambda self: self.server.phase is Phase.UNKNOWN)
    @rule()
    def find(self) -> None:
        if self.alive:
            self.raised(Event.FOUND)
        else:
            self.raised(Event.DIED, failure=FAILURE)

    @precondition(lambda self: self.server.phase is Phase.STOPPING)
    @rule(heard=st.booleans())
    def stop(self, heard: bool) -> None:
        """The spawner ends it, and the hub may die before it has written that down."""
        self.alive = 0
        if heard:
            event, desired = end_of_stop(self.server)
            self.raised(event, desired=desired)

    @rule()
    def dies(self) -> None:
        self.alive = 0

    @precondition(lambda self: can(self.server.phase, Event.LOST))
    @rule()
    def hub_dies(self) -> None:
        self.raised(Event.LOST)

    @precondition(lambda self: self.server.stopped and self.server.desired is Desired.ABSENT)
    @rule()
    def delete(self) -> None:
        self.deleted = True

    @invariant()
    def nothing_lives_unknown_to_the_hub(self) -> None:
        if self.alive:
            assert self.server.phase in _EXISTS

    @invariant()
    def the_token_is_valid_exactly_while_something_may_exist(self) -> None:
        assert self.token == (self.server.phase in _EXISTS)

    @invariant()
    def a_route_leads_to_what_may_live(self) -> None:
        if self.route:
            assert self.server.phase in {Phase.WAITING, Phase.ROUTING, Phase.READY, Phase.UNKNOWN}
        if self.server.phase in {Phase.ROUTING, Phase.READY}:
            assert self.route

    @invariant()
    def who_is_at_rest_has_nothing_and_wants_nothing(self) -> None:
        if self.server.phase in IDLE_PHASES:
            assert (self.alive, self.token, self.route) == (0, False, False)
            assert self.server.desired is not Desired.RUNNING
            assert (self.server.phase is Phase.FAILED) == (self.server.failure is not None)

    def teardown(self) -> None:
        """A stop always ends in stopped."""
        if self.deleted:
            return
        wish = wish_to_end(self.server, Desired.STOPPED)
        if wish is not None:
            self.server = wish.server
            if wish.event is not None:
                self.raised(wish.event)
        if self.server.phase is Phase.STOPPING:
            self.stop(heard=True)
        self.who_is_at_rest_has_nothing_and_wants_nothing()
        assert self.server.stopped


Wishes.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestWishes = Wishes.TestCase


def test_a_start_wished_while_it_stops_starts_it_again_even_after_a_failure() -> None:
    stopping = replace(NEW, phase=Phase.STOPPING, failure=FAILURE)
    assert end_of_stop(stopping) == (Event.GONE_FAILED, Desired.STOPPED)
    wish = wish_to_run(stopping)
    assert wish is not None
    assert wish.event is None
    assert end_of_stop(wish.server) == (Event.GONE_AGAIN, Desired.RUNNING)


def test_a_server_that_dies_though_it_should_run_is_not_started_for_ever() -> None:
    assert end_of_stop(replace(NEW, phase=Phase.STOPPING, desired=Desired.RUNNING, failure=FAILURE)) == (Event.GONE_FAILED, Desired.STOPPED)


def test_a_wish_to_delete_is_not_taken_back() -> None:
    going = replace(NEW, phase=Phase.STOPPING, desired=Desired.ABSENT)
    assert wish_to_end(going, Desired.STOPPED) is None
    with pytest.raises(ConflictError, match="being deleted"):
        wish_to_run(going)


def test_only_a_running_server_cannot_be_started_and_one_on_its_way_goes_on() -> None:
    with pytest.raises(BadInputError, match="already running"):
        wish_to_run(replace(NEW, phase=Phase.READY, desired=Desired.RUNNING))
    for phase in (Phase.QUEUED, Phase.STARTING, Phase.WAITING, Phase.ROUTING, Phase.UNKNOWN):
        assert wish_to_run(replace(NEW, phase=phase, desired=Desired.RUNNING)) is None
