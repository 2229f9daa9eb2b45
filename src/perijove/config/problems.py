"""Mistakes in a configuration file: collected, never thrown one by one."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_.-]+))\s*=""")


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where (path such as ("limits", "start_timeout")), what, and what was perhaps meant."""

    path: Path
    message: str
    suggestion: str = ""


@dataclass(slots=True)
class Problems:
    """All mistakes of one file so far."""

    found: list[Problem] = field(default_factory=list)

    def add(self, path: Path, message: str, suggestion: str = "") -> None:
        self.found.append(Problem(path, message, suggestion))

    def unknown(self, path: Path, known: Iterable[str], what: str = "setting") -> None:
        """A name that does not exist; suggests the nearest one."""
        choices = sorted(known)
        near = difflib.get_close_matches(str(path[-1]), choices, n=1, cutoff=0.6)
        suggestion = f"Did you mean {near[0]!r}?" if near else f"Known here: {', '.join(choices)}." if choices else ""
        self.add(path, f"unknown {what} {str(path[-1])!r}", suggestion)

    def __bool__(self) -> bool:
        return bool(self.found)

    def report(self, name: str, text: str = "") -> str:
        """One line per mistake, "FILE:LINE: path: message. suggestion", in the order of the file."""
        lines = text.splitlines()
        located = sorted(((locate(problem.path, lines), problem) for problem in self.found), key=lambda pair: pair[0] or 10**9)
        rows = []
        for line, problem in located:
            place = f"{name}:{line}" if line else name
            tail = f" {problem.suggestion}" if problem.suggestion else ""
            rows.append(f"{place}: {show(problem.path)}: {_sentence(problem.message)}{tail}")
        return "\n".join(rows)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


def show(path: Path) -> str:
    """("services", 0, "url") -> "services[0].url"."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "the file"


def locate(path: Path, lines: Sequence[str]) -> int | None:
    """The 1-based line of the longest part of `path` that can be found in TOML text; None if there is no trace of it."""
    best: tuple[int, int] | None = None
    table: Path = ()
    counts: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(lines, 1):
        if header := _HEADER.match(line):
            names = tuple(part.strip().strip("\"'") for part in header[2].split("."))
            table = _table_path(names, counts, array=header[1] == "[[")
            here = table
        elif key := _KEY.match(line):
            name = next(group for group in key.groups() if group is not None)
            here = (*table, *(name.split(".") if key[3] else (name,)))
        else:
            continue
        depth = len(here)
        if path[:depth] == here and (best is None or depth > best[0]):
            best = (depth, number)
    return best[1] if best else None


def _table_path(names: tuple[str, ...], counts: dict[tuple[str, ...], int], *, array: bool) -> Path:
    if array:
        counts[names] = counts.get(names, -1) + 1
    path: Path = ()
    for depth, name in enumerate(names, 1):
        path = (*path, name)
        if names[:depth] in counts:
            path = (*path, counts[names[:depth]])
    return path
