"""People who start their servers, work in them, and stop them; each notes what they should not have noticed."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2 as httpx
import websockets

from tests.faults.site import ADMIN, Proxy, Site

PATIENCE_S = 150.0
"""How long anybody waits for anything to end: the hub's own time limits are below it."""
ECHO_S = 0.4
ANSWER_S = 15.0
SILENCE_S = 20.0
"""The hub says something every eight seconds while somebody waits; the page gives up after as long."""
LATE_S = 40.0
"""A request that a silent network held back arrives when the network is back, and the news that nobody waits for it any more comes after it."""
ROUTE_S = 8.0
"""How long after "ready" the way may still be unknown to a proxy that was being restarted."""


@dataclass
class Seen:
    """What people noticed. `complaints` must stay empty."""

    complaints: list[str] = field(default_factory=list)
    started: int = 0
    stopped: int = 0
    echoes: int = 0
    excused: int = 0
    """Connections that broke because the proxy's worker was killed under them."""
    retried: int = 0
    late: int = 0
    """Requests to stop that were given up, and done when the next start was under way."""
    hubless_at: float = 0.0
    """When no hub at all was ready, last: then nobody tells proxies of new routes."""
    slowest_start_s: float = 0.0
    slowest_stop_s: float = 0.0


class Person:
    def __init__(self, name: str, token: str, proxy: Proxy, seen: Seen, going_home: asyncio.Event) -> None:
        self.name = name
        self.proxy = proxy
        self.seen = seen
        self._going_home = going_home
        self._token = token
        self._gave_up_at = -LATE_S
        """When the answer to a request to stop did not come, last."""
        self._http = httpx.AsyncClient(base_url=proxy.url, headers={"authorization": f"token {token}"}, timeout=ANSWER_S)
        self._now = asyncio.get_running_loop().time

    async def live(self, work_s: float) -> None:
        """Day after day until the evening."""
        try:
            async with self._http:
                while not self._going_home.is_set():
                    await self._begin()
                    await self._work(work_s)
                    await self._finish()
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody noticed it
            self._complain(f"{type(error).__name__}: {error}")

    async def _begin(self) -> None:
        asked = self._now()
        answer = await self._ask("POST", "/server", {201, 202, 400, 409})
        if answer.status_code in {400, 409} and "running" not in answer.text and "pending" not in answer.text:
            self._complain(f"a start was refused: {answer.text}")
        await self._until("ready", self._is_ready)
        self.seen.started += 1
        self.seen.slowest_start_s = max(self.seen.slowest_start_s, self._now() - asked)

    async def _is_ready(self) -> bool:
        """Follow the progress; when the stream breaks off, look, and follow it again."""
        try:
            async with self._http.stream("GET", f"/hub/api/users/{self.name}/server/progress", timeout=SILENCE_S) as stream:
                if stream.status_code != 200:
                    return bool((await self._model()).get("ready"))
                async for line in stream.aiter_lines():
                    if line.startswith("data: "):
                        event = json.loads(line[6:])
                        if event.get("failed"):
                            self._complain(f"a start failed: {event['message']}")
                            await self._ask("POST", "/server", {201, 202, 400, 409})
                            return False
                        if event.get("ready"):
                            return True
        except httpx.HTTPError:
            self.seen.retried += 1
        return bool((await self._model()).get("ready"))

    async def _work(self, work_s: float) -> None:
        """One WebSocket for as long as it holds; it may break only when the proxy's worker was killed."""
        until = self._now() + work_s
        url = f"{self.proxy.url.replace('http', 'ws', 1)}/user/{self.name}/echo"
        refused_since: float | None = None
        while self._now() < until:
            opened = self._now()
            try:
                async with websockets.connect(url, ping_interval=None, open_timeout=ANSWER_S, proxy=None) as socket:
                    refused_since = None
                    await self._echo(socket, until)
                    return
            except (OSError, websockets.WebSocketException, TimeoutError) as error:
                if self.proxy.hurt_at >= opened - 1.0:
                    self.seen.excused += 1
                    await asyncio.sleep(0.2)
                    continue
                if self.seen.hubless_at >= self._now() - ROUTE_S and not isinstance(error, websockets.ConnectionClosed):
                    refused_since = None
                    await asyncio.sleep(0.2)
                    continue
                if isinstance(error, websockets.ConnectionClosed) and self._late_deeds_may_come() and (await self._model()).get("stopped", True):
                    self.seen.late += 1
                    return
                refused_since = refused_since or self._now()
                if refused_since < self._now() - ROUTE_S or isinstance(error, websockets.ConnectionClosed):
                    self._complain(f"work was interrupted: {type(error).__name__} {error}")
                    refused_since = self._now()
                await asyncio.sleep(0.2)

    async def _echo(self, socket: websockets.ClientConnection, until: float) -> None:
        number = 0
        while self._now() < until:
            number += 1
            await socket.send(str(number))
            async with asyncio.timeout(ANSWER_S):
                said = await socket.recv()
            if said != f"{self.name}/ {number}":
                self._complain(f"the wrong server answered: {said!r}")
            self.seen.echoes += 1
            await asyncio.sleep(ECHO_S)

    async def _finish(self) -> None:
        asked = self._now()
        await self._ask("DELETE", "/server", {202, 204, 404})
        await self._until("stopped", self._is_stopped)
        self.seen.stopped += 1
        self.seen.slowest_stop_s = max(self.seen.slowest_stop_s, self._now() - asked)

    async def _is_stopped(self) -> bool:
        return bool((await self._model()).get("stopped", True))

    async def _ask_again_if_stopped(self) -> None:
        """A request to stop that was given up may still be done, late: what is on its way cannot be called back."""
        if (await self._model()).get("stopped"):
            self._gave_up_at = -LATE_S
            self.seen.late += 1
            await self._ask("POST", "/server", {201, 202, 400, 409})

    def _late_deeds_may_come(self) -> bool:
        return self._gave_up_at > self._now() - LATE_S

    async def _model(self) -> dict[str, Any]:
        answer = await self._ask("GET", "/server", {200, 404})
        model: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        return model

    async def _until(self, what: str, look: Callable[[], Awaitable[bool]]) -> None:
        deadline = self._now() + PATIENCE_S
        while not await look():
            if what == "ready" and self._late_deeds_may_come():
                await self._ask_again_if_stopped()
            if self._now() > deadline:
                raise AssertionError(f"not {what} after {PATIENCE_S:.0f} s: {await self._model()}")
            await asyncio.sleep(0.3)

    async def _ask(self, method: str, path: str, fine: set[int]) -> httpx.Response:
        """Ask again while the hub is away: whoever gets no answer tries again, as any client does."""
        deadline, pause_s, last = self._now() + PATIENCE_S, 0.2, ""
        while self._now() < deadline:
            try:
                answer = await self._http.request(method, f"/hub/api/users/{self.name}{path}")
                if answer.status_code in fine:
                    return answer
                last = f"{answer.status_code} {answer.text[:200]}"
                if answer.status_code < 500 and answer.status_code != 429:
                    self._complain(f"{method} {path} was answered {last}")
            except httpx.HTTPError as error:
                if method == "DELETE":
                    self._gave_up_at = self._now()
                last = f"{type(error).__name__} {error}"
            self.seen.retried += 1
            await asyncio.sleep(pause_s)
            pause_s = min(2.0, pause_s * 1.5)
        raise AssertionError(f"{method} {path} was never answered: {last}")

    def _complain(self, what: str) -> None:
        self.seen.complaints.append(f"{self.name}: {what}")


async def register(site: Site, number: int) -> dict[str, str]:
    """So many people: name -> token."""
    names = [f"person{each}" for each in range(number)]
    tokens: dict[str, str] = {}
    async with httpx.AsyncClient(base_url=f"{site.hubs[0].url}/hub/api", headers={"authorization": f"token {ADMIN}"}, timeout=60) as admin:
        for first in range(0, number, 100):
            answer = await admin.post("/users", json={"usernames": names[first : first + 100]})
            assert answer.status_code == 201, answer.text
        for name in names:
            answer = await admin.post(f"/users/{name}/tokens", json={"note": "for the day"})
            assert answer.status_code == 201, answer.text
            tokens[name] = answer.json()["token"]
    return tokens
