"""An environment made ready, step by step. Killed at any point, the next run goes on from the last step that was done.

Each step is noted as running before and as done after it; one that is found running was interrupted, and what it left is mended or thrown away.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
from pathlib import Path
from typing import Any, Mapping, Protocol

from perijove.agent.environment import ask, condas, containers, venvs
from perijove.agent.environment.describe import Environment
from perijove.agent.environment.keep import Kept, Record, Store
from perijove.agent.environment.lock import Lock
from perijove.agent.environment.offline import Source, settings, source
from perijove.agent.environment.run import Lines, run
from perijove.agent.environment.shell import entered
from perijove.agent.environment.trouble import ProgramError, TroubleError, os_words, said_words
from perijove.agent.environment.use import ready

_NOT_FOR_PIP = ("PIP_REQUIRE_VIRTUALENV", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONHOME", "PYTHONPATH")
"""They would lead it elsewhere; PYTHONPATH besides is our own: what the agent runs from is not the environment's."""


class Tell(Protocol):
    """Progress: `state` is running, done or failed; `percent` of all."""

    def __call__(self, step: str, state: str, text: str, percent: int) -> None: ...


class Preparation:
    """One run for one environment. Raises TroubleError from `run`."""

    def __init__(self, describe: Environment, store: Store, environ: Mapping[str, str], tell: Tell) -> None:
        self._describe = describe
        self._store = store
        self._environ = {
            **environ,
            "PIP_USER": "0",  # a person's pip.conf may say otherwise, which a virtualenv refuses
            "PIP_NO_INPUT": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PYTHONNOUSERSITE": "1",  # what they have in ~/.local must not pass for being installed
            "PYTHONUNBUFFERED": "1",
        }
        for name in _NOT_FOR_PIP:
            self._environ.pop(name, None)
        self._tell = tell
        self._loaded = entered(describe.modules)
        self._base: dict[str, Any] = {}
        self._source: Source | None = None

    def run(self, *, repair: bool = False) -> Kept:
        """`repair`: look through all of it though it is complete, and mend what is missing."""
        found = None if repair else ready(self._describe, self._store)
        if found is not None:
            self._tell("ready", "done", f"The environment {self._describe.name} is ready.", 100)
            return found[0]
        try:
            self._store.check()
            kept = self._place()
            with self._store.lock(kept.folder.name, lambda text: self._tell("lock", "running", text, 2)) as lock:
                self._store.note(self._describe, kept)
                self._make(kept, lock, repair=repair)
        except OSError as error:
            raise TroubleError(os_words(error, "use", self._store.root)) from error
        except ProgramError as error:
            known = said_words(error.output, offline=self._source is not None and self._source.offline)
            raise ProgramError(f"{error}{' ' if known else ''}{known}", error.output, error.status) from error
        self._tell("ready", "done", f"The environment {self._describe.name} is ready.", 100)
        return kept

    def _place(self) -> Kept:
        """Its folder, which for a virtualenv only its Python tells."""
        describe = self._describe
        if describe.modules:
            self._tell("modules", "running", f"Loading {' '.join(describe.modules)}", 3)
        if describe.kind != "venv":
            run([*self._loaded, "true"], doing="Loading the modules", environ=self._environ)
            if describe.modules:
                self._tell("modules", "done", "The modules can be loaded.", 5)
            return self._store.place(describe, "")
        try:
            self._base = ask.ask([*self._loaded, describe.python], ask.BASE, doing=f"Starting {describe.python}", environ=self._environ)
        except ProgramError as error:
            if error.status != 127:
                raise
            raise TroubleError(
                f"There is no {describe.python} here: load a module that brings it (`module avail python`), or name another one."
            ) from None
        self._tell("modules", "done", f"Python {self._base['version']} in {self._base['prefix']}", 5)
        return self._store.place(describe, f"{self._base['version']} {self._base['where']}")

    def _make(self, kept: Kept, lock: Lock, *, repair: bool) -> None:
        record = kept.record()
        if record is not None and record.complete and not repair and ready(self._describe, self._store) is not None:
            return  # somebody else has done it while we waited
        if record is None or record.describe.get("kind") != self._describe.kind:
            record = Record(self._describe.as_json())
        kept.folder.mkdir(parents=True, exist_ok=True)
        kept.log.write_text("", encoding="utf-8")
        record.machine = platform.machine()
        record.complete = False
        kept.write(record)
        steps = {"venv": ("create", "packages"), "conda": ("packages",), "container": ("image",)}.get(self._describe.kind, ())
        for step in steps if self._describe.made_here or self._describe.kind == "container" else ():
            lock.check()
            self._step(step, kept, record, repair=repair)
        lock.check()
        self._check(kept, record)
        record.complete = True
        record.made = dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds")
        kept.write(record)

    def _step(self, step: str, kept: Kept, record: Record, *, repair: bool) -> None:
        interrupted = record.steps.get(step) == "running"
        whole = {"create": kept.inside / "bin" / "python", "packages": kept.inside / "bin" / "python"}.get(step)
        if record.done(step) and (whole is None or whole.exists()) and not (repair and step == "packages"):
            return
        record.steps[step] = "running"
        kept.write(record)
        {"create": self._create, "packages": self._packages, "image": self._image}[step](kept, record, interrupted=interrupted or repair)
        record.steps[step] = "done"
        kept.write(record)

    def _create(self, kept: Kept, record: Record, *, interrupted: bool) -> None:
        again = " anew, since it was interrupted" if interrupted else ""
        self._tell("create", "running", f"Making the virtualenv{again}", 8)
        record.steps.pop("packages", None)
        base = [*self._loaded, self._describe.python]
        venvs.make(base, self._base, kept.inside, system_packages=self._describe.system_packages, environ=self._environ, line=self._line(kept))
        self._tell("create", "done", f"The virtualenv is in {kept.inside}", 20)

    def _packages(self, kept: Kept, record: Record, *, interrupted: bool) -> None:
        if self._describe.kind == "conda":
            return self._conda(kept, record, interrupted=interrupted)
        if interrupted and venvs.mend(kept.inside):
            self._tell("packages", "running", "Going on after an interruption", 20)
        self._install(kept, list(self._describe.packages), 20)
        record.prefix, record.python = str(kept.inside), str(kept.inside / "bin" / "python")
        self._tell("packages", "done", "The packages are installed.", 90)
        return None

    def _install(self, kept: Kept, packages: list[str], percent: int, *options: str) -> None:
        if not packages:
            return
        if self._source is None:
            self._tell("packages", "running", "Looking where packages come from", percent)
            environ = {**self._environ, **self._base["environ"]}
            pip = settings(str(self._base["pip_config"]))
            self._source = source(told=self._describe.offline, find_links=self._describe.find_links, pip=pip, environ=environ)
        self._tell("packages", "running", f"Installing {', '.join(packages)} {self._source.words}", percent + 2)
        pip_words = venvs.installer(
            [*self._loaded, self._describe.python], self._base, entered(self._describe.modules, str(kept.inside)), kept.inside
        )
        line = self._line(kept)
        found, last = 0, ""

        def told(text: str) -> None:
            nonlocal found, last
            line(text)
            found, words = venvs.share(text, found)
            if words and words != last:
                last = words
                self._tell("packages", "running", words, min(88, percent + 2 + found // 2))

        words = [*pip_words, "install", "--progress-bar", "off", *options, *self._source.options, *packages]
        run(words, doing="Installing the packages", environ=self._environ, line=told)

    def _conda(self, kept: Kept, record: Record, *, interrupted: bool) -> None:
        again = " anew, since it was interrupted" if interrupted else ""
        record.tool = condas.tool(self._loaded, self._environ)
        self._tell("packages", "running", f"Making the conda environment{again} by {record.tool}", 10)
        condas.make(self._loaded, record.tool, self._describe, kept.inside, environ=self._environ, line=self._line(kept))
        record.prefix, record.python = str(kept.inside), str(kept.inside / "bin" / "python")
        self._tell("packages", "done", f"The conda environment is in {kept.inside}", 90)

    def _image(self, kept: Kept, record: Record, *, interrupted: bool) -> None:
        image = str(self._describe.image)
        record.tool = self._container_tool()
        if not self._describe.pulled:
            if not Path(image).exists():
                raise TroubleError(f"There is no image {image}, or you may not see it: check its path, and that this machine has its file system.")
            if not os.access(image, os.R_OK):
                raise TroubleError(f"You may not read the image {image}: ask its owner.")
            record.prefix = image
            return
        del interrupted  # what was fetched by half has another name
        kept.inside.mkdir(parents=True, exist_ok=True)
        part, whole = kept.inside / "image.part.sif", kept.inside / "image.sif"
        self._tell("image", "running", f"Fetching {image}", 10)
        words = [*self._loaded, record.tool, "pull", "--force", str(part), image]
        run(words, doing=f"Fetching {image}", environ=self._environ, line=self._line(kept))
        part.replace(whole)
        record.prefix = str(whole)
        self._tell("image", "done", f"The image is in {whole}", 80)

    def _container_tool(self) -> str:
        said = run([*self._loaded, *containers.FIND], doing="Looking for apptainer", environ=self._environ)
        for line in said.splitlines():
            if line.startswith(containers.MARK):
                return line[len(containers.MARK) :]
        raise TroubleError(
            "There is neither apptainer nor singularity here: load a module that brings one (`module avail`), or ask the administrators for it."
        )

    def _check(self, kept: Kept, record: Record) -> None:
        """Whether a Jupyter server can be started in it. Packages of ours that have lost files are installed anew, once."""
        self._tell("check", "running", "Looking whether Jupyter is there and whole", 92)
        self._find(record)
        ours = self._describe.kind == "venv"
        answer = self._inside(record, files=ours)
        if ours and answer["broken"]:
            names = [f"{name}=={version}" for name, version in answer["broken"]]
            self._tell("check", "running", f"Files are missing of {', '.join(names)}; installing them anew", 93)
            self._install(kept, names, 80, "--force-reinstall", "--no-deps")
            answer = self._inside(record, files=True)
            if answer["broken"]:
                raise TroubleError(
                    f"Files of {answer['broken'][0][0]} vanish: tell the administrators of the file system, or remove the environment."
                )
        if self._describe.server:
            if not answer["jupyter"]:
                raise TroubleError(self._without_jupyter(str(answer["problem"])))
            if int(str(answer["jupyter"]).split(".")[0]) < 2:
                raise TroubleError(f"jupyter_server {answer['jupyter']} is too old: 2.0 or later is needed.")
        elif not answer["kernels"]:
            raise TroubleError(f"There is no kernel in {record.prefix}: it needs ipykernel, or the kernel of another language.")
        record.version, record.jupyter, record.kernels = answer["version"], answer["jupyter"], answer["kernels"]
        if self._describe.kind == "container":
            record.python = str(answer["python"])
        there = f"Jupyter server {record.jupyter}" if self._describe.server else f"{len(record.kernels)} kernels"
        self._tell("check", "done", f"Python {record.version}, {there}", 98)

    def _find(self, record: Record) -> None:
        """Where one that exists already is."""
        if self._describe.path is None:
            return
        given = Path(self._describe.path)
        python = given if given.is_file() else next((one for one in (given / "bin" / "python", given / "bin" / "python3") if one.exists()), None)
        if python is None:
            raise TroubleError(
                f"There is no Python in {given}: give the folder of an environment (with bin/python in it), or the path of its python."
            )
        record.prefix, record.python = str(python.parent.parent), str(python)

    def _inside(self, record: Record, *, files: bool) -> dict[str, Any]:
        describe = self._describe
        if describe.kind == "container":
            before = [*self._loaded, *containers.inside(record.tool, record.prefix, describe.binds)]
            words = [*before, "sh", "-c", 'exec "$(command -v python3 || command -v python || echo python3)" "$@"', "sh"]
        else:
            conda = (Path(record.prefix) / "conda-meta").is_dir()
            words = [*entered(describe.modules, record.prefix, conda=conda), record.python]
        return ask.ask(words, ask.INSIDE, *(["--files"] if files else []), doing="Starting the environment's Python", environ=self._environ)

    def _without_jupyter(self, problem: str) -> str:
        said = f" ({problem})" if problem else ""
        if self._describe.made_here and self._describe.kind != "container":
            return f"No Jupyter server can be started from these packages{said}: add jupyterlab to them."
        if self._describe.kind == "container":
            return f"There is no Jupyter server in the image{said}: choose one that has jupyterlab, or have its maker add it."
        return f"There is no Jupyter server in {self._describe.path}{said}: whoever made it can add it with `python -m pip install jupyterlab`."

    def _line(self, kept: Kept) -> Lines:
        """What programs say, in a file beside the environment."""

        def write(text: str) -> None:
            with kept.log.open("a", encoding="utf-8") as file:
                file.write(text + "\n")

        return write
