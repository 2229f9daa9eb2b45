"""User options: what a person may choose when starting a server, and the profiles an administrator prepared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionField:
    """One input of the start page, drawn by the hub, so that each spawner's form is accessible and looks alike.

    `choices` (value, label) go with kind "choice"; with kind "text" they are suggestions, and anything else may be typed. `minimum`/`maximum` go
    with "integer"/"number". A field of kind "gpus" is drawn as a type and a number, and sent as a text such as "a100:2" or "2".
    """

    name: str
    label: str
    kind: Literal["text", "integer", "number", "choice", "boolean", "gpus"]
    help: str = ""
    default: str | int | float | bool | None = None
    choices: tuple[tuple[str, str], ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    required: bool = False
    example: str = ""
    """Of what may be typed, shown while the field is empty."""
    more: bool = False
    """Shown only to those who ask for more: most people need only the others."""
    one_of: str = ""
    """Of all fields with the same words here ("Memory"), at most one may be given."""
    offered: Literal["", "partition", "account", "qos", "gpus", "constraint"] = ""
    """What of the cluster's offers (ports.cluster_spawner.OffersChoices) this field is about: what the person may choose, and what is free now,
    is drawn beside it. Without offers it is drawn as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A prepared set of options. Chosen as user option `profile`; its `options` win over what the person typed."""

    name: str
    display_name: str
    description: str = ""
    default: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    """Only members see it; empty: everybody."""
