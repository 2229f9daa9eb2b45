"""How long somebody in a queue has yet to wait, judged by how quickly it moved lately; nothing is said that is not known."""

from datetime import timedelta
from math import ceil, sqrt
from typing import NamedTuple

WINDOW = timedelta(minutes=15)
"""How far back is looked."""
FEWEST = 5
"""Of fewer starts nothing can be told."""
_SHORTEST = timedelta(seconds=5)
_ONE = 1.5
"""Bounds that differ by less than this factor are said as one number."""


class Span(NamedTuple):
    """Between `least_s` and `most_s` seconds."""

    least_s: float
    most_s: float


class Pace(NamedTuple):
    """So many left the queue within the last so long, and so many of them in the later half of that."""

    left: int
    lately: int
    within: timedelta

    @property
    def known(self) -> bool:
        """Whether anything can be told by it. Many who left when places were free, and nobody since, say nothing of those who wait."""
        return self.lately >= FEWEST and self.within >= _SHORTEST

    @property
    def per_s(self) -> tuple[float, float]:
        """At least and at most so many leave in a second. Starts come by chance: of n that were counted, n ± sqrt(n) are to be expected (Poisson)."""
        counted = ((self.left, self.within.total_seconds()), (self.lately, self.within.total_seconds() / 2))
        return min((n - sqrt(n)) / seconds for n, seconds in counted), max((n + sqrt(n)) / seconds for n, seconds in counted)


def time_left(fewest: int, most: int, pace: Pace) -> Span | None:
    """Of somebody before whom between `fewest` and `most` leave the queue. None: nobody can know."""
    if not pace.known:
        return None
    slow, fast = pace.per_s
    return Span((fewest + 1) / fast, (most + 1) / slow)


def lasting(span: timedelta) -> str:
    """ "45 s", "12 min", "3 h", "2 d"."""
    seconds = max(0.0, span.total_seconds())
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def in_words(span: Span) -> str:
    """ "about 2 minutes", "2 to 5 minutes", "up to 3 minutes", "less than a minute"."""
    if span.most_s <= 60:
        return "less than a minute"
    unit, name = (60.0, "minute") if span.most_s <= 90 * 60 else (3600.0, "hour")
    least, most = max(1, round(span.least_s / unit)), ceil(span.most_s / unit)
    if span.most_s <= _ONE * span.least_s or least == most:
        middle = max(1, round((span.least_s + span.most_s) / 2 / unit))
        return f"about {middle} {name}{'' if middle == 1 else 's'}"
    return f"up to {most} {name}s" if span.least_s < unit / 2 else f"{least} to {most} {name}s"
