"""From plain TOML values to typed sections, going on after each mistake so that all are reported at once."""

from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, Meta, Struct

from perijove.config.problems import Path, Problems
from perijove.config.quantities import read_quantity

S = TypeVar("S", bound=Struct)


def decode_section(raw: Any, kind: type[S], path: Path, problems: Problems) -> S | None:
    """Decode one table. None if anything in it is wrong; the mistakes are in `problems`."""
    if not isinstance(raw, dict):
        problems.add(path, f"expected a table, found {_kind_of(raw)}")
        return None
    before = len(problems.found)
    hints = get_type_hints(kind, include_extras=True)
    fields = {info.encode_name: info for info in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    for key, value in raw.items():
        if key not in fields:
            problems.unknown((*path, key), fields)
            continue
        values[fields[key].name] = _decode(value, hints[fields[key].name], (*path, key), problems)
    for key, info in fields.items():
        if key not in raw and info.default is NODEFAULT and info.default_factory is NODEFAULT:
            problems.add((*path, key), "is missing", "It has no default, so it must be set.")
    if len(problems.found) > before:
        return None
    try:
        return kind(**values)
    except ValueError as error:  # a section's own __post_init__
        problems.add(path, str(error))
        return None


def _decode(value: Any, hint: Any, path: Path, problems: Problems) -> Any:
    kind, description = _unwrap(hint)
    if isinstance(kind, type) and issubclass(kind, Struct):
        return decode_section(value, kind, path, problems)
    if get_origin(kind) is tuple and isinstance(value, list):
        item = get_args(kind)[0]
        return tuple(_decode(element, item, (*path, index), problems) for index, element in enumerate(value))
    if isinstance(value, dict) and (struct := _struct_in(kind)) is not None:
        return decode_section(value, struct, path, problems)
    try:
        return msgspec.convert(read_quantity(value, description), hint, strict=True)
    except ValueError as error:  # msgspec.ValidationError is one
        problems.add(path, _words(error))
        return None


def _unwrap(hint: Any) -> tuple[Any, str | None]:
    """Strip Annotated; the description says whether it is a quantity. Optional quantities count too."""
    if get_origin(hint) is Annotated:
        inner, *metas = get_args(hint)
        return inner, next((meta.description for meta in metas if isinstance(meta, Meta) and meta.description), None)
    for part in get_args(hint):
        if get_origin(part) is Annotated:
            return hint, _unwrap(part)[1]
    return hint, None


def _struct_in(kind: Any) -> type[Struct] | None:
    return next((part for part in get_args(kind) if isinstance(part, type) and issubclass(part, Struct)), None)


def _kind_of(value: Any) -> str:
    return {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list", dict: "a table"}.get(type(value), "something else")


_WORDS = {
    "`str`": "text",
    "`int`": "a whole number",
    "`float`": "a number",
    "`bool`": "true or false",
    "`array`": "a list",
    "`object`": "a table",
    "`null`": "nothing",
}


def _words(error: ValueError) -> str:
    text = str(error)
    for technical, plain in _WORDS.items():
        text = text.replace(technical, plain)
    return text[:1].lower() + text[1:]
