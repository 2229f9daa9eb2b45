"""What one question is: requests in a row, asked of both programs under one set of options."""

import json
from dataclasses import dataclass

from .asking import PATIENCE_S, Ask, Part
from .option_sets import TOKEN

AUTHORIZED = (f"Authorization: token {TOKEN}",)


@dataclass(frozen=True)
class Question:
    """`options` names the option set; `table`: what the table of routes is afterwards is part of the answer."""

    options: str
    name: str
    asks: tuple[Ask, ...]
    table: bool = False

    def __str__(self) -> str:
        return f"{self.options}/{self.name}"


def api(
    line: str,
    data: object = None,
    *,
    fields: tuple[str, ...] = AUTHORIZED,
    part: Part = "all",
    raw: bytes | None = None,
    patience_s: float = PATIENCE_S,
    then: bytes = b"",
) -> Ask:
    """A request to the REST API, with the right token unless `fields` are given. `raw` is a body that need not be JSON."""
    body = raw if raw is not None else b"" if data is None else json.dumps(data).encode()
    return Ask(line, fields, body, to="api", part=part, patience_s=patience_s, then=then)


def post(path: str, target: object = "<backend>", **more: object) -> Ask:
    """Add a route."""
    return api(f"POST /api/routes{path}", {"target": target, **more})


def get(
    path: str, *fields: str, act: str = "", arg: str = "", host: str = "hub.example.org", part: Part = "all", patience_s: float = PATIENCE_S
) -> Ask:
    """An ordinary request to the public door; the server answers in the manner of `act`."""
    return Ask(f"GET {path}", (*fields, *acting(act, arg)), host=host, part=part, patience_s=patience_s)


def acting(act: str, arg: str = "") -> tuple[str, ...]:
    """Header lines that tell the server behind how to answer."""
    return (*([f"X-Act: {act}"] if act else []), *([f"X-Arg: {arg}"] if arg else []))
