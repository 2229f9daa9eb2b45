"""Check what linters do not: the size of files, and names that say nothing."""

import sys
from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "singleuser/src", "scripts", "tests", "bench")
MOST_LINES = 600
MOST_LINES_OF_TESTS = 800
SAYING_NOTHING = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}


def problems(file: Path) -> list[str]:
    """What is wrong with this file, in sentences."""
    found = []
    if nothing := SAYING_NOTHING.intersection(part.removesuffix(".py") for part in file.parts):
        found.append(f"{file}: {nothing.pop()!r} says nothing about what is in it; name it after what it does.")
    lines = len((CLONE / file).read_text(encoding="utf-8").splitlines())
    most = MOST_LINES_OF_TESTS if file.parts[0] == "tests" else MOST_LINES
    if lines > most:
        found.append(f"{file}: {lines} lines, and {most} is the most: divide it by what its parts are about.")
    return found


def main() -> int:
    """List the problems of all Python files of ours."""
    files = [path.relative_to(CLONE) for folder in FOLDERS for path in sorted((CLONE / folder).rglob("*.py"))]
    found = [problem for file in files for problem in problems(file)]
    print("\n".join(found) or f"{len(files)} files, none too long.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
