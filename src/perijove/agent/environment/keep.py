"""Where environments are kept, and what is known of each: one folder for each (python, architecture, requirements), a record in it.

A virtualenv cannot be moved, so it is built where it stays, and `complete` in its record, written last and in one piece, says that it is whole.
Which folder a description leads to on this kind of machine is noted beside them (`asked`), so that a server that starts need not find out again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import stat
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Iterator, Mapping

from perijove.agent.environment.describe import Environment, described
from perijove.agent.environment.lock import Lock
from perijove.agent.environment.trouble import DescriptionError, TroubleError

VARIABLE = "PERIJOVE_ENVIRONMENTS"
_RECORD = "environment.json"


@dataclass
class Record:
    """`describe`: the description, as JSON. `prefix`: its folder, or the image. `tool`: what made it or runs it. `made`: ISO, UTC.
    `steps`: name to "running" or "done". `kernels`: each with name, folder and spec."""

    describe: dict[str, Any]
    version: str = ""
    machine: str = ""
    prefix: str = ""
    python: str = ""
    jupyter: str = ""
    tool: str = ""
    made: str = ""
    steps: dict[str, str] = field(default_factory=dict)
    kernels: list[dict[str, Any]] = field(default_factory=list)
    complete: bool = False

    def done(self, step: str) -> bool:
        return self.steps.get(step) == "done"


@dataclass(frozen=True)
class Kept:
    """One environment's folder. `inside`: what is built."""

    folder: Path

    @property
    def inside(self) -> Path:
        return self.folder / "env"

    @property
    def log(self) -> Path:
        return self.folder / "prepare.log"

    def record(self) -> Record | None:
        """None if there is none, or none that can be read: then it is made anew."""
        try:
            told = json.loads((self.folder / _RECORD).read_text(encoding="utf-8"))
            known = {one.name for one in fields(Record)}
            return Record(**{key: value for key, value in told.items() if key in known})
        except (OSError, ValueError, TypeError, AttributeError):
            return None

    def write(self, record: Record) -> None:
        """Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        written(self.folder / _RECORD, json.dumps(vars(record), indent=1))

    def size_bytes(self) -> int:
        found = 0
        for folder, _, names in os.walk(str(self.inside)):
            with contextlib.suppress(OSError):
                found += sum(os.lstat(f"{folder}/{name}").st_size for name in names)
        return found


class Store:
    """The folder of all of a person's environments."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def check(self) -> None:
        """Programs run from here as the person: nobody else may put any there. Raises TroubleError, OSError."""
        self.root.mkdir(parents=True, exist_ok=True)
        if self.root.stat().st_mode & stat.S_IWOTH:
            raise TroubleError(f"Everybody can write to {self.root}, so no environment is kept there: `chmod o-w` it, or choose another folder.")

    def lock(self, name: str, told: Any) -> Lock:
        return Lock(self.root / "locks" / f"{name}.lock", told)

    def place(self, describe: Environment, version: str) -> Kept:
        """`version`: of the python that it is made from, as major.minor and where that is; "" where there is none beforehand."""
        digest = hashlib.sha256(f"{describe.digest} {version}".encode()).hexdigest()[:10]
        short = version.split(" ", maxsplit=1)[0] or "any"
        return Kept(self.root / f"{describe.kind}-{short}-{platform.machine()}-{digest}")

    def noted(self, describe: Environment) -> Kept | None:
        """Where the last preparation on this kind of machine led."""
        try:
            name = self._note(describe).read_text(encoding="utf-8").strip()
        except OSError:
            return None
        return Kept(self.root / name) if name and "/" not in name and not name.startswith(".") else None

    def note(self, describe: Environment, kept: Kept) -> None:
        self._note(describe).parent.mkdir(parents=True, exist_ok=True)
        written(self._note(describe), kept.folder.name)

    def all(self) -> Iterator[tuple[Kept, Record, Environment]]:
        """Those of this kind of machine and of others, finished or not."""
        try:
            folders = sorted(one for one in self.root.iterdir() if (one / _RECORD).exists())
        except OSError:
            return
        for folder in folders:
            kept = Kept(folder)
            record = kept.record()
            if record is None:
                continue
            describe = _read(record.describe)
            if describe is not None:
                yield kept, record, describe

    def remove(self, kept: Kept) -> None:
        """All of it; first it is no longer complete, so that what is left, if this is interrupted, is never used. Raises OSError."""
        record = kept.record()
        if record is not None:
            record.complete = False
            record.steps = {}
            kept.write(record)
        if kept.folder.exists():
            shutil.rmtree(str(kept.folder))
        for note in (self.root / "asked").glob("*"):
            if note.read_text(encoding="utf-8").strip() == kept.folder.name:
                note.unlink()

    def _note(self, describe: Environment) -> Path:
        return self.root / "asked" / f"{describe.digest}-{platform.machine()}"


def root_of(environ: Mapping[str, str]) -> Path:
    """Where they are kept: PERIJOVE_ENVIRONMENTS, in which variables such as $SCRATCH stand for what they are on this machine, or below the home
    folder. Raises TroubleError."""
    told = environ.get(VARIABLE)
    if not told:
        home = environ.get("HOME") or str(Path("~").expanduser())
        return Path(home) / ".local" / "share" / "perijove" / "environments"

    def meant(found: re.Match[str]) -> str:
        value = environ.get(found[1] or found[2])
        if not value:
            raise TroubleError(f"Environments are to be kept in {told}, and there is no {found[0]} on this machine: tell the administrators.")
        return value

    root = Path(re.sub(r"\$(?:\{(\w+)\}|(\w+))", meant, told))
    if not root.is_absolute():
        raise TroubleError(f"Environments are to be kept in {told}, which is no absolute path: tell the administrators.")
    return root


def written(file: Path, text: str) -> None:
    """In one piece: whoever reads it finds the old or the new. Raises OSError."""
    new = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with new.open("w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        new.replace(file)
    except OSError:
        if new.exists():
            new.unlink()
        raise


def _read(told: object) -> Environment | None:
    """None for one that a newer version of this program has written."""
    try:
        return described(told)
    except DescriptionError:
        return None
