"""Virtualenvs: made, filled, and mended after an interruption."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Mapping, Sequence

from perijove.agent.environment.run import Lines, run
from perijove.agent.environment.trouble import TroubleError

_INSTALLING = 80
"""What putting the files there counts, in packages that were looked for: on file systems of clusters it takes longest."""


def make(base: Sequence[str], answer: Mapping[str, Any], to: Path, *, system_packages: bool, environ: Mapping[str, str], line: Lines) -> None:
    """`base`: the words of the Python that it is made from; `answer`: what that said of itself. What was begun there before is thrown away.

    Raises TroubleError, OSError.
    """
    if to.exists():
        shutil.rmtree(str(to))
    more = ["--system-site-packages"] if system_packages else []
    if answer.get("venv"):
        words = ["-m", "venv", *more, str(to)]
    elif answer.get("virtualenv"):
        words = ["-m", "virtualenv", "--no-download", *more, str(to)]
    elif answer.get("bare") and answer.get("pip"):
        words = ["-m", "venv", "--without-pip", *more, str(to)]
    else:
        raise TroubleError(
            f"{answer.get('where')} cannot make a virtualenv: it has neither `venv` with `ensurepip` nor `virtualenv`. Load a module with another "
            "Python, or ask the administrators for python3-venv or virtualenv."
        )
    run([*base, *words], doing="Making the virtualenv", environ=environ, line=line)


def installer(base: Sequence[str], answer: Mapping[str, Any], entered: Sequence[str], folder: Path) -> list[str]:
    """The words of pip for this virtualenv: its own, or else that of the Python that it was made from (pip >= 22.3)."""
    if any((folder / "lib").glob("python*/site-packages/pip")) or not answer.get("pip"):
        return [*entered, "python", "-m", "pip"]
    return [*base, "-m", "pip", "--python", str(folder / "bin" / "python")]


def mend(folder: Path) -> list[str]:
    """After an installation was killed: what says that a package is there without saying which files belong to it (pip writes RECORD last) is taken
    away, so that pip installs it anew; returns the names. Raises OSError."""
    found = []
    for packages in (folder / "lib").glob("python*/site-packages"):
        for left in packages.glob("~*"):
            shutil.rmtree(str(left)) if left.is_dir() else left.unlink()
        for info in packages.glob("*.dist-info"):
            record = info / "RECORD"
            if not record.exists() or record.stat().st_size == 0:
                shutil.rmtree(str(info))
                found.append(info.name[: -len(".dist-info")])
    return found


def share(line: str, done: int) -> tuple[int, str]:
    """How far pip is, by one of its lines: how many it has found so far, and words for a person ("" to pass over it)."""
    first, _, rest = line.strip().partition(" ")
    name = rest.split(" ")[0] if rest else ""
    if first == "Collecting":
        return done + 1, f"Looking for {name}"
    if first == "Downloading":
        return done, f"Fetching {name.rpartition('/')[2]}"
    if first == "Building":
        return done, f"Building {rest}"
    if line.startswith("Installing collected packages"):
        return max(done, _INSTALLING), f"Installing {len(rest.split(','))} packages"
    return done, ""
