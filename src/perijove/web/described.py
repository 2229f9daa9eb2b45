"""What a route takes and gives, in types: the route table says it, the OpenAPI document is made from it (web/openapi/)."""

from dataclasses import dataclass
from typing import Any

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
TEXT = "text/plain"
HTML = "text/html"
EVENTS = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Takes:
    """A body. `kinds` are the types it may have, any of them; `required` False: it may be left out."""

    kinds: tuple[Any, ...]
    required: bool = True
    media: str = JSON


@dataclass(frozen=True, slots=True)
class Gives:
    """One answer. `kinds` are the types its body may have, any of them; none: the body is empty."""

    status: int
    kinds: tuple[Any, ...] = ()
    meaning: str = ""
    media: str = JSON


@dataclass(frozen=True, slots=True)
class Query:
    """One parameter of the query; `kind` is a type that text can be read as."""

    name: str
    kind: Any
    meaning: str
    required: bool = False


def body(*kinds: Any, required: bool = True) -> Takes:
    """A JSON body."""
    return Takes(kinds, required)


def gives(status: int, *kinds: Any, meaning: str = "") -> Gives:
    """A JSON answer, or an empty one."""
    return Gives(status, kinds, meaning)
