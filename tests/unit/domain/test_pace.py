"""How long one has yet to wait: a range that holds what is true, or nothing."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.domain.pace import FEWEST, Span, in_words, time_left

MINUTE = timedelta(minutes=1)


def test_nothing_is_said_of_what_is_not_known() -> None:
    assert time_left(3, FEWEST - 1, 10 * MINUTE) is None
    assert time_left(3, 100, timedelta(seconds=1)) is None
    assert time_left(3, FEWEST, MINUTE) is not None


@given(before=st.integers(0, 5000), left=st.integers(FEWEST, 10_000), seconds=st.integers(5, 900))
def test_the_measured_pace_lies_in_the_range_and_more_starts_make_it_narrower(before: int, left: int, seconds: int) -> None:
    span = time_left(before, left, timedelta(seconds=seconds))
    assert span is not None
    assert 0 < span.least_s <= (before + 1) * seconds / left <= span.most_s
    finer = time_left(before, 4 * left, 4 * timedelta(seconds=seconds))
    assert finer is not None
    assert finer.most_s - finer.least_s < span.most_s - span.least_s


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (Span(10, 50), "less than a minute"),
        (Span(50, 70), "about 1 minute"),
        (Span(110, 140), "about 2 minutes"),
        (Span(100, 300), "2 to 5 minutes"),
        (Span(1200, 1400), "about 22 minutes"),
        (Span(3600, 4 * 3600), "1 to 4 hours"),
        (Span(2 * 3600, 2.3 * 3600), "about 2 hours"),
    ],
)
def test_it_is_said_as_people_would(span: Span, words: str) -> None:
    assert in_words(span) == words
