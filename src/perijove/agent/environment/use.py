"""How a program is started in an environment that is ready."""

from __future__ import annotations

from pathlib import Path
from typing import Iterable, Mapping, NamedTuple, Sequence

from perijove.agent.environment.containers import inside
from perijove.agent.environment.describe import Environment, described
from perijove.agent.environment.keep import Kept, Record, Store, root_of
from perijove.agent.environment.kernels import gathered
from perijove.agent.environment.shell import PYTHONPATH, entered
from perijove.agent.environment.trouble import TroubleError


class Used(NamedTuple):
    """`prefix`: words before a program's. `environ`: variables to be set. `python`: what its Python is called."""

    prefix: list[str]
    environ: dict[str, str]
    python: str


def ready(describe: Environment, store: Store) -> tuple[Kept, Record] | None:
    """The prepared environment on this kind of machine, None if it is not: then it is to be prepared."""
    kept = store.noted(describe)
    record = kept.record() if kept is not None else None
    if kept is None or record is None or not record.complete:
        return None
    there = Path(record.python).exists() if describe.kind != "container" else Path(record.prefix).exists()
    return (kept, record) if there else None


def command_in(description: object, environ: Mapping[str, str], *, binds: Iterable[str] = ()) -> tuple[list[str], dict[str, str]]:
    """Words before a program's, and variables to be set. `binds`: folders that a container must see besides the usual.

    Raises DescriptionError, TroubleError if it is not ready.
    """
    used = used_in(described(description), Store(root_of(environ)), binds)
    return used.prefix, used.environ


def used_in(describe: Environment, store: Store, binds: Iterable[str] = ()) -> Used:
    """Raises TroubleError if it is not ready."""
    store.check()
    found = ready(describe, store)
    if found is None:
        raise TroubleError(f"The environment {describe.name} is not ready: prepare it first.")
    return _used(describe, found[1], binds)


def server_words(description: object, words: Sequence[str], environ: Mapping[str, str], folder: Path) -> tuple[list[str], dict[str, str]]:
    """A server's whole command, and the variables that are set for it. Its first word `python` is the environment's.

    `folder`: private to this run; kernels of the person's other environments are written there, and a container sees it. Raises DescriptionError,
    TroubleError, OSError.
    """
    describe = described(description)
    if not describe.server:
        raise TroubleError(f"The environment {describe.name} is for its kernels only: start the server in another one.")
    store = Store(root_of(environ))
    used = used_in(describe, store, [str(folder)])
    own = [used.python, *words[1:]] if words[:1] == ["python"] else list(words)
    more = dict(used.environ)
    ours = [part for part in environ.get("PYTHONPATH", "").split(":") if part.startswith(f"{folder}/")]
    if ours:
        more[PYTHONPATH] = ":".join(ours)
    if describe.kind != "container":  # in there is neither the module system nor the other environments' files
        path = others(describe, store, folder)
        if path is not None:
            more["JUPYTER_PATH"] = ":".join(part for part in (str(path), environ.get("JUPYTER_PATH", "")) if part)
    return [*used.prefix, *own], more


def others(describe: Environment, store: Store, folder: Path) -> Path | None:
    """Where kernels of the other environments that are ready are now; None if there are none. Raises OSError."""
    to = folder / "jupyter"
    mine = ready(describe, store)
    seen = set() if mine is None else {mine[1].prefix}
    names: set[str] = set()
    for kept, record, other in store.all():
        if record.prefix in seen or not record.kernels or ready(other, store) is None:
            continue
        seen.add(record.prefix)
        name = other.name if other.name not in names else f"{other.name}-{kept.folder.name[-4:]}"
        names.add(name)
        used = _used(other, record, [str(folder)], afresh=True)
        gathered(to, name, record.kernels, used.prefix, used.python)
    return to if names else None


def _used(describe: Environment, record: Record, binds: Iterable[str], *, afresh: bool = False) -> Used:
    if describe.kind == "container":
        words = entered(describe.modules, afresh=afresh) if describe.modules or afresh else []
        return Used([*words, *inside(record.tool, record.prefix, [*describe.binds, *binds])], {}, record.python)
    conda = (Path(record.prefix) / "conda-meta").is_dir()
    return Used(entered(describe.modules, record.prefix, conda=conda, afresh=afresh), {}, record.python)
