"""A scheduler that says what was written down: its programs are on disk and answer, in order, what the dialogue has for exactly these words."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROGRAM: Final = """#!{python} -I
import json, sys
from fnmatch import fnmatchcase
from pathlib import Path
folder, words = Path({folder!r}), [Path(sys.argv[0]).name, *sys.argv[1:]]
lines = json.loads((folder / "dialogue.json").read_text())
if not lines or len(lines[0]["asked"]) != len(words) or not all(map(fnmatchcase, words, lines[0]["asked"])):
    (folder / "strayed").write_text(json.dumps([words, lines[:1]]))
    sys.exit("strayed from the dialogue: " + json.dumps(words))
said = lines.pop(0)
(folder / "dialogue.json").write_text(json.dumps(lines))
if "given" in said:
    (folder / said["given"]).write_bytes(sys.stdin.buffer.read())
sys.stdout.write(said.get("out", ""))
sys.stderr.write(said.get("err", ""))
sys.exit(said.get("code", 0))
"""


@dataclass(frozen=True)
class Line:
    """`asked`: the command's words, each a pattern of the shell's. `given`: keep its standard input under this name."""

    asked: tuple[str, ...]
    out: str = ""
    err: str = ""
    code: int = 0
    given: str = ""


class Scheduler:
    def __init__(self, folder: Path, programs: tuple[str, ...]) -> None:
        self.folder = folder
        for name in programs:
            (folder / name).write_text(PROGRAM.format(python=sys.executable, folder=str(folder)))
            (folder / name).chmod(0o755)
        self.will_say([])

    def will_say(self, lines: list[Line]) -> None:
        kept = [{"asked": one.asked, "out": one.out, "err": one.err, "code": one.code} | ({"given": one.given} if one.given else {}) for one in lines]
        (self.folder / "dialogue.json").write_text(json.dumps(kept))

    def over(self) -> None:
        """All was asked, and nothing else."""
        strayed = self.folder / "strayed"
        assert not strayed.exists(), strayed.read_text()
        left = json.loads((self.folder / "dialogue.json").read_text())
        assert not left, f"not asked: {left}"
