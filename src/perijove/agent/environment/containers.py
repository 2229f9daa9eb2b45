"""Images run by Apptainer or Singularity, as the person, without a daemon."""

from __future__ import annotations

from pathlib import Path
from typing import Iterable

MARK = "perijove-tool: "
FIND = (
    "bash",
    "--norc",
    "-c",
    f"for tool in apptainer singularity; do type -P $tool >/dev/null && echo '{MARK}'\"$(type -P $tool)\" && break; done; true",
)
"""The words of a program that says where one of the two is, if there is one."""


def inside(tool: str, image: str, binds: Iterable[str], devices: Path = Path("/dev")) -> list[str]:
    """The words before a program's in the container. Its GPUs are shared with it when the machine has some."""
    words = [tool, "exec"]
    words += ["--nv"] if (devices / "nvidiactl").exists() else []
    words += ["--rocm"] if (devices / "kfd").exists() else []
    for folder in binds:
        words += ["--bind", folder]
    return [*words, image]
