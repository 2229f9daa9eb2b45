"""How much is asked of the database, and how much of it was refused."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pressure:
    """`waiting`: functions in the queue now. `refused`: since the start, by reason: "full", "late" or "away"."""

    waiting: int
    refused: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Condition:
    """`away`: the database cannot be asked just now. `outages`: how often it has gone since the start. `lanes`: by name."""

    away: bool
    outages: int
    lanes: Mapping[str, Pressure]
