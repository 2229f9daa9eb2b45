"""Measures how soon a route change is live in all workers, and whom a large table keeps waiting: `.venv/bin/python bench/route_changes.py --help`.

A hub of ours in miniature sends changes to `perijove proxy` with several workers and waits for their reports, so the way back is in the figures.
Then it hands out tables of 10,000 routes while small requests come at a steady pace through the proxy, and as many past it, to show how long the machine
itself keeps a request waiting. docs/explanation/performance.md says more.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from feed_hub import FeedHub, feed_hub
from http_client import BenchError
from hubs import clean_environ, free_port, running, scratch

from perijove.wire.feed import Route

_OURS = """
import sys, msgspec
from perijove.proxy import ProxySettings, run
sys.exit(run(msgspec.json.decode(sys.argv[1], type=ProxySettings)))
"""
_PACE_S = 0.002
_BETWEEN_S = 0.05
_CHANGE_MS = {"p50": 2.0, "p99": 10.0}
_STALL_MS = 5.0
_READING = "10,000 routes are read again and again"
_HERE = Path(__file__).parent


def _figures(seconds: list[float]) -> dict[str, float]:
    """In milliseconds."""
    found = sorted(seconds)
    if not found:
        raise BenchError("nothing was measured: the proxy answered no request")
    shares = {"p50": 500, "p99": 990, "p99.9": 999}
    figures = {name: found[min(len(found) - 1, len(found) * share // 1000)] * 1000 for name, share in shares.items()}
    return {"count": float(len(found)), **figures, "max": found[-1] * 1000}


def _told(what: str, figures: dict[str, float]) -> None:
    times = ", ".join(f"{name} {value:.2f} ms" for name, value in figures.items() if name != "count")
    print(f"{what}: {figures['count']:,.0f}, {times}", flush=True)


def _verdict(what: str, found: float, target: float) -> None:
    print(f"  {what}: {found:.2f} ms (target {target:g} ms: {'met' if found <= target else 'MISSED'})", flush=True)


@contextmanager
def _program(name: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """One of our programs beside this one; what it prints first has been read."""
    process = subprocess.Popen([sys.executable, _HERE / name, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    if line := process.stdout.readline():
        return line
    raise BenchError(f"{process.args!r} ended")


def _paced(paced: subprocess.Popen[str]) -> list[float]:
    """How long its requests took since this was last asked."""
    assert paced.stdin is not None
    paced.stdin.write("\n")
    paced.stdin.flush()
    return [float(seconds) for seconds in json.loads(_said(paced))]


def _stalls(port: int, back: int, tables: Callable[[], None], seconds: float) -> dict[str, dict[str, float]]:
    """Small requests through the proxy and past it, while nothing happens, and while whole tables are read."""
    found = {}
    with _program("paced.py", str(port), "/user/u1/x", str(_PACE_S)) as through, _program("paced.py", str(back), "/user/u1/x", str(_PACE_S)) as past:
        _said(through), _said(past)
        works: dict[str, Callable[[], None]] = {"nothing changes": lambda: time.sleep(seconds), _READING: tables}
        for what, work in works.items():
            _paced(through), _paced(past)
            work()
            for whose, paced in (("requests", through), ("requests past the proxy", past)):
                found[f"{whose} while {what}"] = _figures(_paced(paced))
                _told(f"{whose} while {what}", found[f"{whose} while {what}"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--changes", type=int, default=2000, help="(default: %(default)s)")
    parser.add_argument("--tables", type=int, default=10, help="how often the whole table is read (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write all figures to this file")
    arguments = parser.parse_args()
    try:
        found = _measure(arguments)
    except (BenchError, TimeoutError, OSError) as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from None
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1))


def _measure(arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    found = {}
    with scratch(False) as folder, feed_hub() as hub, _program("busy_backend.py") as backend:
        back = int(_said(backend))
        table = [Route(f"/user/u{number}/", f"http://127.0.0.1:{back}") for number in range(10_000)]
        with _following(folder, hub, arguments.workers) as port:
            hub.replace(table, arguments.workers)
            changes = [hub.set(Route(f"/user/new{number}/", f"http://127.0.0.1:{back}"), arguments.workers) for number in range(arguments.changes)]
            found["changes"] = _figures(changes)
            _told(f"changes live in {arguments.workers} workers, their reports included", found["changes"])
            for share, target in _CHANGE_MS.items():
                _verdict(share, found["changes"][share], target)
        with _following(folder, hub, 1) as port:
            hub.replace(table)

            def read_tables() -> None:
                for _ in range(arguments.tables):
                    hub.replace(table)
                    time.sleep(_BETWEEN_S)

            found |= _stalls(port, back, read_tables, arguments.tables * 2 * _BETWEEN_S)
            through, past = (found[f"requests{whose} while {_READING}"]["max"] for whose in ("", " past the proxy"))
            _verdict("longest, of which the machine alone may be to blame for as much as past the proxy", through, _STALL_MS)
            if past > _STALL_MS:
                print(f"  the machine kept a request waiting for {past:.1f} ms without the proxy: run this again when it is less busy")
    return found


@contextmanager
def _following(folder: Path, hub: FeedHub, workers: int) -> Iterator[int]:
    """Our proxy, with the hub's routes."""
    port = free_port()
    settings = {
        "port": port, "hubs": [f"http://127.0.0.1:{hub.port}"], "token": "t", "log_level": "error", "workers": workers,
        "state_file": str(folder / f"routes-{workers}.json"),
    }  # fmt: skip
    with running([sys.executable, "-c", _OURS, msgspec.json.encode(settings).decode()], folder / "log", clean_environ()):
        hub.settled(workers)
        yield port
    hub.forget()


if __name__ == "__main__":
    main()
