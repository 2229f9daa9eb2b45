"""How long somebody in a queue has yet to wait, judged by how quickly it moved lately; nothing is said that is not known."""

from datetime import timedelta
from math import ceil, sqrt
from typing import NamedTuple

WINDOW = timedelta(minutes=15)
"""How far back is looked."""
FEWEST = 5
"""Of fewer starts nothing can be told."""
_SHORTEST = timedelta(seconds=5)
_ONE = 1.3
"""Bounds that differ by less are said as one number."""


class Span(NamedTuple):
    """Between `least_s` and `most_s` seconds."""

    least_s: float
    most_s: float


def time_left(before: int, left: int, within: timedelta) -> Span | None:
    """Of somebody with so many before them, when `left` left the queue `within` the last while. None: nobody can know.

    Starts come by chance: of n that were counted, n ± sqrt(n) are to be expected (Poisson).
    """
    if left < FEWEST or within < _SHORTEST:
        return None
    seconds, spread = within.total_seconds(), sqrt(left)
    return Span((before + 1) * seconds / (left + spread), (before + 1) * seconds / (left - spread))


def lasting(span: timedelta) -> str:
    """ "45 s", "12 min", "3 h", "2 d"."""
    seconds = max(0.0, span.total_seconds())
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def in_words(span: Span) -> str:
    """ "about 2 minutes", "2 to 5 minutes", "less than a minute"."""
    if span.most_s <= 60:
        return "less than a minute"
    unit, name = (60.0, "minute") if span.most_s <= 90 * 60 else (3600.0, "hour")
    least, most = max(1, round(span.least_s / unit)), ceil(span.most_s / unit)
    if most / least <= _ONE or (most - least <= 1 and span.most_s / span.least_s <= 2 * _ONE):
        middle = max(1, round((span.least_s + span.most_s) / 2 / unit))
        return f"about {middle} {name}{'' if middle == 1 else 's'}"
    return f"{least} to {most} {name}s"
