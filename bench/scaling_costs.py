"""What single things cost a hub, in CPU time of its process: it hardly depends on what else the machine does."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

from crowd import Crowd
from http_client import Answer, BenchError, Client, any_of
from listing_cases import PAGINATED
from phases import Process
from restart_sites import Site

_WITHIN_S = 120.0


class Costs:
    """Asks one hub, which is idle otherwise."""

    def __init__(self, site: Site, crowd: Crowd, client: Client) -> None:
        self._site, self._crowd, self._client = site, crowd, client
        self.process = Process(site.pid)

    async def each(self, requests: Sequence[bytes], what: str, accept: Callable[[Answer], bool]) -> float:
        """CPU ms of one. Raises BenchError."""
        before = self.process.cpu_s() or 0.0
        await self._client.burst(requests, accept, what)
        return ((self.process.cpu_s() or 0.0) - before) * 1e3 / len(requests)

    async def page_of_people(self) -> float:
        last = max(1, self._crowd.people - 50)
        asked = [self._client.request("GET", f"/users?limit=50&offset={number * 997 % last}", accept=PAGINATED) for number in range(60)]
        return await self.each(asked, "page of people", any_of(200))

    async def route_table(self) -> float:
        """The snapshot that a proxy takes when it starts."""
        asked = [self._client.request("GET", "/users?limit=1", accept=PAGINATED)]
        path, token = b"/hub/perijove/routes", self._site.proxy_token
        request = asked[0].replace(b"/hub/api/users?limit=1", path).replace(self._site.token.encode(), token.encode())
        return await self.each([request] * 20, "route table", any_of(200))

    async def activity(self, count: int = 4000) -> float:
        moment = datetime.now(UTC)
        names = [self._crowd.name(number) for number in range(self._crowd.people) if self._crowd.runs(number)]
        asked = []
        for number in range(count):
            at = moment.replace(microsecond=number % 1_000_000).isoformat()
            body = json.dumps({"servers": {"": {"last_activity": at}}, "last_activity": at}).encode()
            asked.append(self._client.request("POST", f"/users/{names[number % len(names)]}/activity", body))
        return await self.each(asked, "activity", any_of(200))

    async def route_report(self) -> float:
        """A proxy saw something on every route."""
        asked = []
        for _ in range(10):
            at = datetime.now(UTC).isoformat()
            specs = [f"/user/{self._crowd.name(number)}/" for number in range(self._crowd.people) if self._crowd.runs(number)]
            body = json.dumps({"epoch": "", "revision": 0, "activity": dict.fromkeys(specs, at), "now": at}).encode()
            request = self._client.request("POST", "/perijove/proxies/bench", body).replace(b"/hub/api/perijove", b"/hub/perijove")
            asked.append(request.replace(self._site.token.encode(), self._site.proxy_token.encode()))
        return await self.each(asked, "report of a proxy", any_of(204))

    async def tokens(self, count: int = 500) -> tuple[float, float]:
        """CPU ms of making a token, and of its first check."""
        names = [self._crowd.name(number * 97 % self._crowd.people) for number in range(count)]
        before = self.process.cpu_s() or 0.0
        made = await self._client.burst([self._client.request("POST", f"/users/{name}/tokens", b"{}") for name in names], any_of(201), "tokens")
        making = ((self.process.cpu_s() or 0.0) - before) * 1e3 / count
        tokens = [json.loads(answer.body)["token"] for answer in made.answers]
        return making, await self.each([self._client.request("GET", "/user", token=token) for token in tokens], "checks", any_of(200))

    async def starts(self, count: int = 200) -> float:
        """CPU ms of one start until it is ready, and of its stop."""
        names = [self._crowd.name(number) for number in range(self._crowd.people) if not self._crowd.runs(number)][:count]
        before = self.process.cpu_s() or 0.0
        await self._client.burst([self._client.request("POST", f"/users/{name}/server", b"{}") for name in names], any_of(201), "starts")
        await self._client.burst([self._client.request("DELETE", f"/users/{name}/server") for name in names], any_of(204), "stops")
        return ((self.process.cpu_s() or 0.0) - before) * 1e3 / count

    async def idle(self, for_s: float) -> float:
        """CPU ms a second while nobody asks."""
        began, before = time.perf_counter(), self.process.cpu_s() or 0.0
        await asyncio.sleep(for_s)
        return ((self.process.cpu_s() or 0.0) - before) * 1e3 / (time.perf_counter() - began)


@asynccontextmanager
async def streams(site: Site, names: Sequence[str]) -> AsyncIterator[list[int]]:
    """Everybody's progress stream, open while the block runs; yields how many bytes have come on each."""
    address, came = urlsplit(site.hub), [0] * len(names)

    async def follow(number: int, name: str) -> None:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        head = f"GET /hub/api/users/{name}/server/progress HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: token {site.token}\r\n\r\n"
        writer.write(head.encode())
        try:
            while data := await reader.read(65_536):
                came[number] += len(data)
        finally:
            writer.close()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(follow(number, name)) for number, name in enumerate(names)]
        deadline = time.monotonic() + _WITHIN_S
        while not all(came):
            if time.monotonic() > deadline:
                raise BenchError(f"only {sum(map(bool, came))} of {len(names)} progress streams say anything")
            await asyncio.sleep(0.05)
        yield came
        for task in tasks:
            task.cancel()
