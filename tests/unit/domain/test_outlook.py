"""What people who wait are told: a place among all, and a wait among those whom the same limit keeps."""

from datetime import UTC, datetime, timedelta

import pytest

from perijove.domain.limits import Crowd, GroupLimits, Limits, Load, Waiting, line_up
from perijove.domain.outlook import SITE, QueueView, ordinal, outlook
from perijove.domain.server import ServerId, UserId

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LIMITS = Limits(concurrent_starts=2, active_servers_per_user=1, groups={"physics": GroupLimits(active_servers=3), "staff": GroupLimits(priority=1)})


class Asked:
    """How many left the queue: so many a second of each group, and of the whole site."""

    def __init__(self, **per_s: float) -> None:
        self.per_s = {(SITE if name == "site" else name): number for name, number in per_s.items()}
        self.asked: dict[str, list[float]] = {}

    def __call__(self, since: datetime, group: str) -> int:
        seconds = (NOW - since).total_seconds()
        self.asked.setdefault(group, []).append(seconds)
        return round(self.per_s[group] * seconds)


def seen(queue: list[Waiting], crowd: Crowd, asked: Asked, limits: Limits = LIMITS) -> QueueView:
    return outlook(line_up(queue, crowd, limits), len(queue), crowd, limits, NOW, asked)


def waiting(number: int, waited_s: float) -> Waiting:
    return Waiting(ServerId(number), UserId(number), NOW - timedelta(seconds=waited_s))


def test_the_wait_is_that_of_those_before_at_the_pace_since_the_first_of_them_asked() -> None:
    queue = [waiting(number, 200 - number) for number in range(100)]
    asked = Asked(site=1.0)
    view = seen(queue, Crowd(load=Load(starting=2, active=50)), asked)
    assert asked.asked == {SITE: [200, 100]}, "twice, however many wait"
    last, first = view.place_of(ServerId(99)), view.place_of(ServerId(0))
    assert last is not None
    assert first is not None
    assert (first.place, first.length, last.place) == (1, 100, 100)
    assert first.left is not None
    assert last.left is not None
    assert first.left.least_s < 1 < first.left.most_s
    assert last.left.least_s < 100 < last.left.most_s
    assert last.words == "100th of 100 in the queue, about 2 minutes to go"
    assert "Many servers are starting" in last.reason
    assert (view.per_minute, view.longest_wait) == (60, timedelta(seconds=200))
    assert view.place_of(ServerId(100)) is None


def test_who_is_kept_by_a_group_is_told_so_and_waits_at_the_group_s_pace_behind_its_own_people_only() -> None:
    physics = [waiting(number, 3600) for number in range(5)]
    others = [waiting(number, 100) for number in range(5, 25)]
    groups_of = {UserId(number): ["physics"] for number in range(5)}
    asked = Asked(site=0.5, physics=0.02)
    view = seen([*physics, *others], Crowd(groups_of=groups_of, load_of={"physics": Load(active=3)}), asked)
    assert asked.asked == {SITE: [100, 50], "physics": [15 * 60, 7.5 * 60]}, "of hours ago nothing can be told"
    third, other = view.place_of(ServerId(2)), view.place_of(ServerId(5))
    assert third is not None
    assert other is not None
    assert third.reason == "Your group physics has its 3 servers running."
    assert third.left is not None
    assert third.left.least_s < 3 / 0.02 < third.left.most_s
    assert other.place == 6
    assert other.left is not None
    assert other.left.least_s < 1 / 0.5 < other.left.most_s
    assert {group.name: group.waiting for group in view.groups} == {"physics": 5, "staff": 0}


def test_who_may_or_may_not_come_before_makes_the_wait_less_certain() -> None:
    limits = Limits(concurrent_starts=2, groups={"physics": GroupLimits(concurrent_starts=1)})
    queue = [waiting(number, 100 - number) for number in range(50)]
    groups_of = {UserId(number): ["physics"] for number in range(40)}
    view = seen(queue, Crowd(groups_of=groups_of), Asked(site=1.0, physics=0.5), limits)
    last = view.place_of(ServerId(49))
    assert last is not None
    assert last.left is not None
    assert last.left.least_s < 11
    assert last.left.most_s > 50


def test_nobody_knows_when_somebody_stops_one_of_their_own() -> None:
    asked = Asked(site=1.0)
    view = seen([waiting(1, 3600), waiting(2, 60)], Crowd(active_of={UserId(1): 1}), asked)
    held = view.place_of(ServerId(1))
    assert held is not None
    assert held.left is None
    assert "Stop one to start this one" in held.reason
    assert asked.asked == {SITE: [60, 30]}, "who waits for themselves says nothing of the pace"
    assert view.longest_wait == timedelta(seconds=60)


def test_without_enough_starts_nothing_is_said() -> None:
    place = seen([waiting(1, 60)], Crowd(), Asked(site=0.01)).place_of(ServerId(1))
    assert place is not None
    assert place.words == "1st of 1 in the queue"


@pytest.mark.parametrize(
    ("number", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (12, "12th"), (13, "13th"), (21, "21st"), (112, "112th")]
)
def test_places_are_said_as_people_do(number: int, text: str) -> None:
    assert ordinal(number) == text
