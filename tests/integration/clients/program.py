"""Programs that run beside the hub: services that somebody else starts."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx


@dataclass
class Program:
    """A running program; what it printed is in a file."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def listens(self, port: int) -> bool:
        """Whether it answers on this port by now. It must not have ended."""
        assert self.process.poll() is None, self.output
        try:
            return httpx.get(f"http://127.0.0.1:{port}/").status_code < 500
        except httpx.TransportError:
            return False


@contextmanager
def program(folder: Path, command: list[str], environ: dict[str, str]) -> Iterator[Program]:
    """Run it with nothing of this process's environment but PATH and these variables; end it afterwards."""
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env={"PATH": os.environ["PATH"], **environ}, cwd=folder
        )
    try:
        yield Program(process, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
