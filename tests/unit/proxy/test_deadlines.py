"""Deadlines come once, not early, and can be moved both ways."""

import time

import pytest

from perijove.proxy.deadlines import Deadlines


class Item:
    def __init__(self) -> None:
        self.due = 0.0
        self.slot = 0
        self.times = 0

    def expired(self) -> None:
        self.times += 1


@pytest.fixture
def turn(monkeypatch: pytest.MonkeyPatch) -> "Turn":
    return Turn(monkeypatch)


class Turn:
    """A hand-turned clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.25
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        self.deadlines = Deadlines()

    def __call__(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + 0.5)
            self.deadlines.tick()


def test_a_deadline_comes_once_and_within_two_ticks(turn: Turn) -> None:
    item = Item()
    turn.deadlines.arm(item, 10)
    turn(9.9)
    assert item.times == 0
    turn(1.6)
    assert item.times == 1
    turn(100)
    assert item.times == 1


def test_assigning_a_later_one_is_enough(turn: Turn) -> None:
    item = Item()
    turn.deadlines.arm(item, 5)
    for _ in range(20):
        turn(3)
        item.due = turn.deadlines.now + 5
    assert item.times == 0
    turn(7)
    assert item.times == 1


def test_arming_moves_it_earlier(turn: Turn) -> None:
    item = Item()
    turn.deadlines.arm(item, 500)
    turn.deadlines.arm(item, 2)
    turn(4)
    assert item.times == 1


def test_what_is_dropped_is_neither_called_nor_kept(turn: Turn) -> None:
    item, other = Item(), Item()
    turn.deadlines.arm(item, 2)
    turn.deadlines.arm(other, 2)
    other.expired = lambda: turn.deadlines.drop(item)  # type: ignore[method-assign]
    item.expired = lambda: turn.deadlines.drop(other)  # type: ignore[method-assign]
    third = Item()
    turn.deadlines.arm(third, 3)
    turn.deadlines.drop(third)
    turn(10)
    assert third.times == 0
    assert not any(turn.deadlines._slots.values())


def test_one_that_arms_itself_anew_goes_on(turn: Turn) -> None:
    item = Item()

    def again() -> None:
        item.times += 1
        turn.deadlines.arm(item, 1)

    item.expired = again  # type: ignore[method-assign]
    turn.deadlines.arm(item, 1)
    turn(10)
    assert 4 <= item.times <= 10
