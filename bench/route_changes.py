"""Measures how soon a route change is live in all workers, and whom a large table keeps waiting: `.venv/bin/python bench/route_changes.py --help`.

A hub of ours in miniature sends changes to `perijove proxy` with several workers and waits for their reports, so the way back is in the figures.
Then it hands out another table of 10,000 routes while small requests come at a steady pace. docs/explanation/performance.md says more.
"""

import argparse
import asyncio
import sys
import threading
import time
from pathlib import Path

import msgspec
import uvloop
from busy_backend import BusyBackend
from feed_hub import FeedHub, feed_hub
from hubs import clean_environ, free_port, running, scratch

from perijove.wire.feed import Route

_OURS = """
import sys, msgspec
from perijove.proxy import ProxySettings, run
sys.exit(run(msgspec.json.decode(sys.argv[1], type=ProxySettings)))
"""
_PACE_S = 0.002


def _told(what: str, seconds: list[float]) -> None:
    found = sorted(seconds)
    at = [found[min(len(found) - 1, len(found) * share // 1000)] * 1000 for share in (500, 990, 999)]
    print(f"{what}: {len(found):,}, p50 {at[0]:.2f} ms, p99 {at[1]:.2f} ms, p99.9 {at[2]:.2f} ms, max {found[-1] * 1000:.2f} ms", flush=True)


async def _ask(port: int, until: threading.Event) -> list[float]:
    """Small requests at a steady pace on one connection: how long each takes from when it was due."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took: list[float] = []
    due = time.perf_counter()
    while not until.is_set():
        due += _PACE_S
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        began = time.perf_counter()
        writer.write(b"GET /user/u1/x HTTP/1.1\r\nHost: h\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(5)
        took.append(time.perf_counter() - began)
    writer.close()
    return took


def _stalls(port: int, hub: FeedHub, table: list[Route], times: int) -> None:
    """Requests while nothing happens, and while the whole table is read again and again."""
    for what, work in (
        ("requests while nothing changes", lambda: time.sleep(2.0)),
        ("requests while 10,000 routes are read again and again", lambda: [hub.replace(table) for _ in range(times)]),
    ):
        enough = threading.Event()

        def act(work: object = work, enough: threading.Event = enough) -> None:
            work()  # type: ignore[operator]
            enough.set()

        thread = threading.Thread(target=act)
        thread.start()
        _told(what, uvloop.run(_ask(port, enough)))
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--changes", type=int, default=2000, help="(default: %(default)s)")
    parser.add_argument("--tables", type=int, default=10, help="how often the whole table is read (default: %(default)s)")
    arguments = parser.parse_args()
    with scratch(False) as folder, feed_hub() as hub:
        backend = threading.Thread(target=_serve, args=(back := free_port(),), daemon=True)
        backend.start()
        table = [Route(f"/user/u{number}/", f"http://127.0.0.1:{back}") for number in range(10_000)]
        for workers in (arguments.workers, 1):
            port = free_port()
            settings = {
                "port": port, "hubs": [f"http://127.0.0.1:{hub.port}"], "token": "t", "log_level": "error", "workers": workers,
                "state_file": str(Path(folder) / f"routes-{workers}.json"),
            }  # fmt: skip
            with running([sys.executable, "-c", _OURS, msgspec.json.encode(settings).decode()], Path(folder) / "log", clean_environ()):
                hub.settled(workers)
                hub.replace(table, workers)
                if workers == arguments.workers:
                    changes = [hub.set(Route(f"/user/new{number}/", f"http://127.0.0.1:{back}"), workers) for number in range(arguments.changes)]
                    _told(f"changes live in {workers} workers, their reports included", changes)
                else:
                    _stalls(port, hub, table, arguments.tables)
            hub.forget()


def _serve(port: int) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(BusyBackend, "127.0.0.1", port)
        await server.serve_forever()

    uvloop.run(serve())


if __name__ == "__main__":
    main()
