"""How long a large site's lists take, of JupyterHub and of Perijove in one run: `.venv/bin/python bench/listing.py --help`.

Both get 20,000 people in groups and 5,000 running servers, and are asked in turns. Perijove is measured with a tenth of that as well, as
pages should take the same time however many there are. docs/explanation/performance.md says what the figures mean.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median, quantiles

import uvloop
from crowd import Crowd
from http_client import BenchError, Client, any_of
from hubs import Hub, Owner, jupyterhub, perijove, scratch
from listing_cases import PAGINATED, Case, cases
from listing_fill import fill, signed_in
from listing_table import table
from phases import Process
from postgres import postgres

_CONNECTIONS = 16
_PROBE_EVERY_S = 0.002


@dataclass(frozen=True, slots=True)
class Figure:
    """One case of one hub. `cpu_ms` of its process a request; `stall_ms`: the longest that it kept a request for its health waiting meanwhile."""

    hub: str
    what: str
    grows: bool
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    stall_ms: float
    answer_bytes: int


@dataclass(frozen=True, slots=True)
class Side:
    """A filled hub. `cookie` of an administrator at a browser, where pages are measured."""

    hub: Hub
    crowd: Crowd
    client: Client
    prober: Client
    process: Process
    cookie: str = ""

    def request(self, case: Case) -> bytes:
        if case.owner == "page":
            return self.client.page(case.path, self.cookie)
        return self.client.request("GET", case.path, token=self.hub.tokens[case.owner], accept=PAGINATED)


def _owners(crowd: Crowd) -> dict[str, Owner]:
    three = [crowd.name(number) for number in (0, crowd.people // 2, crowd.people - 1)]
    reads = ("list:users", "read:users", "read:servers")
    return {
        "bench": Owner(
            ("admin:users", "admin:servers", "admin:groups", "list:users", "list:services", "read:services", "tokens", "read:hub", "proxy")
        ),
        "grouped": Owner([f"{scope}!group=cohort-1" for scope in reads]),
        "narrow": Owner([f"{scope}!user={name}" for scope in reads for name in three]),
        "server": Owner([f"read:users:name!user={crowd.first_running}", f"read:servers!server={crowd.first_running}/"]),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=20_000, help="(default: %(default)s)")
    parser.add_argument("--servers", type=int, default=5_000, help="how many of them have a running server (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=40, help="of each kind, one after the other (default: %(default)s)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only kinds of requests with this text in their name")
    parser.add_argument("--no-jupyterhub", action="store_true", help="leave JupyterHub out")
    parser.add_argument("--no-growth", action="store_true", help="leave out Perijove with a tenth of the people")
    parser.add_argument("--postgres", action="store_true", help="also Perijove with its data in PostgreSQL (which must be installed)")
    parser.add_argument("--json", type=Path, help="also write all figures to this file")
    parser.add_argument("--keep", action="store_true", help="keep the hubs' folders with their logs and databases")
    return parser.parse_args()


@asynccontextmanager
async def _side(hub: Hub, crowd: Crowd) -> AsyncIterator[Side]:
    """Raises BenchError."""
    async with Client(hub.url, hub.token, _CONNECTIONS) as client, Client(hub.url.removesuffix("/api"), hub.token, 1) as prober:
        side = Side(hub, crowd, client, prober, Process(hub.pid))
        if hub.name.startswith("jupyterhub"):
            yield side
        else:
            await fill(client, crowd)
            yield replace(side, cookie=await asyncio.to_thread(signed_in, hub.url.removesuffix("/hub/api")))


async def _sides(args: argparse.Namespace, stack: AsyncExitStack) -> list[Side]:
    """Raises BenchError."""
    crowd, sides = Crowd(args.people, args.servers), list[Side]()

    async def add(hub: Hub, who: Crowd) -> None:
        sides.append(await stack.enter_async_context(_side(hub, who)))
        print(f"{hub.name}: {who.people} people, {who.servers} running servers", file=sys.stderr)

    if not args.no_jupyterhub:
        await add(await stack.enter_async_context(jupyterhub(args.keep, _owners(crowd), crowd)), crowd)
    await add(await stack.enter_async_context(perijove(args.keep, _owners(crowd))), crowd)
    if not args.no_growth:
        few = Crowd(crowd.people // 10, crowd.servers // 10)
        hub = await stack.enter_async_context(perijove(args.keep, _owners(few)))
        await add(replace(hub, name="perijove, a tenth"), few)
    if args.postgres:
        database = await stack.enter_async_context(postgres(stack.enter_context(scratch(args.keep)) / "postgres"))
        await add(await stack.enter_async_context(perijove(args.keep, _owners(crowd), database.url)), crowd)
    return sides


async def _measure(side: Side, case: Case, requests: int) -> Figure:
    """Latencies first, one request at a time; then as many with another client beside that asks for the hub's health all the time."""
    request, accept = side.request(case), any_of(200)
    answer = await side.client.one(request)
    if not accept(answer):
        raise BenchError(f"{side.hub.name}: {case.path} as {case.owner} was answered {answer.status}: {answer.body[:500].decode(errors='replace')}")
    before, latencies = side.process.cpu_s() or 0.0, list[float]()
    for _ in range(requests):
        began = time.perf_counter()
        answer = await side.client.one(request)
        latencies.append(time.perf_counter() - began)
        if not accept(answer):
            raise BenchError(f"{side.hub.name}: {case.path} was answered {answer.status} now.")
    cpu_s = (side.process.cpu_s() or 0.0) - before
    stall_s = await _stall(side, request, max(5, requests // 4))
    return Figure(
        hub=side.hub.name,
        what=case.what,
        grows=case.grows,
        p50_ms=median(latencies) * 1e3,
        p95_ms=quantiles(latencies, n=20, method="inclusive")[18] * 1e3 if len(latencies) > 1 else latencies[0] * 1e3,
        cpu_ms=cpu_s * 1e3 / requests,
        stall_ms=stall_s * 1e3,
        answer_bytes=len(answer.body),
    )


async def _stall(side: Side, request: bytes, requests: int) -> float:
    async def ask() -> None:
        for _ in range(requests):
            await side.client.one(request)

    probe, worst = side.prober.request("GET", "/health"), 0.0
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(ask())
        while not asking.done():
            began = time.perf_counter()
            await side.prober.one(probe)
            worst = max(worst, time.perf_counter() - began)
            await asyncio.sleep(_PROBE_EVERY_S)
    return worst


async def _walk(side: Side) -> Figure:
    """All pages of 200, one after the other: the figures are of the whole walk. Raises BenchError unless everybody is met once."""
    before, began, names, offset = side.process.cpu_s() or 0.0, time.perf_counter(), list[str](), 0
    pages, size = list[float](), 0
    while True:
        asked = time.perf_counter()
        answer = await side.client.one(side.client.request("GET", f"/users?limit=200&offset={offset}", accept=PAGINATED))
        pages.append(time.perf_counter() - asked)
        page, size = json.loads(answer.body), size + len(answer.body)
        names += [item["name"] for item in page["items"]]
        following = page["_pagination"]["next"]
        if following is None:
            break
        offset = following["offset"]
    elapsed_s, cpu_s = time.perf_counter() - began, (side.process.cpu_s() or 0.0) - before
    if len(names) != len(set(names)) or not set(side.crowd.names) <= set(names):
        raise BenchError(f"{side.hub.name}: a walk through all pages met {len(set(names))} people in {len(names)} entries.")
    return Figure(side.hub.name, "walk through all pages", True, elapsed_s * 1e3, elapsed_s * 1e3, cpu_s * 1e3, max(pages) * 1e3, size)


async def _run(args: argparse.Namespace) -> list[Figure]:
    """Raises BenchError, ConnectionError, TimeoutError."""
    figures: list[Figure] = []
    async with AsyncExitStack() as stack:
        sides = await _sides(args, stack)
        of = [list(cases(side.crowd)) for side in sides]
        for number, case in enumerate(of[0]):
            if args.only not in case.what:
                continue
            print(f"  {case.what}", file=sys.stderr)
            for side, theirs in zip(sides, of, strict=True):
                if case.owner != "page" or side.cookie:
                    figures.append(await _measure(side, theirs[number], args.requests))
        if args.only in "walk through all pages":
            figures += [await _walk(side) for side in sides]
        for side in sides:
            print(f"Memory of {side.hub.name} at the end: {side.process.rss_mib() or 0:.0f} MiB", file=sys.stderr)
    return figures


def main() -> int:
    args = _arguments()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell began us with it ignored
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # ends what was started, as Ctrl-C does
    try:
        figures = uvloop.run(_run(args))
    except KeyboardInterrupt:
        return 130
    except (BenchError, ConnectionError, TimeoutError) as error:
        print(f"bench: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(table(figures))
    print(f"{os.cpu_count()} CPUs, load over the last 1, 5 and 15 minutes: {load}. Where others worked too, compare CPU times.")
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
