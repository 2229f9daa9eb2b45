"""What grows with what: people, running servers, and those who wait: `.venv/bin/python bench/scaling.py --help`.

Each sweep measures a hub at three sizes, all else the same, and fits how its costs grow. Then it puts a large site's morning together from the
costs at the largest size. docs/explanation/scaling.md says what the figures mean.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path

import uvloop
from crowd import Crowd
from http_client import BenchError, Client, any_of
from restart import restart
from restart_sites import perijove
from scaling_costs import Costs, streams
from scaling_fit import Sweep, table
from scaling_site import morning

_IDLE_S = 31.0
"""Two rounds of what is done every fifteen seconds."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", default="5000,16000,50000", help="(default: %(default)s)")
    parser.add_argument("--servers", default="500,1600,5000", help="(default: %(default)s)")
    parser.add_argument("--waiting", default="100,320,1000", help="people in the queue, each with a progress stream (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write all figures to this file")
    return parser.parse_args()


async def _running(sweep: Sweep, crowds: Sequence[Crowd]) -> None:
    """A hub with these people and servers, each in turn. Raises BenchError."""
    for crowd in crowds:
        print(f"  {crowd.people:,} people, {crowd.servers:,} servers", file=sys.stderr)
        async with AsyncExitStack() as stack:
            site = await stack.enter_async_context(perijove(False, crowd))
            again = await restart(site, crowd)
            client = await stack.enter_async_context(Client(f"{site.hub}/hub/api", site.token, 32))
            costs = Costs(site, crowd, client)
            sweep.add("start of the hub, CPU s", again.cpu_s)
            sweep.add("memory once ready, MiB", again.rss_mib)
            sweep.add("longest silence of pages in a restart, s", again.page_silence_s)
            sweep.add("page of 50 people, CPU ms", await costs.page_of_people())
            sweep.add("route table for a proxy, CPU ms", await costs.route_table())
            making, checking = await costs.tokens()
            sweep.add("make a token, CPU ms", making)
            sweep.add("first check of a token, CPU ms", checking)
            sweep.add("activity report, CPU ms", await costs.activity())
            sweep.add("proxy's report of all routes, CPU ms", await costs.route_report())
            sweep.add("start and stop of a server, CPU ms", await costs.starts())
            sweep.add("nobody asks, CPU ms a second", await costs.idle(_IDLE_S))
            sweep.add("memory at the end, MiB", costs.process.rss_mib() or 0.0)
            sweep.add("database, MiB", (site.folder / "state/perijove.sqlite").stat().st_size / 2**20)


async def _waiting(sweep: Sweep) -> None:
    """One hub whose servers never come up, so that people wait for places, and watch. Raises BenchError."""
    for number in sweep.sizes:
        print(f"  {number:,} people who wait", file=sys.stderr)
        crowd = Crowd(number + 40, 0)
        limits = 'concurrent_starts = 20\nstart_timeout = "10h"\napi_wait = "10ms"'
        async with AsyncExitStack() as stack:
            site = await stack.enter_async_context(perijove(False, crowd, spawner='start_delay = "9h"', limits=limits))
            client = await stack.enter_async_context(Client(f"{site.hub}/hub/api", site.token, 32))
            costs = Costs(site, crowd, client)
            empty_mib = costs.process.rss_mib() or 0.0
            names = crowd.names
            asked = [client.request("POST", f"/users/{name}/server", b"{}") for name in names]
            sweep.add("ask for a start, CPU ms", await costs.each(asked, "ask", any_of(201, 202)))
            sweep.add("nobody watches, CPU ms a second", await costs.idle(8.0))
            async with streams(site, names[20:]) as came:
                sweep.add("everybody watches, CPU ms a second", await costs.idle(17.0))
                sweep.add("memory above the empty hub, MiB", (costs.process.rss_mib() or 0.0) - empty_mib)
                quiet_ms, before, had = sweep.costs["everybody watches, CPU ms a second"][-1], costs.process.cpu_s() or 0.0, sum(came)
                stops = [client.request("DELETE", f"/users/{name}/server") for name in names[:20]]
                await client.burst(stops, any_of(202, 204), "stop")
                await costs.idle(6.0)
                used_ms = ((costs.process.cpu_s() or 0.0) - before) * 1e3 - 6.0 * quiet_ms
                sweep.add("a place is given to the next while all watch, CPU ms", used_ms / 20)
                sweep.add("news sent to all for 20 places given, KiB", (sum(came) - had) / 1024)


async def _run(args: argparse.Namespace) -> tuple[Sweep, Sweep, Sweep]:
    """By people, by running servers, by people who wait. Raises BenchError, OSError."""
    people, servers, waiting = ([int(word) for word in text.split(",")] for text in (args.people, args.servers, args.waiting))
    by_people = Sweep(f"people, {servers[0]:,} servers", people)
    by_servers = Sweep(f"running servers, {people[1]:,} people", servers)
    by_waiting = Sweep("people in the queue who watch", waiting)
    await _waiting(by_waiting)
    await _running(by_people, [Crowd(number, servers[0]) for number in people])
    await _running(by_servers, [Crowd(people[1], number) for number in servers])
    return by_people, by_servers, by_waiting


def main() -> int:
    args = _arguments()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell began us with it ignored
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # ends what was started, as Ctrl-C does
    try:
        sweeps = uvloop.run(_run(args))
    except KeyboardInterrupt:
        return 130
    except (BenchError, OSError, TimeoutError) as error:
        print(f"bench: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    for sweep in sweeps:
        print(table(sweep) + "\n")
    print(morning(*sweeps))
    print(f"load over the last minutes: {', '.join(f'{value:.1f}' for value in os.getloadavg())}")
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(sweep) for sweep in sweeps], indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
