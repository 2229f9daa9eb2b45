"""What a spawner whose servers run on a cluster may offer beside the methods of ports.spawner: each of these protocols by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from perijove.domain.batch.offers import Offers
from perijove.ports.spawner import Handle


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the place says of a request before anything is submitted.

    `problems`: why it can never start as it is, by the name of the option the sentence belongs beside ("" if to none); {} if nothing speaks
    against it. `start`: when it would begin (with a time zone), None if nobody can say. `text`: a sentence about that, or "".
    """

    problems: Mapping[str, str]
    start: datetime | None = None
    text: str = ""


@runtime_checkable
class OffersChoices(Protocol):
    async def offers(self, user_name: str) -> Offers:
        """What a form may offer this person: partitions, accounts, and what is free now. Answered from memory where it can be, for each visit
        of the start page asks. Raises SpawnerError if it cannot be told; then the form is drawn without."""
        ...


@runtime_checkable
class Estimates(Protocol):
    async def estimate(self, user_name: str, options: Mapping[str, Any]) -> Verdict:
        """Of checked options. Nothing is submitted. Raises SpawnerError if the place cannot be asked; that refuses nothing."""
        ...


@runtime_checkable
class Extends(Protocol):
    def extendable_s(self, handle: Handle) -> int:
        """By how many seconds at most the site lets this person prolong this server at once; 0: not at all. Answered without asking anybody."""
        ...

    async def extend(self, handle: Handle, by_s: int) -> datetime:
        """Move the end of a running server back by `by_s` seconds (at least 60), or as far as the site allows; returns the new end. Raises
        SpawnerError with the reason if it does not: the person may ask for less, or an administrator must."""
        ...
