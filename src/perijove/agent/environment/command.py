"""`perijove-agent prepare`: what is done is told on standard output, one JSON object a line; errors too.

    prepare                 make ready the environment that is described (PERIJOVE_ENVIRONMENT, or standard input)
    prepare --repair        the same, though it is ready: look for what is missing
    prepare --remove [NAME] remove the one that is described, or that by this name or in this folder
    prepare --list          those that there are
    prepare --sizes         the same, with how large each is, which takes a while

Exit status: 0 done, 1 cannot be done (the last line says why), 2 asked for wrongly.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from types import FrameType
from typing import Any, Iterator, Mapping

from perijove.agent.environment.describe import Environment, parsed
from perijove.agent.environment.keep import Kept, Store, root_of
from perijove.agent.environment.prepare import Preparation
from perijove.agent.environment.trouble import DescriptionError, ProgramError, TroubleError, os_words
from perijove.agent.environment.use import ready

VARIABLE = "PERIJOVE_ENVIRONMENT"


def prepare(arguments: list[str]) -> int:
    """The subcommand. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="perijove-agent prepare", allow_abbrev=False)
    doing = parser.add_mutually_exclusive_group()
    doing.add_argument("--repair", action="store_true")
    doing.add_argument("--remove", nargs="?", const="", metavar="NAME")
    doing.add_argument("--list", action="store_true")
    doing.add_argument("--sizes", action="store_true")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _ended)
    signal.signal(signal.SIGHUP, _ended)
    try:
        store = Store(root_of(os.environ))
        if options.list or options.sizes:
            for one in listed(store, sizes=options.sizes):
                _say(one)
            return 0
        if options.remove is not None:
            remove(store, options.remove or _described())
            return 0
        environ = {name: value for name, value in os.environ.items() if name != VARIABLE}
        kept = Preparation(_described(), store, environ, tell).run(repair=options.repair)
    except DescriptionError as error:
        _say({"step": "description", "state": "failed", "text": str(error), "mistakes": error.mistakes, "percent": 0})
        return 2
    except ProgramError as error:
        _say({"step": "failed", "state": "failed", "text": str(error), "output": error.output, "percent": 0})
        return 1
    except TroubleError as error:
        _say({"step": "failed", "state": "failed", "text": str(error), "percent": 0})
        return 1
    except OSError as error:
        _say({"step": "failed", "state": "failed", "text": os_words(error, "use"), "percent": 0})
        return 1
    _say({"step": "folder", "state": "done", "text": str(kept.folder), "percent": 100})
    return 0


def tell(step: str, state: str, text: str, percent: int) -> None:
    """One line of progress."""
    _say({"step": step, "state": state, "text": text, "percent": percent})


def listed(store: Store, *, sizes: bool) -> Iterator[dict[str, Any]]:
    """Each environment that is kept. `sizes`: every file is looked at, which on file systems of clusters takes long."""
    for kept, record, describe in store.all():
        size = {"bytes": kept.size_bytes()} if sizes else {}
        yield {
            **size,
            "name": describe.name,
            "folder": kept.folder.name,
            "ready": ready(describe, store) is not None,
            "kind": describe.kind,
            "version": record.version,
            "jupyter": record.jupyter,
            "machine": record.machine,
            "made": record.made,
            "describe": record.describe,
        }


def remove(store: Store, which: Environment | str) -> None:
    """Raises TroubleError if there is no such, OSError."""
    names = _named(store, which) if isinstance(which, str) else [kept for kept in [store.noted(which)] if kept is not None]
    if not names:
        there = ", ".join(sorted({f"{describe.name} ({kept.folder.name})" for kept, _, describe in store.all()})) or "none"
        raise TroubleError(f"There is no environment {which if isinstance(which, str) else which.name}; there are: {there}.")
    if len(names) > 1:
        raise TroubleError(f"Several environments are called {which}: name one by its folder ({', '.join(kept.folder.name for kept in names)}).")
    kept = names[0]
    with store.lock(kept.folder.name, lambda text: tell("lock", "running", text, 2)):
        tell("remove", "running", f"Removing {kept.folder}", 10)
        store.remove(kept)
    tell("remove", "done", "It is removed.", 100)


def _named(store: Store, name: str) -> list[Kept]:
    found = [(kept, describe) for kept, _, describe in store.all()]
    exactly = [kept for kept, _ in found if kept.folder.name == name]
    return exactly or [kept for kept, describe in found if describe.name == name]


def _described() -> Environment:
    """Raises DescriptionError."""
    return parsed(os.environ.get(VARIABLE) or sys.stdin.read())


def _say(line: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _ended(number: int, frame: FrameType | None) -> None:
    """By an exception, so that what was started is ended and the lock let go of."""
    del frame
    raise SystemExit(128 + number)
