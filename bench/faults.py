"""A longer day than the tests have time for, at a site where hubs, proxies and the database are broken one after another:
`.venv/bin/python bench/faults.py --seconds 600 --seed 20 --people 300`.

Prints what was broken, what people saw, and what was wrong; exits with 1 if anything was. docs/explanation/replicas.md has the record of a long day.
"""

import argparse
import asyncio
import os
import random
import sys
from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CLONE))

from tests.faults.day import day  # noqa: E402 - the clone's own tests, found by the line above


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="for how long things are broken")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="decides what is broken when")
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--logs", type=Path, help="a folder to keep the logs in")
    asked = parser.parse_args()
    if asked.logs:
        asked.logs.mkdir(parents=True, exist_ok=True)
        os.environ["PERIJOVE_FAULTS_LOGS"] = str(asked.logs)
    print(f"seed {asked.seed}, {asked.people} people, {asked.seconds:.0f} s", flush=True)
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    found = asyncio.run(day(programs, people=asked.people, break_s=asked.seconds, seed=asked.seed, clocks=("+7m", "-4m")))
    print(found)
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
