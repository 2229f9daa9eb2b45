"""`python -m tests.integration.openapi MINUTES SEED [own|reference|person]`: a long run, each for its share of the time. Ends with 1 if anything was found."""

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.integration.openapi.fuzzing import Bound, own_document, own_document_as_a_person, reference_document
from tests.integration.openapi.world import world

_RUNS = {"own": own_document, "reference": reference_document, "person": own_document_as_a_person}


def main(arguments: Sequence[str]) -> int:
    minutes, seed = float(arguments[0]), int(arguments[1])
    names = arguments[2:] or tuple(_RUNS)
    bound = Bound(examples=1000, seed=seed, minutes=minutes / len(names))
    failed = False
    for name in names:
        with world() as hub, TemporaryDirectory() as folder:
            outcome = _RUNS[name](hub, Path(folder), bound)
            broken = "Traceback" in hub.running.output
            failed = failed or broken or not outcome.passed
            sys.stdout.write(
                f"{outcome.output}\n{hub.running.output if broken else ''}\n{name}, seed {seed}: {'passed' if outcome.passed else 'failed'}\n"
            )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
