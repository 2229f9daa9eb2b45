"""How long one has yet to wait: a range that holds what is true, or nothing."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.domain.pace import FEWEST, Pace, Span, in_words, time_left

MINUTE = timedelta(minutes=1)


def test_who_got_slower_lately_makes_the_wait_longer() -> None:
    steady, slower = (time_left(9, 9, Pace(120, lately, 2 * MINUTE)) for lately in (60, 20))
    assert steady is not None
    assert slower is not None
    assert slower.most_s > 2 * steady.most_s


def test_nothing_is_said_of_what_is_not_known() -> None:
    assert time_left(3, 3, Pace(2 * FEWEST, FEWEST - 1, 10 * MINUTE)) is None, "those who came when places were free say nothing of those who wait"
    assert time_left(3, 3, Pace(200, 100, timedelta(seconds=1))) is None
    assert time_left(3, 3, Pace(FEWEST, FEWEST, MINUTE)) is not None


@given(before=st.integers(0, 5000), maybe=st.integers(0, 100), lately=st.integers(FEWEST, 10_000), seconds=st.integers(5, 900))
def test_the_measured_pace_lies_in_the_range_and_more_starts_make_it_narrower(before: int, maybe: int, lately: int, seconds: int) -> None:
    most = before + maybe
    span = time_left(before, most, Pace(2 * lately, lately, timedelta(seconds=seconds)))
    assert span is not None
    assert 0 < span.least_s <= (before + 1) * seconds / (2 * lately)
    assert (most + 1) * seconds / (2 * lately) <= span.most_s
    finer = time_left(before, most, Pace(8 * lately, 4 * lately, 4 * timedelta(seconds=seconds)))
    assert finer is not None
    assert finer.most_s - finer.least_s < span.most_s - span.least_s


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (Span(10, 50), "less than a minute"),
        (Span(50, 70), "about 1 minute"),
        (Span(110, 140), "about 2 minutes"),
        (Span(100, 300), "2 to 5 minutes"),
        (Span(58, 93), "1 to 2 minutes"),
        (Span(20, 130), "up to 3 minutes"),
        (Span(1200, 1400), "about 22 minutes"),
        (Span(3600, 4 * 3600), "1 to 4 hours"),
        (Span(2 * 3600, 2.3 * 3600), "about 2 hours"),
    ],
)
def test_it_is_said_as_people_would(span: Span, words: str) -> None:
    assert in_words(span) == words
