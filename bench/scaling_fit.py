"""How costs grow: an exponent fitted to a few sizes, and words for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log

_FLAT, _SLOW, _PROPORTIONAL = 0.2, 0.7, 1.2


@dataclass(slots=True)
class Sweep:
    """One thing grows, all else stays. `costs`: what was measured -> a value for each size."""

    grows: str
    sizes: Sequence[int]
    costs: dict[str, list[float]] = field(default_factory=dict)

    def add(self, what: str, value: float) -> None:
        """Of the next size."""
        self.costs.setdefault(what, []).append(value)


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """p of value = c * size**p, by least squares on logarithms."""
    points = [(log(size), log(max(value, 1e-6))) for size, value in zip(sizes, values, strict=True)]
    mean_x, mean_y = (sum(axis) / len(points) for axis in zip(*points, strict=True))
    return float(sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points))


def per_thousand(sizes: Sequence[int], values: Sequence[float]) -> float:
    """What a thousand more add, from the smallest size to the largest."""
    return (values[-1] - values[0]) / (sizes[-1] - sizes[0]) * 1000


def words(grown: float) -> str:
    if grown < _FLAT:
        return "flat"
    if grown < _SLOW:
        return "slower than in proportion"
    return "in proportion" if grown < _PROPORTIONAL else "faster than in proportion"


def table(sweep: Sweep) -> str:
    """In Markdown."""
    lines = [f"| with {sweep.grows} | " + " | ".join(f"{size:,}" for size in sweep.sizes) + " | growth | each 1,000 more |"]
    lines.append("| --- |" + " --- |" * (len(sweep.sizes) + 2))
    for what, values in sweep.costs.items():
        grown = exponent(sweep.sizes, values)
        cells = " | ".join(f"{value:,.3g}" if value < 1000 else f"{value:,.0f}" for value in values)
        lines.append(f"| {what} | {cells} | {words(grown)} ({grown:.2f}) | {per_thousand(sweep.sizes, values):+,.3g} |")
    return "\n".join(lines)
