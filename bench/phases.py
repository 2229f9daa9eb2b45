"""The operations measured, each through the JupyterHub REST API only, in the order of a hub's day."""

import asyncio
import json
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

from http_client import Answer, BenchError, Client, Load, any_of
from process_tree import cpu_s

_PAGE = 200
_SETTLE_S = 600.0
_PAGINATED = "application/jupyterhub-pagination+json"


@dataclass(frozen=True, slots=True)
class Sizes:
    users: int
    tokens_per_user: int
    checks: int
    activities: int
    walks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One operation of one hub. `rate` per second; latencies of single requests; `cpu_ms` of the hub's process per operation, if it is ours to look at."""

    operation: str
    count: int
    rate: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float | None = None


@dataclass(slots=True)
class Process:
    """The hub's process, if it runs here; what it has used tells more than the clock does on a machine shared with others.

    `others`: more hubs of the same site. `database`: the first process of its PostgreSQL, which an SQLite file does without.
    """

    pid: int | None
    others: Sequence[int] = ()
    database: int | None = None

    def cpu_s(self) -> float | None:
        """Of all its threads, ended ones too: read from the process's own clock (clock_getcpuclockid(3): the number is made of its id)."""
        if self.pid is None:
            return None
        hubs = sum(time.clock_gettime(~pid << 3 | 2) for pid in (self.pid, *self.others))
        return hubs if self.database is None else hubs + cpu_s(self.database)

    def rss_mib(self) -> float | None:
        """Of the hub, without the others."""
        if self.pid is None:
            return None
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii", errors="replace")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


class Drive:
    """One hub, driven through all phases. Raises BenchError, ConnectionError, TimeoutError where the hub fails."""

    def __init__(self, client: Client, process: Process, sizes: Sizes, run: str) -> None:
        self._client, self._process, self._sizes = client, process, sizes
        self._names = [f"{run}-{number:05d}" for number in range(sizes.users)]
        self._batch = [f"{run}-batch-{number:05d}" for number in range(sizes.users)]
        self._ours = frozenset(self._names + self._batch)
        self._tokens: list[tuple[str, str]] = []  # (token, whose)
        self.figures: list[Figure] = []

    async def all(self, report: Callable[[Figure], None]) -> None:
        for phase in (
            self._create,
            self._create_batch,
            self._start,
            self._make_tokens,
            self._check_new_tokens,
            self._check_tokens,
            self._report_activity,
            self._list,
            self._stop,
            self._delete,
        ):
            before = self._process.cpu_s()
            operation, count, load = await phase()
            after = self._process.cpu_s()
            cpu_ms = None if before is None or after is None else (after - before) * 1e3 / count
            cuts = quantiles(load.latencies_s, n=100, method="inclusive") if len(load.latencies_s) > 1 else [load.latencies_s[0]] * 99
            figure = Figure(
                operation=operation,
                count=count,
                rate=count / load.elapsed_s,
                p50_ms=median(load.latencies_s) * 1e3,
                p99_ms=cuts[98] * 1e3,
                cpu_ms=cpu_ms,
            )
            self.figures.append(figure)
            report(figure)

    async def _create(self) -> tuple[str, int, Load]:
        ask = self._client.request
        load = await self._client.burst([ask("POST", f"/users/{name}", b"{}") for name in self._names], any_of(201), "create users")
        return "create users", len(self._names), load

    async def _create_batch(self) -> tuple[str, int, Load]:
        body = json.dumps({"usernames": self._batch}).encode()
        load = await self._client.burst([self._client.request("POST", "/users", body)], any_of(201), "create users in one request")
        return "create users in one request", len(self._batch), load

    async def _start(self) -> tuple[str, int, Load]:
        """From the first request until the API says that every server is ready."""
        requests = [self._client.request("POST", f"/users/{name}/server", b"{}") for name in self._names]
        load = await self._settled(requests, (201, 202), "ready", len(self._names))
        return "start servers", len(self._names), load

    async def _stop(self) -> tuple[str, int, Load]:
        """From the first request until the API says that no server is left."""
        requests = [self._client.request("DELETE", f"/users/{name}/server") for name in self._names]
        return "stop servers", len(self._names), await self._settled(requests, (204, 202), "active", 0)

    async def _settled(self, requests: list[bytes], statuses: tuple[int, ...], state: str, count: int) -> Load:
        """The walk that finds everything settled proves it; the clock stops when that walk began."""
        began = time.perf_counter()
        load = await self._client.burst(requests, any_of(*statuses), f"until {count} servers are {state}")
        while True:
            asked = time.perf_counter()
            found = sum(1 for _ in await self._walk(f"&state={state}"))
            if found == count:
                return Load(asked - began, load.latencies_s, load.answers)
            if asked - began > _SETTLE_S:
                raise BenchError(f"{found} servers are {state} after {_SETTLE_S:.0f} s, not {count}. Look at the hub's log (--keep).")
            await asyncio.sleep(0.05)

    async def _make_tokens(self) -> tuple[str, int, Load]:
        names = self._names * self._sizes.tokens_per_user
        load = await self._client.burst(
            [self._client.request("POST", f"/users/{name}/tokens", b'{"note": "bench"}') for name in names], any_of(201), "create tokens"
        )
        made = [json.loads(answer.body) for answer in load.answers]
        self._tokens = [(model["token"], model["user"]) for model in made]
        return "create tokens", len(names), load

    async def _check_new_tokens(self) -> tuple[str, int, Load]:
        """Each once: as when a server asks for its visitor the first time, and then every five minutes."""
        return await self._check("check tokens, first time", self._tokens)

    async def _check_tokens(self) -> tuple[str, int, Load]:
        """Each request with another token, so that no answer is one given a moment before."""
        return await self._check("check tokens, again", [self._tokens[number % len(self._tokens)] for number in range(self._sizes.checks)])

    async def _check(self, what: str, used: Sequence[tuple[str, str]]) -> tuple[str, int, Load]:
        load = await self._client.burst([self._client.request("GET", "/user", token=token) for token, _ in used], any_of(200), what)
        if Counter(json.loads(answer.body)["name"] for answer in load.answers) != Counter(name for _, name in used):
            raise BenchError(f"{what}: somebody's token was taken for somebody else's.")
        return what, len(used), load

    async def _report_activity(self) -> tuple[str, int, Load]:
        requests = list(self._activity_requests())
        load = await self._client.burst(requests, any_of(200), "report activity")
        return "report activity", len(requests), load

    def _activity_requests(self) -> Iterator[bytes]:
        """As single-user servers send it: each time a little later, so that there is something to record."""
        for number in range(self._sizes.activities):
            name = self._names[number % len(self._names)]
            moment = datetime.now(UTC).replace(microsecond=number % 1_000_000).isoformat()
            body = json.dumps({"servers": {"": {"last_activity": moment}}, "last_activity": moment}).encode()
            yield self._client.request("POST", f"/users/{name}/activity", body)

    async def _list(self) -> tuple[str, int, Load]:
        """Pages are asked for one after the other, as a client must; counted are the people listed."""
        began, users, pages = time.perf_counter(), 0, array("d")
        for _ in range(self._sizes.walks):
            walk = await self._walk("", pages)
            users += len(walk)
            if len(walk) != len(self._ours) or self._ours != set(walk):
                raise BenchError(f"list users: {len(set(walk))} of {len(self._ours)} people were listed, in {len(walk)} entries.")
        return "list users", users, Load(time.perf_counter() - began, pages, [])

    async def _delete(self) -> tuple[str, int, Load]:
        names = self._names + self._batch
        load = await self._client.burst([self._client.request("DELETE", f"/users/{name}") for name in names], any_of(204), "delete users")
        return "delete users", len(names), load

    async def _walk(self, filters: str, latencies: "array[float] | None" = None) -> list[str]:
        names: list[str] = []
        offset: int | None = 0
        while offset is not None:
            began = time.perf_counter()
            answer = await self._client.one(self._client.request("GET", f"/users?limit={_PAGE}&offset={offset}{filters}", accept=_PAGINATED))
            if latencies is not None:
                latencies.append(time.perf_counter() - began)
            offset = self._read_page(answer, names)
        return names

    def _read_page(self, answer: Answer, names: list[str]) -> int | None:
        if answer.status != 200:
            raise BenchError(f"list users: answered {answer.status}: {answer.body[:500].decode(errors='replace')}")
        page = json.loads(answer.body)
        names.extend(item["name"] for item in page["items"] if item["name"] in self._ours)
        following = page["_pagination"]["next"]
        return int(following["offset"]) if following else None
