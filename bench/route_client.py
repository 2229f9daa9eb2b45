"""Adds routes by configurable-http-proxy's REST API: route_client.py API-PORT FIRST LAST CONNECTIONS TARGET, the token in $TOKEN. Prints the seconds.

Route -1 is /user/busy/. A program of its own, so that its time is not that of whoever measures.
"""

import asyncio
import json
import os
import sys
import time

import uvloop


async def _add(port: int, numbers: list[int], target: str, token: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"target": target}).encode()
    for number in numbers:
        name = f"u{number}" if number >= 0 else "busy"
        head = f"POST /api/routes/user/{name} HTTP/1.1\r\nHost: x\r\nAuthorization: token {token}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        if b" 201 " not in answer[:16]:
            raise SystemExit(answer.decode(errors="replace"))
        if b"chunked" in answer.lower():
            await reader.readuntil(b"0\r\n\r\n")
    writer.close()


async def _main() -> float:
    port, first, last, connections = map(int, sys.argv[1:5])
    numbers = list(range(first, last))
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for at in range(connections):
            group.create_task(_add(port, numbers[at::connections], sys.argv[5], os.environ["TOKEN"]))
    return time.perf_counter() - began


if __name__ == "__main__":
    print(uvloop.run(_main()))
