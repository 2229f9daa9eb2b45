"""What records hold, as columns hold it: moments, JSON, tuples of strings."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US: Final = 86_400_000_000
_strings: Final = msgspec.json.Decoder(tuple[str, ...])
_objects: Final = msgspec.json.Decoder(dict[str, Any])


def to_us(moment: datetime) -> int:
    """Microseconds since 1970. Raises TypeError for a naive datetime."""
    since = moment - _EPOCH
    return since.days * _DAY_US + since.seconds * 1_000_000 + since.microseconds


def to_optional_us(moment: datetime | None) -> int | None:
    return None if moment is None else to_us(moment)


def from_us(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def from_optional_us(microseconds: int | None) -> datetime | None:
    """None, or 0 where a column has that for never, is None."""
    return _EPOCH + timedelta(microseconds=microseconds) if microseconds else None


def _plain(value: object) -> object:
    """What msgspec does not know by itself."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be kept as JSON.")


_encoder: Final = msgspec.json.Encoder(enc_hook=_plain)


def to_json(value: object) -> str:
    """Raises TypeError for what JSON has no word for."""
    return _encoder.encode(value).decode()


def to_optional_json(value: object) -> str | None:
    return None if value is None else _encoder.encode(value).decode()


def from_json(text: str) -> dict[str, Any]:
    return {} if text == "{}" else _objects.decode(text)


def from_optional_json(text: str | None) -> dict[str, Any] | None:
    return None if text is None else _objects.decode(text)


def strings(text: str | None) -> tuple[str, ...]:
    """The JSON array of strings as written; None (of an empty aggregate) is empty."""
    return () if text is None or text == "[]" else _strings.decode(text)


def sorted_strings(text: str | None) -> tuple[str, ...]:
    return () if text is None or text == "[]" else tuple(sorted(_strings.decode(text)))
