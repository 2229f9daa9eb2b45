"""The store of one process: two lanes of threads, and those who follow its notices."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from time import monotonic
from typing import TypeVar

from perijove.adapters.store_sql.circuit import Circuit
from perijove.adapters.store_sql.followers import Followers
from perijove.adapters.store_sql.lanes import Lane
from perijove.domain.change import Notice, Topic
from perijove.ports.store.errand import ERRAND
from perijove.ports.store.pressure import Condition, Pressure
from perijove.ports.store.store import Tx

T = TypeVar("T")


class SqlStore:
    """Implements ports.store.Store."""

    def __init__(
        self,
        reads: Lane,
        writes: Lane,
        followers: Followers,
        *,
        epoch: str,
        heard: Callable[[], float] | None = None,
        circuit: Circuit | None = None,
    ) -> None:
        """`heard`: when the changes of other replicas were last looked at, on the monotonic clock; None: there are no others."""
        self.reads = reads
        self.writes = writes
        self._followers = followers
        self._epoch = epoch
        self._heard = heard
        self._circuit = circuit

    @property
    def epoch(self) -> str:
        return self._epoch

    @property
    def shared(self) -> bool:
        return self._heard is not None

    @property
    def deaf_s(self) -> float:
        return 0.0 if self._heard is None else monotonic() - self._heard()

    def condition(self) -> Condition:
        """Now."""
        circuit = self._circuit
        lanes = {
            name: Pressure(lane.waiting, {"full": lane.refused_full, "late": lane.refused_late, "away": lane.refused_away})
            for name, lane in (("read", self.reads), ("write", self.writes))
        }
        return Condition(False, 0, lanes) if circuit is None else Condition(circuit.away is not None, circuit.outages, lanes)

    async def read(self, query: Callable[[Tx], T]) -> T:
        return await self.reads.run(query)

    async def write(self, change: Callable[[Tx], T]) -> T:
        return await self.writes.run(change, ERRAND.get())

    def follow(self, topics: Sequence[Topic], after: int | None = None) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Notice]]]:
        return self._followers.follow(topics, after)
