"""JSON Schemas of types, with one component for each struct."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

_PLACE = "#/components/schemas/{name}"


class Schemas:
    """`components`: name -> schema of each struct among the types, and of those within them."""

    def __init__(self, kinds: Iterable[Any]) -> None:
        wanted = list({repr(kind): kind for kind in kinds}.values())
        found, components = msgspec.json.schema_components(wanted, ref_template=_PLACE)
        self._known = {repr(kind): schema for kind, schema in zip(wanted, found, strict=True)}
        self.components = dict(sorted(components.items()))

    def of(self, kind: Any) -> dict[str, Any]:
        """Of one of the types. Raises KeyError."""
        return self._known[repr(kind)]

    def any_of(self, kinds: Sequence[Any]) -> dict[str, Any]:
        """Of several: any of them will do."""
        schemas = [self.of(kind) for kind in kinds]
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
