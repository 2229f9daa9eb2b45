"""Where servers run: one process that plays hundreds of them, each with a port of its own. `python -m tests.faults.place`.

It is asked in lines of JSON, by unix socket. It keeps the promises that the spawners' port demands of a place, at most one server
of each attempt and none of an attempt that was stopped, and counts whatever should not have been asked of it.
"""

import asyncio
import json
import logging
import random
import signal
import sys
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

SLOWEST_S = 0.4


@dataclass
class Attempt:
    """One start of one server. `listening` is None before it is up and after it has ended."""

    server: str
    prefix: str
    listening: Server | None = None
    address: str = ""
    up: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Place:
    """`doubled`: servers of which two attempts lived at once. `begun`: how often each server was begun."""

    attempts: dict[str, Attempt] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)
    doubled: list[str] = field(default_factory=list)
    late: int = 0
    """Attempts that somebody wanted to begin after they were stopped, and that were refused."""
    begun: dict[str, int] = field(default_factory=dict)
    luck: random.Random = field(default_factory=lambda: random.Random(1))

    async def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        match asked["do"]:
            case "start":
                return await self._start(asked["start_id"], asked["server"], asked["prefix"])
            case "status":
                return {"up": [bool((found := self.attempts.get(one)) and found.listening) for one in asked["start_ids"]]}
            case "stop":
                await self._stop(asked["start_id"])
                return {}
            case "report":
                living = sorted(attempt.server for attempt in self.attempts.values() if attempt.listening is not None)
                return {"living": living, "doubled": self.doubled, "late": self.late, "begun": self.begun}
            case other:
                return {"refused": f"nobody knows how to {other}"}

    async def _start(self, start_id: str, server: str, prefix: str) -> dict[str, Any]:
        if start_id in self.spent:
            self.late += 1
            return {"refused": "this attempt was stopped"}
        attempt = self.attempts.get(start_id)
        if attempt is None:
            if any(other.server == server for other in self.attempts.values()):
                self.doubled.append(server)
            attempt = self.attempts[start_id] = Attempt(server, prefix)
            self.begun[server] = self.begun.get(server, 0) + 1
            await asyncio.sleep(self.luck.uniform(0, SLOWEST_S))
            if start_id not in self.spent:
                attempt.listening = await _listen(attempt)
                attempt.address = f"http://127.0.0.1:{next(iter(attempt.listening.sockets)).getsockname()[1]}"
            attempt.up.set()
        await attempt.up.wait()
        return {"address": attempt.address} if attempt.listening is not None else {"refused": "this attempt was stopped"}

    async def _stop(self, start_id: str) -> None:
        self.spent.add(start_id)
        attempt = self.attempts.pop(start_id, None)
        if attempt is None:
            return
        await attempt.up.wait()
        if attempt.listening is not None:
            attempt.listening.close()
            await attempt.listening.wait_closed()
            attempt.listening = None


async def _listen(attempt: Attempt) -> Server:
    """What a server is for here: it says who it is, and echoes."""

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(f"{attempt.server} {message!s}")

    def plain(connection: ServerConnection, request: Request) -> Response | None:
        if not request.path.startswith(attempt.prefix):
            return connection.respond(HTTPStatus.NOT_FOUND, f"this is {attempt.prefix}\n")
        if "upgrade" in request.headers:
            return None
        response = connection.respond(HTTPStatus.OK, json.dumps({"server": attempt.server}))
        response.headers["X-JupyterHub-Version"] = "6.1.1"
        return response

    return await serve(echo, "127.0.0.1", 0, process_request=plain, ping_interval=None, compression=None, server_header=None)


async def run(path: str) -> None:
    """Until SIGTERM."""
    place, ending = Place(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                answer = await place.answer(json.loads(line))
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    async with await asyncio.start_unix_server(talk, path, limit=1 << 24):
        await ending.wait()


if __name__ == "__main__":
    logging.getLogger("websockets").setLevel(logging.CRITICAL)  # that connections break off is the day's order
    asyncio.run(run(sys.argv[1]))
