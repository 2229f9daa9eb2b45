"""`python -m tests.faults SECONDS [SEED] [PEOPLE]`: a longer day. Prints what was broken, what was seen, and what was wrong.

Logs are kept in the folder that PERIJOVE_FAULTS_LOGS names, if any.
"""

import asyncio
import random
import sys
from pathlib import Path

from tests.faults.day import day

seconds = float(sys.argv[1])
seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**6)
people = int(sys.argv[3]) if len(sys.argv) > 3 else 300
print(f"seed {seed}", flush=True)  # noqa: T201 - for the person at the terminal
found = asyncio.run(day(max(Path("/usr/lib/postgresql").glob("*/bin")), people=people, break_s=seconds, seed=seed, clocks=("+7m", "-4m")))
print(found)  # noqa: T201 - the same
sys.exit(1 if found.wrong else 0)
