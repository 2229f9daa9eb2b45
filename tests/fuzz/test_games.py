"""A few seconds of play, the same in each run. `python -m tests.fuzz SECONDS` goes on from there."""

import pytest

from .honest_play import HonestGame
from .play import Game

_GAMES = 200


@pytest.mark.parametrize("first", range(0, 10 * _GAMES, _GAMES))
@pytest.mark.parametrize("kind", [Game, HonestGame])
def test_nothing_breaks_nothing_is_left_and_nobody_gets_the_answer_of_another(kind: type[Game | HonestGame], first: int) -> None:
    for seed in range(first, first + _GAMES):
        try:
            kind(seed).play()
        except BaseException as error:
            error.add_note(f"to see it again: python -m tests.fuzz 0.001 {seed}")
            raise
