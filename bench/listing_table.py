"""Figures of bench/listing.py for people to read."""

from collections.abc import Sequence
from typing import Protocol

_WIDTH = 38


class Figure(Protocol):
    @property
    def hub(self) -> str: ...
    @property
    def what(self) -> str: ...
    @property
    def grows(self) -> bool: ...
    @property
    def p50_ms(self) -> float: ...
    @property
    def p95_ms(self) -> float: ...
    @property
    def cpu_ms(self) -> float: ...
    @property
    def stall_ms(self) -> float: ...


def table(figures: Sequence[Figure]) -> str:
    """A line for each kind of request; then how often JupyterHub's times fit into ours, and how ours grew from a tenth of the people."""
    hubs = list(dict.fromkeys(figure.hub for figure in figures))
    of = {(figure.hub, figure.what): figure for figure in figures}
    theirs = next((hub for hub in hubs if hub.startswith("jupyterhub")), "")
    few = next((hub for hub in hubs if hub.endswith("a tenth")), "")
    heads = [f"| {hub:^35} " for hub in hubs] + [
        "| times faster " if theirs else "",
        "| per CPU s " if theirs else "",
        "| growth p50, CPU" if few else "",
    ]
    lines = [" " * _WIDTH + "".join(heads), " " * _WIDTH + "| p50 ms  p95 ms  CPU ms   stalled ms " * len(hubs) + "|"]
    for what in dict.fromkeys(figure.what for figure in figures):
        line = what.ljust(_WIDTH)
        for hub in hubs:
            figure = of.get((hub, what))
            line += (
                "| " + "-".center(36)
                if figure is None
                else f"| {figure.p50_ms:>6.1f} {figure.p95_ms:>7.1f} {figure.cpu_ms:>7.1f} {figure.stall_ms:>12.1f} "
            )
        ours, other, small = of["perijove", what], of.get((theirs, what)), of.get((few, what))
        if theirs:
            line += (
                "| " + "-".center(24)
                if other is None
                else f"| {other.p50_ms / ours.p50_ms:>11.1f}x | {other.cpu_ms / max(ours.cpu_ms, 0.01):>8.1f}x "
            )
        if small is not None:
            line += f"| {ours.p50_ms / small.p50_ms:>6.2f} {ours.cpu_ms / max(small.cpu_ms, 0.01):>6.2f}{' (longer)' if ours.grows else ''}"
        lines.append(line)
    return "\n".join(lines)
