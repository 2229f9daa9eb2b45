"""Where what belongs to managed services is kept."""

import hashlib
import re
from collections.abc import Collection
from pathlib import Path
from secrets import token_hex
from typing import Final

from perijove.processes.claims import Launched, RunFolder

LOG_SIZE: Final = 2 * 1024**2
"""Then it is begun anew, and one older file is kept."""
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]")


class Places:
    """Run folders below `runtime_dir`, logs below `state_dir`."""

    def __init__(self, runtime_dir: Path, state_dir: Path) -> None:
        self._root = runtime_dir
        self._logs = state_dir

    def new_run(self, name: str) -> RunFolder:
        """For one start."""
        return RunFolder(self._root, f"{_digest(name)[:8]}-{token_hex(8)}")

    def prepare(self, run: RunFolder) -> None:
        """Raises OSError."""
        for folder in (run.claim_file.parent, run.folder, self._logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def forget(self, run: RunFolder) -> None:
        """All of it, once no process of it lives."""
        run.remove()
        run.claim_file.unlink(missing_ok=True)

    def strays(self, own: Collection[str]) -> list[tuple[RunFolder, Launched]]:
        """What was launched by others than us, whether or not it lives; what never came to be launched is tidied away."""
        found = []
        folder = self._root / "claims"
        for file in sorted(folder.iterdir()) if folder.is_dir() else ():
            run = RunFolder(self._root, file.name)
            if file.name in own or "." in file.name:  # a draft is its launcher's
                continue
            try:
                claim = run.claim()
            except (OSError, ValueError, IndexError):
                claim = None
            if isinstance(claim, Launched):
                found.append((run, claim))
            else:
                self.forget(run)
        return found

    def log(self, name: str) -> Path:
        """The file that the service of this name writes to."""
        plain = _UNSAFE.sub("-", name)[:60]
        return self._logs / (f"{plain}.log" if plain == name else f"{plain}-{_digest(name)[:8]}.log")


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
