"""User options: what a person may choose when starting a server, and the profiles an administrator prepared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionField:
    """One input of the start page, drawn by the hub, so that each spawner's form is accessible and looks alike.

    `choices` (value, label) go with kind "choice"; `minimum`/`maximum` with "integer"/"number".
    """

    name: str
    label: str
    kind: Literal["text", "integer", "number", "choice", "boolean"]
    help: str = ""
    default: str | int | float | bool | None = None
    choices: tuple[tuple[str, str], ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    required: bool = False


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
