"""The other side of slurm_queries.py: spawners of batchspawner's that wait or run, for some seconds. `… waiting|running PEOPLE SECONDS FOLDER`"""

import asyncio
import os
import sys
from types import SimpleNamespace

from batchspawner import SlurmSpawner


class Submitted(SlurmSpawner):  # type: ignore[misc]  # it carries no types
    """Its job is in the queue already."""

    server = None
    number = "1"

    def get_env(self) -> dict[str, str]:
        return dict(os.environ)

    async def submit_batch_script(self) -> str:
        self.job_id = self.number
        return self.number


async def main(state: str, people: int, seconds: float) -> None:
    spawners = []
    for number in range(1, people + 1):
        one = Submitted(user=SimpleNamespace(name="u"), exec_prefix="", req_homedir="/", req_username="u")
        one.number = one.job_id = str(number)
        spawners.append(one)
    if state == "running":
        for one in spawners:
            one.start_polling()
        await asyncio.sleep(seconds)
        return
    starts = [asyncio.ensure_future(one.start()) for one in spawners]
    await asyncio.wait(starts, timeout=seconds)
    assert not any(start.done() for start in starts), "a start ended"
    for start in starts:
        start.cancel()


if __name__ == "__main__":
    os.environ["PATH"] = f"{sys.argv[4]}:{os.environ['PATH']}"
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
