"""A hub of a large university: 50,000 people, 5,000 running servers: `.venv/bin/python bench/large.py --help`.

Fills a hub behind a proxy, starts it anew, and measures what the size may have made slow: when it is ready and when all is as before, its memory,
pages of people, and how many activity reports it takes. docs/explanation/performance.md says what the figures mean.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import uvloop
from crowd import Crowd
from http_client import BenchError, Client, Load, any_of
from listing_cases import PAGINATED
from listing_fill import signed_in
from phases import Process
from restart import restart
from restart_sites import Site, perijove, replicas

_PAGES = 40


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing measured, and what was aimed at."""

    what: str
    value: float
    unit: str
    aim: str = ""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=50_000, help="(default: %(default)s)")
    parser.add_argument("--servers", type=int, default=5_000, help="how many of them have a running server (default: %(default)s)")
    parser.add_argument("--activities", type=int, default=20_000, help="activity reports (default: %(default)s)")
    parser.add_argument("--postgres", action="store_true", help="two hubs on PostgreSQL (which must be installed); one of them is measured")
    parser.add_argument("--json", type=Path, help="also write all figures to this file")
    parser.add_argument("--keep", action="store_true", help="keep the hubs' folders with their logs and databases")
    return parser.parse_args()


async def _pages(site: Site, crowd: Crowd, client: Client) -> list[Figure]:
    """Raises BenchError."""
    cookie = await asyncio.to_thread(signed_in, site.hub)
    process, middle = Process(site.pid), crowd.people // 2
    kinds: dict[str, Callable[[int], bytes]] = {
        "50 people of the API": lambda at: client.request("GET", f"/users?limit=50&offset={at}", accept=PAGINATED),
        "200 people of the API": lambda at: client.request("GET", f"/users?limit=200&offset={at}", accept=PAGINATED),
        "page of people, administrator": lambda at: client.page(f"/hub/admin?offset={at}", cookie),
        "page of running, administrator": lambda at: client.page(f"/hub/admin?state=ready&offset={at // 10}", cookie),
    }
    figures: list[Figure] = []
    for what, request in kinds.items():
        times, before = list[float](), process.cpu_s() or 0.0
        for number in range(_PAGES):
            began = time.perf_counter()
            answer = await client.one(request((middle + 997 * number) % (crowd.people - 200)))
            times.append((time.perf_counter() - began) * 1e3)
            if answer.status != 200:
                raise BenchError(f"{what}: answered {answer.status}: {answer.body[:300].decode(errors='replace')}")
        figures.append(Figure(f"{what}, median", median(times), "ms", "20"))
        figures.append(Figure(f"{what}, CPU each", ((process.cpu_s() or 0.0) - before) * 1e3 / _PAGES, "ms"))
    return figures


def _reports(client: Client, crowd: Crowd, count: int) -> Iterator[bytes]:
    running = [crowd.name(number) for number in range(crowd.people) if crowd.runs(number)]
    for number in range(count):
        moment = datetime.now(UTC).replace(microsecond=number % 1_000_000).isoformat()
        body = json.dumps({"servers": {"": {"last_activity": moment}}, "last_activity": moment}).encode()
        yield client.request("POST", f"/users/{running[number % len(running)]}/activity", body)


async def _activity(site: Site, crowd: Crowd, client: Client, count: int) -> list[Figure]:
    """Raises BenchError."""
    process, requests = Process(site.pid), list(_reports(client, crowd, count))
    before = process.cpu_s() or 0.0
    load: Load = await client.burst(requests, any_of(200), "report activity")
    cpu_s = (process.cpu_s() or 0.0) - before
    return [
        Figure("activity reports", count / load.elapsed_s, "per s", "2000"),
        Figure("activity reports, one processor", count / cpu_s, "per CPU s"),
        Figure("activity reports, p50", median(load.latencies_s) * 1e3, "ms"),
    ]


async def _run(args: argparse.Namespace) -> list[Figure]:
    """Raises BenchError, OSError."""
    crowd = Crowd(args.people, args.servers)
    async with AsyncExitStack() as stack:
        began = time.perf_counter()
        site = await stack.enter_async_context((replicas if args.postgres else perijove)(args.keep, crowd))
        print(f"filled in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        again = await restart(site, crowd)
        process = Process(site.pid)
        figures = [
            Figure("hub answers after its start", again.health_s, "s", "2"),
            Figure("sign-in page through the proxy after its start", again.page_s, "s", "2"),
            Figure("all servers known as ready after its start", again.known_s, "s", "2"),
            Figure("longest silence of a notebook", again.notebook_silence_s, "s", "none"),
            Figure("longest silence of pages", again.page_silence_s, "s", "1"),
            Figure("CPU until ready", again.cpu_s, "s"),
            Figure("memory when ready", again.rss_mib, "MiB", "300"),
        ]
        client = await stack.enter_async_context(Client(f"{site.hub}/hub/api", site.token, 32))
        figures += await _pages(site, crowd, client)
        figures += await _activity(site, crowd, client, args.activities)
        idle, before = time.perf_counter(), process.cpu_s() or 0.0
        await asyncio.sleep(35)  # two rounds of all periodic work
        figures.append(Figure("processor while nobody asks", ((process.cpu_s() or 0.0) - before) / (time.perf_counter() - idle) * 100, "%"))
        figures.append(Figure("memory at the end", process.rss_mib() or 0.0, "MiB", "300"))
        return figures


def main() -> int:
    args = _arguments()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell began us with it ignored
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # ends what was started, as Ctrl-C does
    try:
        figures = uvloop.run(_run(args))
    except KeyboardInterrupt:
        return 130
    except (BenchError, OSError, TimeoutError) as error:
        print(f"bench: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    print("| measured | figure | aim |\n| --- | --- | --- |")
    for one in figures:
        print(f"| {one.what} | {one.value:,.{2 if one.value < 100 else 0}f} {one.unit} | {one.aim} |")
    print(f"load over the last minutes: {', '.join(f'{value:.1f}' for value in os.getloadavg())}")
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(one) for one in figures], indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
