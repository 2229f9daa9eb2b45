"""Bodies in JSON."""

from collections.abc import Iterator
from typing import Any

import msgspec

from perijove.domain.errors import BadInputError

MAX_DEPTH = 100
"""What is kept is written and read again inside other objects and deeper calls, where Python's limit of recursion would be met."""


def decoded(raw: bytes, kind: Any = Any) -> Any:
    """JSON as this type. Raises BadInputError that says which key is wrong."""
    try:
        found = msgspec.json.decode(raw, type=kind)
        if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _deep(msgspec.json.decode(raw)):
            raise _too_deep()
    except msgspec.ValidationError as error:
        raise BadInputError(f"Bad request body: {error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadInputError("Invalid JSON in body of request") from None
    except RecursionError:
        raise _too_deep() from None
    return found


def _too_deep() -> BadInputError:
    return BadInputError(f"The body's objects and lists are nested more than {MAX_DEPTH} deep.")


def _deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [inner for outer in level for inner in _inside(outer)]
    return bool(level)


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value
