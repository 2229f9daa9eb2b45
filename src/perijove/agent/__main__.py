"""The program `perijove-agent`: one file, run by whatever Python a machine has.

Each subcommand takes its own arguments and returns the exit status.
"""

from __future__ import annotations

import os
import sys
from typing import Callable

from perijove.agent import VERSION
from perijove.agent.config import ConfigError, taken
from perijove.agent.environment.command import prepare
from perijove.agent.job import serve
from perijove.agent.probe import probe
from perijove.agent.relay import relay


def _serve(arguments: list[str]) -> int:
    """In the job: no arguments."""
    if arguments:
        sys.stderr.write("perijove-agent serve takes no arguments: it is told by its environment\n")
        return 2
    environ = dict(os.environ)  # noqa: TID251 - the one place where the program meets it
    try:
        config = taken(environ)
    except ConfigError as error:
        sys.stderr.write(f"perijove-agent: {error}\n")
        return 2
    return serve(config, [*config.command, *config.arguments], environ)


_COMMANDS: dict[str, Callable[[list[str]], int]] = {"serve": _serve, "prepare": prepare, "probe": probe, "relay": relay}


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
