"""The program `perijove-agent`: one file, run by whatever Python a machine has.

Each subcommand takes its own arguments and returns the exit status.
"""

from __future__ import annotations

import sys
from typing import Callable

from perijove.agent import VERSION

_COMMANDS: dict[str, Callable[[list[str]], int]] = {}


def main(arguments: list[str]) -> int:
    if arguments == ["--version"]:
        sys.stdout.write(f"perijove-agent {VERSION}\n")
        return 0
    command = _COMMANDS.get(arguments[0]) if arguments else None
    if command is None:
        sys.stderr.write(f"usage: perijove-agent {' | '.join([*_COMMANDS, '--version'])}\n")
        return 2
    return command(arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
