"""What supervisors of services follow: a FIFO that this process holds open, and nobody else does."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from perijove.processes.process import Process, this_process

_NAME: Final = "life-"


@dataclass(frozen=True, slots=True)
class Lifeline:
    path: Path

    @classmethod
    @contextmanager
    def hold(cls, folder: Path) -> Iterator["Lifeline"]:
        """Make it and hold it; remove those of hubs that are no more. Raises OSError."""
        own = this_process(os.getpid())
        assert own is not None  # noqa: S101 - we run
        _tidy(folder)
        path = folder / f"{_NAME}{own.pid}-{own.started}"
        with suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        descriptor = os.open(path, os.O_RDWR)  # for writing alone it would wait for a reader
        try:
            yield cls(path)
        finally:
            os.close(descriptor)
            path.unlink(missing_ok=True)


def _tidy(folder: Path) -> None:
    for file in folder.glob(f"{_NAME}*"):
        with suppress(ValueError, OSError):
            pid, started = file.name.removeprefix(_NAME).split("-")
            if not Process(int(pid), int(started)).alive():
                file.unlink()
