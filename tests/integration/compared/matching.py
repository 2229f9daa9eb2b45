"""Which listed difference a question shows."""

import re
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, kw_only=True)
class Difference:
    """`where`, `theirs`, `mine` and `why` are for readers. `at` names the compared place: "status 500 -> 400", or part of a body such as
    "body.perijove". `asks` are patterns of questions, "who: METHOD path body"."""

    where: str
    theirs: str
    mine: str
    why: str
    at: str
    asks: tuple[str, ...]


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)


def _fits(name: str, pattern: str) -> bool:
    """ "*" stands for anything."""
    return _pattern(pattern).fullmatch(name) is not None


class Ledger:
    """Which differences were seen in a run."""

    def __init__(self, differences: tuple[Difference, ...]) -> None:
        self._differences = differences
        self._seen: set[tuple[int, str]] = set()
        self.asked = 0

    def knows(self, ask: str, line: str) -> bool:
        """Whether a difference in the table explains this line of `shapes.compare` about the question of this name."""
        known = False
        for index, one in enumerate(self._differences):
            if not _fits(line, f"{one.at}*"):
                continue
            for pattern in one.asks:
                if _fits(ask, pattern):
                    self._seen.add((index, pattern))
                    known = True
        return known

    def unseen(self) -> list[str]:
        """What is listed and was not met."""
        return [
            f"{one.where}: {one.at}: {pattern}"
            for index, one in enumerate(self._differences)
            for pattern in one.asks
            if (index, pattern) not in self._seen
        ]
