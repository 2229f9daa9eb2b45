"""The clock of a hub that shares its database goes by the database's time."""

from datetime import UTC, datetime, timedelta

from perijove.adapters.system_clock import STEADY, SystemClock

NOON = datetime(2031, 5, 4, 12, tzinfo=UTC)
SOON = timedelta(seconds=5)


def test_it_is_the_machine_s_time_until_another_is_agreed_on() -> None:
    assert abs(SystemClock().now() - datetime.now(UTC)) < SOON


def test_time_goes_on_from_what_was_agreed() -> None:
    clock = SystemClock()
    clock.agree(NOON)
    first, second = clock.now(), clock.now()
    assert NOON <= first <= second < NOON + SOON


def test_a_small_difference_makes_no_jump() -> None:
    clock = SystemClock()
    clock.agree(NOON)
    clock.agree(clock.now() - STEADY / 2)
    assert clock.now() >= NOON


def test_a_large_difference_is_followed_back_and_forth() -> None:
    clock = SystemClock()
    clock.agree(NOON)
    clock.agree(NOON - timedelta(hours=1))
    assert clock.now() < NOON
    clock.agree(NOON + timedelta(hours=1))
    assert clock.now() > NOON
