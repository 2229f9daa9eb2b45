"""Conda environments, made by whichever tool there is. They are used without it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Mapping, Sequence

from perijove.agent.environment.describe import Environment
from perijove.agent.environment.run import Lines, run
from perijove.agent.environment.trouble import TroubleError

# The quickest first. Conda is often a function of the person's shell only: then its program is where its installers put it.
_FIND = """
for tool in mamba micromamba "$MAMBA_EXE" conda "$CONDA_EXE" "$HOME"/miniforge3/bin/mamba "$HOME"/miniforge3/bin/conda "$HOME"/mambaforge/bin/mamba \
"$HOME"/miniconda3/bin/conda "$HOME"/anaconda3/bin/conda "$HOME"/.local/bin/micromamba; do
    [ -n "$tool" ] && found=$(type -P "$tool") && printf 'perijove-tool: %s\\n' "$found" && exit 0
done
exit 0
"""


def tool(words: Sequence[str], environ: Mapping[str, str]) -> str:
    """Its path. `words`: what loads the modules. Raises TroubleError if there is none."""
    said = run([*words, "bash", "--norc", "-c", _FIND], doing="Looking for conda", environ=environ)
    for line in said.splitlines():
        if line.startswith("perijove-tool: "):
            return line.partition(" ")[2]
    raise TroubleError(
        "There is no mamba, micromamba or conda here: load a module that brings one (`module avail` lists them), install Miniforge into your home "
        "folder, or choose kind venv."
    )


def make(words: Sequence[str], program: str, describe: Environment, to: Path, *, environ: Mapping[str, str], line: Lines) -> None:
    """An interrupted one is begun anew: what was fetched is in the tool's cache. Raises TroubleError, OSError."""
    if to.exists():
        shutil.rmtree(str(to))
    version = describe.python[len("python") :] if describe.python.startswith("python") else ""
    python = f"python={version}" if "." in version else "python"
    channels = [word for channel in describe.channels for word in ("-c", channel)]
    offline = ["--offline"] if describe.offline else []
    run(
        [*words, program, "create", "-y", "-p", str(to), *channels, *offline, python, *describe.packages],
        doing="Making the conda environment",
        environ=environ,
        line=line,
    )
