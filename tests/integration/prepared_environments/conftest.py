"""A person's account on a cluster: a home folder, modules, wheels, and no network."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.integration.prepared_environments.wheels import wheelhouse

SOURCES = Path(__file__).parents[3] / "src"
_MODULES = Path("/usr/share/modules/init/bash")


@dataclass
class Account:
    """Runs `perijove-agent prepare` as a person would have it run for them."""

    home: Path
    wheels: Path
    quick: str
    """A Python that makes virtualenvs without pip in them, which takes a tenth of the time: as Debian's does without python3-venv."""
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.home / ".local/share/perijove/environments"

    def started(self, describe: dict[str, Any] | None, *arguments: str, **more: str) -> subprocess.Popen[str]:
        told = {} if describe is None else {"PERIJOVE_ENVIRONMENT": json.dumps(describe)}
        return subprocess.Popen(
            [sys.executable, "-m", "perijove.agent", "prepare", *arguments],
            env={**self.environ, **told, **more, "PYTHONPATH": str(SOURCES)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self.home,
        )

    def prepare(self, describe: dict[str, Any] | None, *arguments: str, status: int = 0, **more: str) -> list[dict[str, Any]]:
        """Its lines."""
        with self.started(describe, *arguments, **more) as process:
            lines = [json.loads(line) for line in process.stdout or ()]
        assert process.returncode == status, lines
        return lines

    def killed_at(self, describe: dict[str, Any], is_it: Callable[[dict[str, Any]], bool]) -> list[int]:
        """Begun, and killed with SIGKILL as soon as it tells such a line; returns the processes that it had started."""
        with self.started(describe) as process:
            for line in process.stdout or ():
                if is_it(json.loads(line)):
                    break
            else:
                pytest.fail("it ended before")
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            found = [int(pid) for pid in children.read_text(encoding="ascii").split()]
            process.kill()
        return found


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheelhouse(tmp_path_factory.mktemp("wheels"))


@pytest.fixture
def account(tmp_path: Path, wheels: Path) -> Account:
    """No index is reached from here (nobody listens there), unless a test says otherwise."""
    home = tmp_path / "home"
    home.mkdir()
    without = tmp_path / "without" / "ensurepip"
    without.mkdir(parents=True)
    (without / "__init__.py").write_text("def version():\n    raise FileNotFoundError('no wheels of pip')\n", encoding="ascii")
    quick = tmp_path / "python-quick"
    quick.write_text(f'#!/bin/sh\nPYTHONPATH={without.parent} exec {sys.executable} "$@"\n', encoding="ascii")
    quick.chmod(0o755)
    environ = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "USER": "somebody",
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_CACHE_DIR": str(tmp_path / "cache"),
    }
    return Account(home, wheels, str(quick), environ)


@pytest.fixture
def modules(account: Account, tmp_path: Path) -> Account:
    """The account where there are Environment Modules, with `tiny/1.0`: a Python of its own, and a variable."""
    if not _MODULES.exists():
        pytest.skip("Environment Modules are not installed: ask the administrator of this machine for `apt-get install environment-modules`")
    programs = tmp_path / "tiny" / "bin"
    programs.mkdir(parents=True)
    (programs / "python-of-tiny").symlink_to(account.quick)
    files = tmp_path / "modulefiles" / "tiny"
    files.mkdir(parents=True)
    (files / "1.0").write_text(f"#%Module\nprepend-path PATH {programs}\nsetenv TINY_MODULE loaded\nconflict tiny\n", encoding="ascii")
    (account.home / ".bash_profile").write_text(f"echo a profile that prints\nmodule use {files.parent}\n", encoding="ascii")
    return account
