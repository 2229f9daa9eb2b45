"""Settings that people write with a unit: durations and sizes."""

import re
from typing import Annotated, Any, Final

from msgspec import Meta

DURATION: Final = "duration"
SIZE: Final = "size"

Duration = Annotated[float, Meta(ge=0, description=DURATION)]
"""Seconds; in the file a number, or text such as "30s", "15m", "8h", "14d"."""
Size = Annotated[int, Meta(ge=0, description=SIZE)]
"""Bytes; in the file a number, or text such as "512M", "2G" (powers of 1024)."""

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_BYTES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)


def parse_duration(text: str) -> float:
    """ "1h30m" -> 5400.0. Raises ValueError."""
    compact = text.replace(" ", "")
    parts = _PART.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise ValueError(f"{text!r} is not a duration; write seconds as a number, or text such as '30s', '15m', '8h' or '14d'")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def parse_size(text: str) -> int:
    """ "2G" -> 2147483648. Raises ValueError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size; write bytes as a number, or text such as '512M' or '2G'")
    return int(float(match[1]) * _BYTES[match[2].upper()])


def read_quantity(value: Any, description: str | None) -> Any:
    """Turn text with a unit into a number if the setting's type is a quantity; other values pass. Raises ValueError."""
    if isinstance(value, str) and description == DURATION:
        return parse_duration(value)
    if isinstance(value, str) and description == SIZE:
        return parse_size(value)
    return value
