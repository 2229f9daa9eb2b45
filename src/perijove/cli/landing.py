"""The first moment of code that took the place of other code (handover.py), when nothing of it is loaded yet.

What was handed over lives as long as this process does. Should the code not load although it did a moment ago (somebody installs packages just now),
hub and proxy must not end for that: we try again, from the start, until it does. So this loads nothing of ours.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
HANDOVER = "PERIJOVE_HANDOVER"
_AGAIN_S = 2.0
_ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def loaded_in_the_end(load: Callable[[], T]) -> T:
    """What `load` returns. If it raises and something was handed over to us, begin again as a new program; this does not return then."""
    kept = os.environ.get(HANDOVER, "")
    try:
        return load()
    except Exception as error:
        if not kept:
            raise
        _say(kept, f"The new code does not load: {type(error).__name__}: {error}. What runs goes on; trying again every {_AGAIN_S:g} s.")
        if signal.sigtimedwait(_ENDING, _AGAIN_S) is not None:  # held back until we can handle them
            sys.exit(1)
        os.execve(sys.executable, [sys.executable, "-m", "perijove", *sys.argv[1:]], {**os.environ, HANDOVER: kept})  # noqa: S606


def _say(handover: str, text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - to the log of a supervisor that is not there yet
    with suppress(OSError, ValueError, KeyError):
        asker = json.loads(handover)["asker"]
        if asker >= 0:
            os.write(asker, json.dumps({"said": text}).encode() + b"\n")
