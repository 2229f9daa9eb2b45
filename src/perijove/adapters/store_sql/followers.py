"""Notices, handed to those in this process who follow them. All of it runs on the event loop."""

from asyncio import Event
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Final

from perijove.domain.change import Notice, Topic

BACKLOG: Final = 20_000
"""A follower this many notices behind starts over, instead of filling the memory."""
_PAGE: Final = 1000

Missed = Callable[[int, Sequence[Topic], int], Awaitable[list[Notice] | None]]
"""Ask the database: (after, topics, limit)."""
Newest = Callable[[], Awaitable[int]]
"""Ask the database for the newest revision: needed where commits are told of later than they are made."""


class _Follower:
    def __init__(self, topics: Sequence[Topic]) -> None:
        self.topics = frozenset(topics)
        self.waiting: deque[Notice] = deque()
        self.overflowed = False
        self.ended = False
        self.woken = Event()

    def tell(self, notices: Sequence[Notice]) -> None:
        wanted = [notice for notice in notices if notice.topic in self.topics]
        if not wanted:
            return
        if len(self.waiting) + len(wanted) > BACKLOG:
            self.overflowed = True
            self.waiting.clear()
        elif not self.overflowed:
            self.waiting.extend(wanted)
        self.woken.set()

    async def next(self) -> list[Notice]:
        """What came since; empty at the end. Raises LookupError if too much came."""
        await self.woken.wait()
        self.woken.clear()
        if self.overflowed:
            raise LookupError("the follower was too slow")
        batch = list(self.waiting)
        self.waiting.clear()
        return batch


class Followers:
    def __init__(self, missed: Missed, last: int, newest: Newest | None = None) -> None:
        self._missed = missed
        self._newest = newest
        self._followers: set[_Follower] = set()
        self.last = last
        """The newest revision told."""

    def tell(self, notices: Sequence[Notice]) -> None:
        """In order of revision; what was told before is left out."""
        fresh = [notice for notice in notices if notice.revision > self.last] if notices[0].revision <= self.last else notices
        if not fresh:
            return
        self.last = fresh[-1].revision
        for follower in tuple(self._followers):
            follower.tell(fresh)

    def reset(self, last: int) -> None:
        """Some notices up to `last` are gone, unread: all start over."""
        self.last = last
        for follower in tuple(self._followers):
            follower.overflowed = True
            follower.woken.set()

    def end(self) -> None:
        for follower in tuple(self._followers):
            follower.ended = True
            follower.woken.set()

    @asynccontextmanager
    async def follow(self, topics: Sequence[Topic], after: int | None) -> AsyncIterator[AsyncIterator[Sequence[Notice]]]:
        follower = _Follower(topics)
        self._followers.add(follower)
        try:
            now = self.last if after is not None or self._newest is None else await self._newest()
            async with aclosing(self._batches(follower, topics, now, after)) as batches:
                yield batches
        finally:
            self._followers.discard(follower)

    async def _batches(self, follower: _Follower, topics: Sequence[Topic], now: int, after: int | None) -> AsyncGenerator[Sequence[Notice], None]:
        position = now if after is None else after
        while after is not None:
            missed = await self._missed(position, topics, _PAGE)
            if missed is None:
                raise LookupError("the notices are not kept any more")
            if missed:
                position = missed[-1].revision
                yield missed
            if len(missed) < _PAGE:
                break
        while not follower.ended:
            batch = [notice for notice in await follower.next() if notice.revision > position]
            if batch:
                position = batch[-1].revision
                yield batch
