"""A process that writes until it is killed: each change adds a user, a group and a notice. Prints what was acknowledged."""

import asyncio
import sys

from perijove.adapters.store_sql import open_store
from perijove.adapters.system_clock import SystemClock
from perijove.ports.store.store import Tx


async def main(url: str) -> None:
    clock = SystemClock()
    async with open_store(url, pool_size=4, clock=clock) as store, asyncio.TaskGroup() as tasks:

        async def work(worker: int) -> None:
            number = 0
            while True:
                number += 1
                name = f"w{worker}-{number}"

                def change(tx: Tx, name: str = name) -> None:
                    tx.users.add(name, now=clock.now())
                    tx.groups.add(name, now=clock.now())

                await store.write(change)
                sys.stdout.write(f"{name}\n")
                sys.stdout.flush()

        for worker in range(20):
            tasks.create_task(work(worker))


asyncio.run(main(sys.argv[1]))
