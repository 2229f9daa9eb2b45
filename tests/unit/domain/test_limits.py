"""Who may start now, and in which order: nobody is passed by without a reason of their own, and nobody waits for ever."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from perijove.domain.limits import ANY, Crowd, GroupLimits, Limits, Load, Waiting, in_order, line_up, room, why_full
from perijove.domain.server import ServerId, UserId

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
STEP = timedelta(minutes=5)
GROUPS = ("physics", "staff")


def asked(number: int, user: int, after_s: float = 0.0) -> Waiting:
    return Waiting(ServerId(number), UserId(user), NOW + timedelta(seconds=after_s))


def numbers(order: list[Waiting]) -> list[int]:
    return [waiting.id for waiting in order]


def test_each_limit_of_the_site_holds_back_at_its_number_and_says_so() -> None:
    limits = Limits(concurrent_starts=2, active_servers=4)
    assert (room(Load(starting=1, active=3), limits), why_full(Load(starting=1, active=3), limits)) == (1, "")
    assert room(Load(starting=1, active=4), limits) == 0
    assert "All 4 places" in why_full(Load(starting=1, active=4), limits)
    assert room(Load(starting=2, active=3), limits) == 0
    assert "Many servers are starting" in why_full(Load(starting=2, active=3), limits)
    assert room(Load(starting=9, active=9), limits) == 0, "limits were lowered"


def test_zero_lifts_a_limit() -> None:
    limits = Limits(concurrent_starts=0)
    assert not limits
    assert room(Load(starting=10**6, active=10**6), limits) == ANY
    assert Limits(concurrent_starts=0, groups={"physics": GroupLimits(priority=3)}).full_groups == []
    for group in (GroupLimits(active_servers=1), GroupLimits(concurrent_starts=1), GroupLimits(active_servers_per_user=1)):
        assert Limits(concurrent_starts=0, groups={"physics": group})


def test_whoever_asks_for_their_first_goes_before_whoever_asks_for_more() -> None:
    greedy = [asked(number, 1, number) for number in range(10)]
    queue = [*greedy, asked(10, 2, 60), asked(11, 3, 61)]
    assert numbers(in_order(queue, Crowd(), Limits()))[:4] == [0, 10, 11, 1]
    runs_one = Crowd(active_of={UserId(2): 1})
    assert numbers(in_order(queue, runs_one, Limits()))[:4] == [0, 11, 1, 10]


def test_who_has_waited_for_a_step_is_not_overtaken_any_more() -> None:
    second = asked(1, 1)
    just_before, just_after = asked(2, 2, STEP.total_seconds() - 1), asked(3, 3, STEP.total_seconds() + 1)
    crowd = Crowd(active_of={UserId(1): 1})
    assert numbers(in_order([second, just_before, just_after], crowd, Limits(queue_step=STEP))) == [2, 1, 3]
    assert numbers(in_order([second, just_before, just_after], crowd, Limits(queue_step=timedelta()))) == [1, 2, 3]


def test_a_priority_is_worth_its_steps_and_of_several_groups_the_highest_counts() -> None:
    limits = Limits(groups={"staff": GroupLimits(priority=2), "guests": GroupLimits(priority=-1)})
    queue = [asked(1, 1), asked(2, 2, 1), asked(3, 3, 2 * STEP.total_seconds() + 1), asked(4, 4, STEP.total_seconds())]
    crowd = Crowd(groups_of={UserId(1): ["guests"], UserId(3): ["guests", "staff"]})
    assert numbers(in_order(queue, crowd, limits)) == [2, 3, 1, 4]


def test_a_full_group_keeps_its_own_people_only_and_says_which_it_is() -> None:
    limits = Limits(groups={"physics": GroupLimits(active_servers=3)})
    groups_of = {UserId(user): ["physics"] for user in (1, 2, 3)}
    queue = [asked(number, number, number) for number in (1, 2, 3, 4)]
    places = line_up(queue, Crowd(groups_of=groups_of, load_of={"physics": Load(active=2)}), limits)
    assert [place.held.reason if place.held else "" for place in places] == [
        "",
        *["Your group physics, with those before you in the queue, has its 3 servers running."] * 2,
        "",
    ]
    full = line_up(queue, Crowd(groups_of=groups_of, load_of={"physics": Load(active=3)}), limits)
    assert [place.held.reason if place.held else "" for place in full] == [*["Your group physics has its 3 servers running."] * 3, ""]


def test_somebody_with_too_many_is_told_and_passed_by() -> None:
    queue = [asked(1, 1), asked(2, 1, 1), asked(3, 2, 2)]
    places = line_up(queue, Crowd(active_of={UserId(1): 2}), Limits(active_servers_per_user=2))
    assert [place.waiting.id for place in places if place.held is None] == [3]
    held = next(place.held for place in places if place.held)
    assert (held.group, held.reason) == ("", "You have 2 servers, and one person may have 2 here. Stop one to start this one.")


def test_the_most_generous_group_decides_how_many_one_may_have() -> None:
    limits = Limits(
        active_servers_per_user=2, groups={"staff": GroupLimits(active_servers_per_user=5), "guests": GroupLimits(active_servers_per_user=1)}
    )
    assert [limits.of_person(groups) for groups in ((), ("guests",), ("staff", "guests"), ("unknown",))] == [2, 1, 5, 2]
    lifted = Limits(
        active_servers_per_user=2, groups={"staff": GroupLimits(active_servers_per_user=0), "guests": GroupLimits(active_servers_per_user=1)}
    )
    assert lifted.of_person(("staff", "guests")) == 0


counts = st.integers(0, 3)
people = st.integers(0, 4).map(UserId)
groups = st.builds(
    GroupLimits, active_servers=counts, concurrent_starts=counts, active_servers_per_user=st.none() | counts, priority=st.integers(-2, 2)
)
loads = st.builds(lambda starting, more: Load(starting=starting, active=starting + more), counts, counts)
crowds = st.builds(
    Crowd,
    load=loads,
    active_of=st.dictionaries(people, counts),
    groups_of=st.dictionaries(people, st.lists(st.sampled_from(GROUPS), unique=True).map(sorted)),
    load_of=st.dictionaries(st.sampled_from(GROUPS), loads),
)
rules = st.builds(
    Limits,
    concurrent_starts=st.integers(0, 5),
    active_servers=st.integers(0, 8),
    active_servers_per_user=counts,
    queue_step=st.sampled_from([timedelta(), STEP]),
    groups=st.dictionaries(st.sampled_from(GROUPS), groups),
)
queues = st.lists(st.tuples(st.integers(0, 4), st.sampled_from([0, 0, 10, 299, 301, 10_000])), max_size=12).map(
    lambda people: [asked(number, user, after_s) for number, (user, after_s) in enumerate(people)]
)


@given(queue=queues, crowd=crowds, limits=rules)
def test_no_limit_is_passed_and_nobody_waits_without_need(queue: list[Waiting], crowd: Crowd, limits: Limits) -> None:
    places = line_up(queue, crowd, limits)
    free = room(crowd.load, limits)
    admitted = [place.waiting for place in places if place.held is None][:free]
    own = Counter(waiting.user_id for waiting in admitted)
    of_group = Counter(name for waiting in admitted for name in crowd.groups_of.get(waiting.user_id, ()))
    left = [place.waiting for place in places if place.waiting not in admitted]

    def broken(waiting: Waiting, more: int) -> bool:
        """Whether the person's or a group's limit is passed, if so many more start."""
        groups = crowd.groups_of.get(waiting.user_id, ())
        most = limits.of_person(groups)
        if most and crowd.active_of.get(waiting.user_id, 0) + own[waiting.user_id] + more > most:
            return True
        for name in groups:
            of, load = limits.groups.get(name, GroupLimits()), crowd.load_of.get(name, Load())
            if of.active_servers and load.active + of_group[name] + more > of.active_servers:
                return True
            if of.concurrent_starts and load.starting + of_group[name] + more > of.concurrent_starts:
                return True
        return False

    assert not any(broken(waiting, 0) for waiting in admitted)
    assert len(admitted) <= free
    if len(admitted) < free:
        assert all(broken(waiting, 1) for waiting in left)


@given(queue=queues, crowd=crowds, limits=rules, data=st.data())
def test_the_order_is_the_same_whoever_looks_and_equals_keep_theirs(queue: list[Waiting], crowd: Crowd, limits: Limits, data: st.DataObject) -> None:
    order = in_order(queue, crowd, limits)
    assert sorted(order) == sorted(queue)
    assert in_order(data.draw(st.permutations(queue)), crowd, limits) == order
    rank = {waiting.id: number for number, waiting in enumerate(order)}
    turns: Counter[UserId] = Counter(crowd.active_of)
    standing = {}
    for waiting in sorted(queue, key=lambda waiting: (waiting.queued_at, waiting.id)):
        standing[waiting.id] = (turns[waiting.user_id], limits.priority_of(crowd.groups_of.get(waiting.user_id, ())))
        turns[waiting.user_id] += 1
    for first in queue:
        for second in queue:
            if (first.queued_at, first.id) >= (second.queued_at, second.id):
                continue
            if standing[first.id] == standing[second.id] or first.user_id == second.user_id:
                assert rank[first.id] < rank[second.id]
            steps = standing[first.id][0] - standing[first.id][1] - standing[second.id][0] + standing[second.id][1]
            if second.queued_at - first.queued_at > steps * limits.queue_step:
                assert rank[first.id] < rank[second.id], "whoever has waited for long enough is not overtaken"
