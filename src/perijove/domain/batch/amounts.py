"""Amounts as people write them, in Slurm's forms: times, memory, GPUs."""

import re
from typing import Final

from perijove.domain.batch.request import Gpus
from perijove.domain.errors import BadInputError

_UNITS_MB: Final = {"": 1.0, "K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0 * 1024}
_SPANS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> int:
    """Slurm's forms: minutes, m:s, h:m:s, d-h, d-h:m, d-h:m:s; and 90m, 3h, 2d. Raises BadInputError."""
    spans = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if spans:
        return int(spans[1]) * _SPANS_S[spans[2]]
    matched = re.fullmatch(r"(?:(\d{1,4})-)?(\d{1,7})(?::(\d{1,5}))?(?::(\d{1,5}))?", text)
    if matched is None:
        raise BadInputError(f"{text!r} is not a time: write 3:00:00, 1-12:00:00, 90m or 3h.")
    days, first, second, third = (None if part is None else int(part) for part in matched.groups())
    if days is not None:
        return days * 86400 + (first or 0) * 3600 + (second or 0) * 60 + (third or 0)
    if second is None:
        return (first or 0) * 60
    if third is None:
        return (first or 0) * 60 + second
    return (first or 0) * 3600 + second * 60 + third


def megabytes(text: str) -> int:
    """ "3000M", "8G", "8GB"; a number alone is MB. Rounded up. Raises BadInputError."""
    matched = re.fullmatch(r"(\d{1,12}(?:\.\d{1,3})?)\s*([KMGT]?)(?:i?B)?", text, re.IGNORECASE)
    if matched is None:
        raise BadInputError(f"{text!r} is not an amount of memory: write 3000M or 8G.")
    exactly = float(matched[1]) * _UNITS_MB[matched[2].upper()]
    return int(exactly) + (exactly > int(exactly))


def gpus(text: str) -> tuple[Gpus, ...]:
    """ "1", "a100:2", "a100:1,t4:1". Raises BadInputError."""
    found = []
    for part in text.split(","):
        kind, _, count = part.strip().rpartition(":")
        if not count.isdecimal() or len(count) > 4:
            raise BadInputError(f"{text!r} is not a number of GPUs: write 1, or a type and a number such as a100:2.")
        found.append(Gpus(int(count), kind or None))
    return tuple(one for one in found if one.count)
