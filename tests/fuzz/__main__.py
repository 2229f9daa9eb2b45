"""Play until the time is over or something breaks: `python -m tests.fuzz SECONDS [FIRST_SEED]`."""

import sys
import time

from .honest_play import HonestGame
from .play import Game


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    seed = first = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() % 1_000_000_000_000
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            Game(seed).play()
            HonestGame(seed).play()
        except BaseException:
            print(f"broken by seed {seed}, after {seed - first} games: python -m tests.fuzz 0.001 {seed}", flush=True)  # noqa: T201 - for the person at the terminal
            raise
        seed += 1
    print(f"{seed - first} games from seed {first}, nothing broke")  # noqa: T201 - the same
    return 0


if __name__ == "__main__":
    sys.exit(main())
