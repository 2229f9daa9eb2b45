"""The life of a worker in a process of its own."""

import asyncio
import gc
import os
import signal
from dataclasses import dataclass
from functools import partial
from typing import Final

import uvloop

from perijove.proxy.certificates import Certificates
from perijove.proxy.listening import Listeners
from perijove.proxy.settings import ProxySettings
from perijove.proxy.stats import Board
from perijove.proxy.worker import Worker

SIGNALS: Final = frozenset({signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT})


@dataclass(frozen=True, slots=True)
class Post:
    """What a worker is told when it begins."""

    settings: ProxySettings
    index: int
    row: int
    """Its own on the board."""
    board: Board
    proxy_id: str
    listeners: Listeners
    life: int
    """A descriptor whose end tells that the parent is gone."""
    ready: int
    """A descriptor to write `row` to, as one byte, once requests are served."""
    certificates: Certificates | None = None
    """The parent's, so that TLS sessions begun with one worker can go on with another."""


def work(post: Post) -> int:
    """Serve until SIGTERM, SIGINT or the parent's end; on SIGUSR2 take nothing new and end when all is done. Returns the exit code."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    post.listeners.keep(post.index)
    return uvloop.run(_serve(post))


async def _serve(post: Post) -> int:
    loop = asyncio.get_running_loop()
    stop, retire = asyncio.Event(), asyncio.Event()
    worker = Worker(post.settings, index=post.index, row=post.row, board=post.board, proxy_id=post.proxy_id, certificates=post.certificates)
    worker.reload_certificates()  # they may have changed since the parent read them
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGUSR2, retire.set)
    loop.add_signal_handler(signal.SIGHUP, partial(worker.reload_certificates, anyway=True))
    loop.add_signal_handler(signal.SIGUSR1, worker.reopen_log)
    loop.add_reader(post.life, stop.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    if not await _start(worker, post, stop):
        await worker.aclose()
        return 0
    # Tens of thousands of routes live as long as we do: looking through them for garbage would only stall requests (see RouteBook.replace).
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 1_000, 1_000)
    os.write(post.ready, bytes([post.row]))
    async with asyncio.TaskGroup() as group:
        stopping = group.create_task(stop.wait())
        retiring = group.create_task(_retire(worker, retire))
        failing = group.create_task(worker.failed.wait())
        tasks = (stopping, retiring, failing)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
    loop.remove_reader(post.life)
    if not retiring.done() or retiring.cancelled():
        await worker.drain()
    return 1 if worker.failed.is_set() else 0


async def _start(worker: Worker, post: Post, stop: asyncio.Event) -> bool:
    """False if it is to stop before it could serve, as when there is nobody to tell it the routes."""
    listeners = post.listeners
    serving = worker.start(listeners.public[post.index], listeners.admin[post.index], listeners.plain[post.index])
    starting = asyncio.create_task(serving)  # noqa: TID251 - ended below
    stopping = asyncio.create_task(stop.wait())  # noqa: TID251 - ended below
    await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not starting.done():
        starting.cancel()
        return False
    await starting
    return True


async def _retire(worker: Worker, told: asyncio.Event) -> None:
    await told.wait()
    await worker.drain(retire=True)
