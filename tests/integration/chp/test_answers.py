"""The questions, one by one."""

from collections.abc import Callable

import pytest

from .comparing import Answer, comparable
from .conftest import Pair
from .differences import DIFFERENCES
from .option_questions import QUESTIONS as OPTIONS
from .option_sets import SETS
from .question import Question
from .rest_questions import QUESTIONS as REST
from .running import ITSELF, Proxy
from .traffic_questions import QUESTIONS as TRAFFIC

_ALL = sorted([*REST, *TRAFFIC, *OPTIONS], key=lambda question: list(SETS).index(question.options))
QUESTIONS = {str(question): question for question in _ALL}
assert len(QUESTIONS) == len(_ALL), "two questions have one name"


def _told(proxy: Proxy, question: Question) -> list[Answer]:
    told = [answer for one in question.asks for answer in proxy.told(one)]
    if question.table:
        told.append({"table": proxy.table()})
    return told


@pytest.mark.parametrize("name", QUESTIONS)
def test_both_answer_alike(start_pair: Callable[[str], Pair], name: str) -> None:
    question = QUESTIONS[name]
    theirs, ours = pair = start_pair(question.options)
    if question.table:
        for proxy in pair:
            proxy.reset()
    expected = _told(theirs, question)
    expected, told = comparable(expected, _told(ours, question))
    if name in DIFFERENCES and not ITSELF:
        assert told != expected, f"{name} is listed as a difference, and both answer alike: take it from the table"
    else:
        assert told == expected


def test_every_listed_difference_is_of_a_question_there_is() -> None:
    assert set(DIFFERENCES) <= set(QUESTIONS)
