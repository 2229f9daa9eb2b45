"""How much is asked of the database, and how much of it was refused."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pressure:
    """`waiting`: functions in the queue now. `refused`: since the start, by reason: "full" or "late"."""

    waiting: int
    refused: Mapping[str, int]
