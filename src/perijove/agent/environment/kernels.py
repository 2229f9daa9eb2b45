"""Kernels of a person's other environments, offered by the server of one: each starts with its own modules, environment or container."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from pathlib import Path
from typing import Any, Mapping, Sequence

_SAFE = re.compile(r"[^a-z0-9._-]+")


def gathered(folder: Path, name: str, kernels: Sequence[Mapping[str, Any]], prefix: Sequence[str], python: str) -> list[str]:
    """Write kernelspecs below `folder`/kernels, which JUPYTER_PATH is to name; returns their names. `prefix`: what enters the environment.

    Raises OSError.
    """
    made = []
    for kernel in kernels:
        spec = kernel.get("spec")
        words = spec.get("argv") if isinstance(spec, dict) else None
        if not isinstance(spec, dict) or not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
            continue
        kernel_name = _SAFE.sub("-", f"{name}-{kernel['name']}".lower())
        to = folder / "kernels" / kernel_name
        to.mkdir(parents=True, exist_ok=True)
        _copy_pictures(Path(str(kernel.get("folder"))), to)
        own = [python, *words[1:]] if _is_python(words[0]) else words
        new = {
            **spec,
            "argv": [*prefix, *own],
            "display_name": f"{spec.get('display_name', kernel['name'])} · {name}",
        }
        (to / "kernel.json").write_text(json.dumps(new, indent=1), encoding="utf-8")
        made.append(kernel_name)
    return made


def _is_python(word: str) -> bool:
    """Whether it means the environment's own: a kernel may have been written by name, or by a path that a container does not share."""
    return re.fullmatch(r"python[0-9.]*", Path(word).name) is not None


def _copy_pictures(source: Path, to: Path) -> None:
    with contextlib.suppress(OSError):  # in a container that is not running, or gone: a kernel needs no picture
        for picture in source.glob("logo-*"):
            shutil.copy(str(picture), str(to))
