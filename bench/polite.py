"""Polite clients for `rude.py`, in a process of their own so that they feel the proxy and not the crowd: polite.py PORT.

Twenty connections ask ten times a second each. For each line on standard input they print how it went since the line before.
"""

import asyncio
import sys
import time

import uvloop


class Polite:
    def __init__(self, port: int) -> None:
        self._port = port
        self.times: list[float] = []
        self.failures = 0

    async def run(self) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                while True:
                    began = time.perf_counter()
                    writer.write(b"GET /user/a/ok HTTP/1.1\r\nHost: h\r\n\r\n")
                    head = await reader.readuntil(b"\r\n\r\n")
                    await reader.readexactly(2)
                    self.times.append(time.perf_counter() - began)
                    self.failures += b" 200 " not in head[:16]
                    await asyncio.sleep(0.1)
            except (OSError, EOFError):
                self.failures += 1


def _summary(polite: list[Polite]) -> str:
    times = sorted(moment for one in polite for moment in one.times)
    failures = sum(one.failures for one in polite)
    for one in polite:
        one.times.clear()
        one.failures = 0
    if not times:
        return f"no answers, {failures} failures"
    at = [times[len(times) * share // 1000] * 1000 for share in (500, 990, 999)]
    return f"{len(times):,} answers, {failures} failures, p50 {at[0]:.2f} ms, p99 {at[1]:.2f} ms, p99.9 {at[2]:.2f} ms, max {times[-1] * 1000:.1f} ms"


async def _main() -> None:
    polite = [Polite(int(sys.argv[1])) for _ in range(20)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.run()) for one in polite]
        while await asyncio.to_thread(sys.stdin.readline):
            print(_summary(polite), flush=True)
        for task in tasks:
            task.cancel()


if __name__ == "__main__":
    uvloop.run(_main())
