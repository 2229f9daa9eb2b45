"""How a start goes, for the person who waits: what was said so far, what is said now, and how it ended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from perijove.control.context import Hub
from perijove.control.servers.queueing import place_of
from perijove.domain.outlook import QueuePlace
from perijove.domain.server import Desired, Phase, Server

PERCENT = {Phase.QUEUED: 0.0, Phase.STARTING: 10.0, Phase.WAITING: 60.0, Phase.ROUTING: 90.0, Phase.READY: 100.0, Phase.UNKNOWN: 50.0}
WORDS = {
    Phase.QUEUED: "Waiting for a place",
    Phase.STARTING: "Starting the server",
    Phase.WAITING: "The server is up; waiting for its first answer",
    Phase.ROUTING: "Opening the way to the server",
    Phase.STOPPING: "Stopping the server",
    Phase.UNKNOWN: "The hub was restarted; looking for the server",
}


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """`percent` 0 to 100, None if it does not change. The last event has `ended`: the row as it came to rest (None: deleted).
    `queue`: while it waits for its turn with us. `place`, `estimate` (ISO 8601, UTC) and `detail` (in its own words): what the spawner's own
    queue says."""

    message: str
    percent: float | None = None
    last: bool = False
    ended: Server | None = None
    queue: QueuePlace | None = None
    place: int | None = None
    estimate: str | None = None
    detail: str = ""
    waits: bool = False
    """It does not run yet."""


def settled(server: Server | None) -> bool:
    """Nothing more will happen to it by itself."""
    if server is None:
        return True
    if server.phase is Phase.READY:
        return server.desired is Desired.RUNNING
    return server.stopped and server.desired is not Desired.ABSENT


async def wait_until_settled(hub: Hub, server: Server, within_s: float) -> Server | None:
    """The row when it is settled, or as it is after `within_s` seconds or when the hub ends; None when it was deleted."""
    if settled(server):
        return server
    present: Server | None = server
    with hub.watch.of(server.id, at_rest=True) as news:
        try:
            async with asyncio.timeout(within_s or None):
                while True:
                    news.clear()
                    present = await hub.store.read(lambda tx: tx.servers.get(server.id))
                    if settled(present) or hub.watch.ended:
                        return present
                    await news.wait()
        except TimeoutError:
            return present


async def said_last(hub: Hub, server: Server) -> ProgressEvent | None:
    """What the spawner said last of the present attempt."""
    notices = await hub.store.read(lambda tx: tx.notices.progress(server.id))
    said = [notice.data for notice in notices if notice.data.get("start_id") == server.start_id]
    return _said(said[-1], 0.0) if said else None


async def progress(hub: Hub, server: Server) -> AsyncIterator[ProgressEvent]:
    """The present attempt from its beginning to its end, however often the hub is restarted meanwhile."""
    seen, percent, phase, attempt, shown = 0, 0.0, None, server.start_id, None
    with hub.watch.of(server.id) as news:
        while True:
            news.clear()
            present, notices = await hub.store.read(lambda tx: (tx.servers.get(server.id), tx.notices.progress(server.id, seen)))  # noqa: B023 - run at once
            if present is not None and present.start_id != attempt:
                percent, phase, attempt = 0.0, None, present.start_id
            if present is not None and present.phase is Phase.STARTING and phase is not Phase.STARTING:  # all that the spawner says comes after it
                phase, percent = Phase.STARTING, max(percent, PERCENT[Phase.STARTING])
                yield ProgressEvent(WORDS[Phase.STARTING], percent)
            for notice in notices:
                seen = notice.revision
                if present is not None and notice.data.get("start_id") == present.start_id:
                    told = notice.data.get("percent")
                    percent = max(percent, _within(told)) if isinstance(told, int | float) else percent
                    yield _said(notice.data, percent)
            if present is None or settled(present):
                yield ProgressEvent(_ending(present), 100.0, last=True, ended=present)
                return
            if present.phase is Phase.QUEUED:
                while not news.is_set():  # the row is not read meanwhile: many wait
                    place = await place_of(hub, server.id)
                    if phase is not Phase.QUEUED or place != shown:
                        phase, shown = Phase.QUEUED, place
                        yield ProgressEvent(_standing(place), percent, queue=place)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(hub.board.keep_s):
                            await news.wait()
                    if place is None:
                        break
                continue
            if present.phase is not phase:
                phase = present.phase
                percent = max(percent, PERCENT.get(present.phase, percent))
                yield ProgressEvent(WORDS.get(present.phase, present.phase.value), percent)
            await news.wait()


def _said(data: Mapping[str, Any], percent: float) -> ProgressEvent:
    """What sayings.py wrote down."""
    return ProgressEvent(
        str(data.get("message", "")),
        percent,
        place=data.get("place"),
        estimate=data.get("estimate"),
        detail=str(data.get("detail", "")),
        waits=data.get("waits") is True,
    )


def _within(percent: float) -> float:
    """A spawner's own scale lies between STARTING and WAITING."""
    low, high = PERCENT[Phase.STARTING], PERCENT[Phase.WAITING]
    return low + (high - low) * min(max(percent, 0.0), 100.0) / 100.0


def _standing(place: QueuePlace | None) -> str:
    """Where in the queue, for how long yet, and what for."""
    return WORDS[Phase.QUEUED] if place is None else f"{WORDS[Phase.QUEUED]}: {place.words}. {place.reason}".strip()


def _ending(server: Server | None) -> str:
    if server is None:
        return "The server was deleted"
    if server.phase is Phase.READY:
        return "The server is ready"
    if server.failure is not None:
        return server.failure.message
    return "The server is stopped"
