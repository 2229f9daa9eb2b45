"""Small requests at a steady pace, for `route_changes.py`, in a process of its own so that nobody else's work delays them: paced.py PORT PATH PACE_S.

Prints `ready`; then, for each line on standard input, a JSON list of how long each request since the line before took, in seconds from when it was due.
What this process itself comes late with is not counted.
"""

import asyncio
import gc
import json
import sys
import time

import uvloop

_CONNECTIONS = 20
"""So that a slow answer keeps no other request waiting."""


async def _ask(port: int, path: str, due: float, pace_s: float, took: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    ask = f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    while True:
        due += pace_s
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
            due = max(due, time.perf_counter())
        writer.write(ask)
        if b" 200 " not in (await reader.readuntil(b"\r\n\r\n"))[:16]:
            raise SystemExit("an answer was not 200")
        await reader.readexactly(5)
        took.append(time.perf_counter() - due)


async def _main() -> None:
    port, path, pace_s = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    took: list[float] = []
    first = time.perf_counter() + _CONNECTIONS * pace_s
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(_ask(port, path, first + at * pace_s, _CONNECTIONS * pace_s, took)) for at in range(_CONNECTIONS)]
        await asyncio.sleep(_CONNECTIONS * pace_s * 3)
        gc.disable()
        print("ready", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            told = took.copy()
            took.clear()
            print(json.dumps(told), flush=True)
        for one in asking:
            one.cancel()


if __name__ == "__main__":
    uvloop.run(_main())
