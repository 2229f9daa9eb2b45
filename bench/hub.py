"""Drives hubs through the JupyterHub REST API and compares their rates: `.venv/bin/python bench/hub.py --help`.

Without --hub it sets up JupyterHub and Perijove, each with a spawner that starts nothing and without a proxy, so that the hubs alone are
measured, in one run on one machine. With --postgres Perijove is measured on PostgreSQL as well, of which all processes are
counted in. docs/explanation/performance.md says what the figures mean.
"""

import argparse
import json
import os
import platform
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median

import uvloop
from http_client import BenchError, Client, any_of
from hubs import Hub, jupyterhub, perijove, scratch
from phases import Drive, Figure, Process, Sizes
from postgres import postgres

_SETUPS = ("jupyterhub", "perijove", "postgres")
_NAME_WIDTH = 30


@dataclass(frozen=True, slots=True)
class Result:
    """One hub in one round."""

    hub: str
    figures: list[Figure]
    rss_mib: float | None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=500, help="people, each with one server (default: %(default)s)")
    parser.add_argument("--connections", type=int, default=32, help="requests under way at a time (default: %(default)s)")
    parser.add_argument("--tokens-per-user", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--checks", type=int, default=4000, help="token checks (default: %(default)s)")
    parser.add_argument("--activities", type=int, default=2000, help="activity reports (default: %(default)s)")
    parser.add_argument("--walks", type=int, default=5, help="times that all users are listed (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=1, help="rounds, in turns, each with new hubs; medians are shown (default: %(default)s)")
    parser.add_argument(
        "--hub", action="append", default=[], metavar="NAME=URL,TOKEN", help="a running hub; URL of its API, as http://host:port/hub/api"
    )
    parser.add_argument("--set-up", default=None, help=f"which to set up, of {','.join(_SETUPS)} (default: the first two, or none with --hub)")
    parser.add_argument("--postgres", action="store_true", help="also set up Perijove on PostgreSQL, which must be installed")
    parser.add_argument("--replicas", type=int, default=1, help="hubs on PostgreSQL, which share the requests (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write all figures to this file ('-': standard output, and no table)")
    parser.add_argument("--keep", action="store_true", help="keep the hubs' folders with their logs and databases")
    return parser.parse_args()


@asynccontextmanager
async def _running(hub: Hub) -> AsyncIterator[Hub]:
    yield hub


@asynccontextmanager
async def _on_postgres(keep: bool, replicas: int) -> AsyncIterator[Hub]:
    """Raises BenchError."""
    with scratch(keep) as folder:
        async with postgres(folder / "postgres") as database, perijove(keep, store=database.url, replicas=replicas, database_pid=database.pid) as hub:
            yield hub


def _sources(args: argparse.Namespace) -> list[Callable[[], AbstractAsyncContextManager[Hub]]]:
    """Raises BenchError."""
    wanted = args.set_up if args.set_up is not None else ("" if args.hub else "jupyterhub,perijove")
    names = [name for name in wanted.split(",") if name] + ["postgres"] * args.postgres
    if unknown := set(names) - set(_SETUPS):
        raise BenchError(f"--set-up knows {', '.join(_SETUPS)}, not {', '.join(sorted(unknown))}.")
    setups: dict[str, Callable[[], AbstractAsyncContextManager[Hub]]] = {
        "jupyterhub": partial(jupyterhub, args.keep),
        "perijove": partial(perijove, args.keep),
        "postgres": partial(_on_postgres, args.keep, args.replicas),
    }
    sources = [setups[name] for name in names]
    for text in args.hub:
        name, equals, rest = text.partition("=")
        url, comma, token = rest.rpartition(",")
        if not (equals and comma and name and url.startswith("http://") and token):
            raise BenchError(f"--hub is NAME=URL,TOKEN with a URL that begins with http://, not {text!r}.")
        hub = Hub(name, url.rstrip("/"), token)
        sources.append(partial(_running, hub))
    return sources


async def _measure(hub: Hub, sizes: Sizes, connections: int) -> Result:
    """Raises BenchError, ConnectionError, TimeoutError."""
    process = Process(hub.pid, [pid for _, pid in hub.others], hub.database_pid)
    async with Client(hub.url, hub.token, connections, [url for url, _ in hub.others]) as client:
        answer = await client.one(client.request("GET", "/info"))
        if not any_of(200)(answer):
            raise BenchError(f"{hub.name}: GET /info was answered {answer.status}. Is the token one of a service with the scope read:hub?")
        drive = Drive(client, process, sizes, f"b{secrets.token_hex(3)}")
        await drive.all(lambda figure: print(f"  {hub.name}: {figure.operation}: {figure.rate:.0f}/s", file=sys.stderr))
        return Result(hub.name, drive.figures, process.rss_mib())


async def _rounds(args: argparse.Namespace) -> list[Result]:
    """Raises BenchError, ConnectionError, TimeoutError."""
    sizes = Sizes(args.users, args.tokens_per_user, args.checks, args.activities, args.walks)
    sources, results = _sources(args), list[Result]()
    for number in range(args.rounds):
        print(f"Round {number + 1} of {args.rounds}", file=sys.stderr)
        for source in sources if number % 2 == 0 else reversed(sources):
            async with source() as hub:
                results.append(await _measure(hub, sizes, args.connections))
    return results


def _medians(results: list[Result]) -> dict[str, list[Figure]]:
    """Each hub's figures, by hub: the medians over the rounds."""
    hubs: dict[str, list[Figure]] = {}
    for name in dict.fromkeys(result.hub for result in sorted(results, key=lambda result: not result.hub.startswith("jupyterhub"))):
        rounds = [result.figures for result in results if result.hub == name]
        hubs[name] = [_median(list(figures)) for figures in zip(*rounds, strict=True)]
    return hubs


def _median(figures: list[Figure]) -> Figure:
    cpu = [figure.cpu_ms for figure in figures if figure.cpu_ms is not None]
    return Figure(
        operation=figures[0].operation,
        count=figures[0].count,
        rate=median(figure.rate for figure in figures),
        p50_ms=median(figure.p50_ms for figure in figures),
        p99_ms=median(figure.p99_ms for figure in figures),
        cpu_ms=median(cpu) if cpu else None,
    )


def _table(results: list[Result]) -> str:
    """One line an operation; ratios to the first hub, which is JupyterHub if it took part."""
    hubs = _medians(results)
    first, *others = hubs
    lines = ["".ljust(_NAME_WIDTH) + "".join(f"| {name:^40}" for name in hubs) + "".join(f"| {'times ' + first:^23} " for _ in others)]
    lines.append(
        "".ljust(_NAME_WIDTH)
        + f"| {'per s':>9} {'p50 ms':>9} {'p99 ms':>9} {'CPU ms':>9}  " * len(hubs)
        + f"| {'per s':>11} {'per CPU s':>11} " * len(others)
    )
    for number, operation in enumerate(figure.operation for figure in hubs[first]):
        line = operation.ljust(_NAME_WIDTH)
        for figures in hubs.values():
            figure = figures[number]
            cpu = "-" if figure.cpu_ms is None else f"{figure.cpu_ms:.2f}"
            line += f"| {figure.rate:>9.0f} {figure.p50_ms:>9.1f} {figure.p99_ms:>9.1f} {cpu:>9}  "
        for name in others:
            ours, theirs = hubs[name][number], hubs[first][number]
            cpu = f"{theirs.cpu_ms / ours.cpu_ms:.1f}x" if ours.cpu_ms and theirs.cpu_ms else "-"
            line += f"| {ours.rate / theirs.rate:>10.1f}x {cpu:>11} "
        lines.append(line)
    for name in hubs:
        sizes = [result.rss_mib for result in results if result.hub == name and result.rss_mib is not None]
        if sizes:
            lines.append(f"Memory of {name} at the end: {median(sizes):.0f} MiB")
    return "\n".join(lines)


def main() -> int:
    args = _arguments()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell began us with it ignored
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # ends what was started, as Ctrl-C does
    try:
        results = uvloop.run(_rounds(args))
    except KeyboardInterrupt:
        return 130
    except (BenchError, ConnectionError, TimeoutError) as error:
        print(f"bench: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    if str(args.json) != "-":
        print(_table(results))
    if args.json is not None:
        settings = {
            key: value for key, value in vars(args).items() if key in {"users", "connections", "tokens_per_user", "checks", "activities", "walks"}
        }
        machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
        text = json.dumps({"settings": settings, "machine": machine, "results": [asdict(result) for result in results]}, indent=1)
        if str(args.json) == "-":
            print(text)
        else:
            args.json.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
