"""Ends a hub with running servers and starts it again, behind a proxy that goes on: `.venv/bin/python bench/restart.py --help`.

Seen from the outside only: when does the hub answer again, when do its pages, when does it know all servers, and for how long was anything silent
meanwhile? docs/explanation/performance.md says what the figures mean.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import asdict, dataclass
from math import isnan, nan
from pathlib import Path
from statistics import median

import uvloop
from crowd import Crowd
from http_client import Answer, BenchError, Client, any_of
from listing_cases import PAGINATED
from phases import Process
from restart_sites import Site, jupyterhub, perijove, replaced, replicas
from silence import watching

_SETUPS: dict[str, Callable[[bool, Crowd], AbstractAsyncContextManager[Site]]] = {
    "jupyterhub": jupyterhub,
    "perijove": perijove,
    "replaced": replaced,
    "replicas": replicas,
}
_WITHIN_S = 900.0
_SETTLED_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """Seconds since the new process was started, but for silences (the longest time without a good answer) and what the process used.

    A hub that is replaced has silences only: the old one answers while the new one starts.
    """

    hub: str
    notebook_silence_s: float
    page_silence_s: float
    health_s: float = nan
    page_s: float = nan
    known_s: float = nan
    last_server_s: float = nan
    cpu_s: float = nan
    rss_mib: float = nan


_LINES: dict[str, Callable[[Restart], float]] = {
    "/hub/health, s": lambda one: one.health_s,
    "sign-in page through the proxy, s": lambda one: one.page_s,
    "API knows all servers as ready, s": lambda one: one.known_s,
    "last server through the proxy, s": lambda one: one.last_server_s,
    "CPU of the hub until then, s": lambda one: one.cpu_s,
    "longest silence of a notebook, s": lambda one: one.notebook_silence_s,
    "longest silence of pages, s": lambda one: one.page_silence_s,
    "memory then, MiB": lambda one: one.rss_mib,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, default=1000, help="people, each with a running server (default: %(default)s)")
    parser.add_argument("--set-up", default="jupyterhub,perijove,replaced", help="of jupyterhub,perijove,replaced,replicas (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="restarts of each; medians are shown, and the worst silences (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write every figure to this file")
    parser.add_argument("--keep", action="store_true", help="keep the hubs' folders with their logs and databases")
    return parser.parse_args()


async def restart(site: Site, crowd: Crowd) -> Restart:
    """End the site's hub, start it again, and watch. Raises BenchError."""

    def all_known(answer: Answer) -> bool:
        return answer.status == 200 and json.loads(answer.body)["_pagination"]["total"] == crowd.servers

    good = any_of(200)
    async with AsyncExitStack() as stack:
        notebook = await stack.enter_async_context(watching(site.door, f"/user/{crowd.name(crowd.people - 1)}/api", site.token, good))
        page = await stack.enter_async_context(watching(site.door, "/hub/login", site.token, good))
        for watch in (notebook, page):
            await watch.answered(_WITHIN_S)
        await asyncio.sleep(_SETTLED_S)
        notebook.begin()
        page.begin()
        if site.replacement:
            await asyncio.to_thread(site.replace)
            await asyncio.sleep(_SETTLED_S)
            return Restart(hub=site.name, notebook_silence_s=notebook.longest_s, page_silence_s=page.longest_s)
        await asyncio.to_thread(site.end)
        began = time.perf_counter()
        site.start()
        health = await stack.enter_async_context(watching(site.hub, "/hub/health", site.token, good))
        client = await stack.enter_async_context(Client(f"{site.hub}/hub/api", site.token, 1))
        known = client.request("GET", "/users?state=ready&limit=1", accept=PAGINATED)
        health_s = await health.answered(_WITHIN_S) - began
        page_s = await page.answered(_WITHIN_S) - began
        while not all_known(await client.one(known)):
            if time.perf_counter() - began > _WITHIN_S:
                raise BenchError(f"{site.name}: not all servers are ready again after {_WITHIN_S:.0f} s. Look at the hub's log (--keep).")
            await asyncio.sleep(0.02)
        known_s = time.perf_counter() - began
        last_s = await notebook.answered(_WITHIN_S) - began
        process = Process(site.pid)
        cpu_s, rss_mib = process.cpu_s() or 0.0, process.rss_mib() or 0.0
        await asyncio.sleep(_SETTLED_S)  # what follows the start belongs to it
        return Restart(
            hub=site.name,
            health_s=health_s,
            page_s=page_s,
            known_s=known_s,
            last_server_s=last_s,
            notebook_silence_s=notebook.longest_s,
            page_silence_s=page.longest_s,
            cpu_s=cpu_s,
            rss_mib=rss_mib,
        )


async def _run(args: argparse.Namespace) -> list[Restart]:
    """Raises BenchError, OSError."""
    names = [name for name in args.set_up.split(",") if name]
    if unknown := set(names) - set(_SETUPS):
        raise BenchError(f"--set-up knows {', '.join(_SETUPS)}, not {', '.join(sorted(unknown))}.")
    crowd, restarts = Crowd(args.servers, args.servers), list[Restart]()
    async with AsyncExitStack() as stack:
        sites = [await stack.enter_async_context(_SETUPS[name](args.keep, crowd)) for name in names]
        for number in range(args.rounds):
            for site in sites:
                restarts.append(await restart(site, crowd))
                last = restarts[-1]
                print(f"  {number + 1}: {site.name}: pages silent for {last.page_silence_s:.2f} s", file=sys.stderr)
    return restarts


def _table(restarts: list[Restart]) -> str:
    hubs = list(dict.fromkeys(one.hub for one in restarts))
    lines = ["| restart | " + " | ".join(hubs) + " |", "| --- |" + " --- |" * len(hubs)]
    for line, figure in _LINES.items():
        pick = max if "silence" in line else median
        values = [pick([figure(one) for one in restarts if one.hub == hub]) for hub in hubs]
        cells = ("-" if isnan(value) else f"{value:.{0 if 'MiB' in line else 3}f}" for value in values)
        lines.append(f"| {line} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> int:
    args = _arguments()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell began us with it ignored
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # ends what was started, as Ctrl-C does
    try:
        restarts = uvloop.run(_run(args))
    except KeyboardInterrupt:
        return 130
    except (BenchError, OSError, TimeoutError) as error:
        print(f"bench: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    print(_table(restarts))
    print(f"{args.servers} servers; load over the last minutes: {', '.join(f'{value:.1f}' for value in os.getloadavg())}")
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(one) for one in restarts], indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
