"""What all sections of the settings are."""

from msgspec import Struct


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all sections: unknown keys are mistakes."""


class Secret(Section, frozen=True):
    """Where a secret comes from: exactly one of `env` (a variable's name), `file` (a path) or `value` (in the file itself: for tests)."""

    env: str | None = None
    file: str | None = None
    value: str | None = None
