"""Leaving out what people keep in their home, when the administrator wants servers alike."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path


def outside_home(paths: Iterable[str], home: Path | None = None) -> list[str]:
    """The paths that are not under the person's home, in order.

    What belongs to the environment this server is installed in stays, wherever that is: on many
    clusters it is in the home. Links are followed, because homes often are links.
    """
    base = (home or Path.home()).resolve()
    own = Path(sys.prefix).resolve()
    kept = []
    for path in paths:
        real = Path(path).resolve()
        if real.is_relative_to(own) or not real.is_relative_to(base):
            kept.append(path)
    return kept
