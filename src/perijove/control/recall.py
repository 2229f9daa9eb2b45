"""A bounded memory of answers from the database, dropped by notices of change and by nothing else but age.

An answer that was being looked up when a notice about it arrived is not kept but looked up again: the notice wins.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar

from perijove.domain.change import Notice, Topic

V = TypeVar("V")
Tag = tuple[Topic, str]
ALL = "*"


@dataclass(frozen=True, slots=True)
class Answer(Generic[V]):
    """`tags` are the topics and keys of the notices that make it void, `until` the moment at which it ends by itself."""

    value: V
    tags: frozenset[Tag]
    until: datetime


class _Lookup:
    __slots__ = ("everything", "missed")

    def __init__(self) -> None:
        self.missed: set[Tag] = set()
        self.everything = False


class _Again:
    """Whoever asked was cancelled; somebody else should ask."""


_AGAIN: Final = _Again()


class Recall(Generic[V]):
    """Keeps nothing until `begin`, which is to be called when notices begin to arrive, and after each gap in them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._answers: OrderedDict[bytes, Answer[V]] = OrderedDict()
        self._tagged: dict[Tag, set[bytes]] = {}
        self._lookups: set[_Lookup] = set()
        self._asking: dict[bytes, asyncio.Future[V | _Again | None]] = {}
        self._live = False

    def __len__(self) -> int:
        return len(self._answers)

    def begin(self) -> None:
        self.clear()
        self._live = True

    def end(self) -> None:
        """Notices do not arrive any more."""
        self._live = False
        self.clear()

    def get(self, key: bytes, now: datetime) -> V | None:
        """The hot path: one look-up and a comparison."""
        answer = self._answers.get(key)
        if answer is None or answer.until <= now:
            return None
        self._answers.move_to_end(key)
        return answer.value

    async def look_up(self, key: bytes, query: Callable[[], Awaitable[Answer[V] | None]]) -> V | None:
        """Ask, and keep the answer. `query` is asked again as long as notices about its answer come in meanwhile. Many who want the same at once
        share one question, and its error."""
        early = self._asking.get(key)
        while (asking := self._asking.get(key)) is not None:
            value = await asyncio.shield(asking)
            # "There is none" from a question that was asked before we came may be about the moment before it was made.
            if not isinstance(value, _Again) and (value is not None or asking is not early):
                return value
        asking = self._asking[key] = asyncio.get_running_loop().create_future()
        try:
            value = await self._ask(key, query)
        except asyncio.CancelledError:
            asking.set_result(_AGAIN)
            raise
        except BaseException as error:
            asking.set_exception(error)
            asking.exception()  # perhaps nobody else wants to know
            raise
        finally:
            del self._asking[key]
        asking.set_result(value)
        return value

    async def _ask(self, key: bytes, query: Callable[[], Awaitable[Answer[V] | None]]) -> V | None:
        while True:
            lookup = _Lookup()
            self._lookups.add(lookup)
            try:
                answer = await query()
            finally:
                self._lookups.discard(lookup)
            if answer is None:
                self._forget(key)
                return None
            if lookup.everything or not lookup.missed.isdisjoint(answer.tags):
                continue
            if self._live:
                self._keep(key, answer)
            return answer.value

    def apply(self, notices: Iterable[Notice]) -> None:
        """Drop what these notices make void."""
        for notice in notices:
            if notice.key == ALL:
                self.clear()
            else:
                self.drop((notice.topic, notice.key))

    def drop(self, tag: Tag) -> None:
        for lookup in self._lookups:
            lookup.missed.add(tag)
        for key in tuple(self._tagged.get(tag, ())):
            self._forget(key)

    def clear(self) -> None:
        for lookup in self._lookups:
            lookup.everything = True
        self._answers.clear()
        self._tagged.clear()

    def _keep(self, key: bytes, answer: Answer[V]) -> None:
        self._forget(key)
        self._answers[key] = answer
        for tag in answer.tags:
            self._tagged.setdefault(tag, set()).add(key)
        while len(self._answers) > self._size:
            self._forget(next(iter(self._answers)))

    def _forget(self, key: bytes) -> None:
        answer = self._answers.pop(key, None)
        if answer is None:
            return
        for tag in answer.tags:
            keys = self._tagged.get(tag)
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del self._tagged[tag]
