"""One JupyterHub algebra for a whole run of tests: questions and answers as lines of JSON."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CLONE = Path(__file__).parents[3]


class RefusedError(Exception):
    """JupyterHub refused: `kind` is the type of its error."""

    def __init__(self, kind: str, says: str) -> None:
        super().__init__(f"{kind}: {says}")
        self.kind = kind


class Oracle:
    """Asks JupyterHub's functions."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.asked = 0

    def __call__(self, what: str, **details: Any) -> Any:
        """The answer. Raises RefusedError."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"ask": what, **details}) + "\n")
        stdin.flush()
        line = stdout.readline()
        assert line, "JupyterHub's algebra ended; its error is above"
        self.asked += 1
        answer = json.loads(line)
        if "error" in answer:
            raise RefusedError(answer["error"], answer["says"])
        return answer["is"]

    def accepts(self, what: str, **details: Any) -> bool:
        """Whether JupyterHub does not refuse."""
        try:
            self(what, **details)
        except RefusedError:
            return False
        return True


@contextmanager
def oracle(env: Path) -> Iterator[Oracle]:
    """JupyterHub's algebra, run by the Python of this environment."""
    command = [str(env / "bin" / "python"), "-m", "tests.integration.compared_scopes.oracle"]
    with subprocess.Popen(command, cwd=CLONE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Oracle(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)
