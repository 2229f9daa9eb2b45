"""A few seconds of play, the same in each run. `python -m tests.fuzz SECONDS` goes on from there."""

import pytest

from .play import Game

_GAMES = 200


@pytest.mark.parametrize("first", range(0, 10 * _GAMES, _GAMES))
def test_nothing_breaks_and_nothing_is_left(first: int) -> None:
    for seed in range(first, first + _GAMES):
        try:
            Game(seed).play()
        except BaseException as error:
            error.add_note(f"to see it again: python -m tests.fuzz 0.001 {seed}")
            raise
