"""What a cluster offers people, asked at most once a minute for everybody, and a request judged before it is submitted."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from perijove.domain.batch.cluster import Association, Cluster, objections
from perijove.domain.batch.offers import Offers, offers
from perijove.domain.batch.pace import Breaker
from perijove.domain.batch.request import JobRequest
from perijove.domain.errors import SpawnerError
from perijove.ports.batch import Queue, RefusedByQueueError
from perijove.ports.clock import Clock
from perijove.ports.cluster_spawner import Verdict

FRESH_S: Final = 60.0
"""What is free may be so old; within it nobody's visit costs the controller anything."""
ACCOUNTS_FRESH_S: Final = 600.0
ESTIMATE_FRESH_S: Final = 30.0
MOST_ESTIMATES: Final = 30
"""A minute, for everybody: each is a submission that Slurm tries out."""
_MOST_WAITING: Final = 5
"""For an estimate at a time; the others do without."""
_MOST_PEOPLE: Final = 2000
_BUSY: Final = "Many ask the scheduler just now when they would begin; ask again in a minute."


class ClusterFacts:
    """While the scheduler is away, what was known before is offered, and said to be old. Its methods may be called from any task of one event loop."""

    def __init__(self, queue: Queue, clock: Clock, *, fresh_s: float = FRESH_S, accounts_fresh_s: float = ACCOUNTS_FRESH_S) -> None:
        self._queue = queue
        self._clock = clock
        self._fresh_s = fresh_s
        self._accounts_fresh_s = accounts_fresh_s
        self._cluster: tuple[float, Cluster] | None = None
        self._breaker = Breaker(after=1)
        self._problem: SpawnerError | None = None
        self._asking = asyncio.Lock()
        self._accounts: OrderedDict[str, tuple[float, Sequence[Association] | None]] = OrderedDict()
        self._asking_accounts = asyncio.Lock()
        self._estimates: OrderedDict[tuple[str, JobRequest], tuple[float, Verdict]] = OrderedDict()
        self._asking_estimate = asyncio.Lock()
        self._trying = 0

    async def offers(self, person: str) -> Offers:
        """Raises SpawnerError if the scheduler is away and never answered."""
        at, cluster = await self._known()
        associations = await self._associations(person)
        return offers(cluster, associations, age_s=self._clock.monotonic() - at, away=self._problem is not None)

    async def verdict(self, person: str, request: JobRequest) -> Verdict:
        """Whether it can begin, and when. Judged by what is known first, so that what can never begin costs no question. Raises SpawnerError if the
        scheduler cannot be asked."""
        _, cluster = await self._known()
        found = objections(request, cluster, await self._associations(person))
        if found:
            return Verdict({option: " ".join(one.text for one in found if one.option == option) for option in dict.fromkeys(o.option for o in found)})
        key = (person, replace(request, name="estimate", comment="", output=None))
        if self._problem is not None:
            raise self._problem
        if self._trying >= _MOST_WAITING:
            return Verdict({}, None, _BUSY)
        self._trying += 1
        try:
            return await self._tried(person, request, key)
        finally:
            self._trying -= 1

    async def _tried(self, person: str, request: JobRequest, key: tuple[str, JobRequest]) -> Verdict:
        async with self._asking_estimate:  # one after another: people who change a form's fields ask again and again
            now = self._clock.monotonic()
            while self._estimates and next(iter(self._estimates.values()))[0] <= now - 60:
                self._estimates.popitem(last=False)
            known = self._estimates.get(key)
            if known is not None and now - known[0] < ESTIMATE_FRESH_S:
                return known[1]
            if len(self._estimates) >= MOST_ESTIMATES:
                return Verdict({}, None, _BUSY)
            verdict = await self._estimated(person, request)
            self._estimates[key] = (self._clock.monotonic(), verdict)
            self._estimates.move_to_end(key)
            return verdict

    async def _estimated(self, person: str, request: JobRequest) -> Verdict:
        try:
            estimate = await self._queue.estimate(person, request)
        except RefusedByQueueError as error:
            return Verdict({"": str(error)})
        return Verdict({}, estimate.start, estimate.text)

    async def problems(self, person: str, request: JobRequest) -> list[str]:
        """Why it can never begin, by what is known; nobody is asked for the sake of it if the scheduler is away. [] if nothing is known against it."""
        try:
            _, cluster = await self._known()
        except SpawnerError:
            return []  # it will say itself what it thinks of the request
        return [one.text for one in objections(request, cluster, await self._associations(person))]

    async def _known(self) -> tuple[float, Cluster]:
        """The cluster and since when it is known. One asks for all; whoever comes meanwhile has what was known before, if anything was."""
        if self._cluster is not None and (self._asking.locked() or not self._due(self._cluster[0])):
            return self._cluster
        async with self._asking:
            if self._cluster is not None and not self._due(self._cluster[0]):
                return self._cluster
            if not self._breaker.may_ask(self._clock.monotonic()):
                return self._old()
            try:
                cluster = await self._queue.cluster()
            except SpawnerError as error:
                self._breaker, self._problem = self._breaker.failed(self._clock.monotonic()), error
                return self._old()
            self._breaker, self._problem = self._breaker.answered(), None
            self._cluster = (self._clock.monotonic(), cluster)
            return self._cluster

    def _due(self, at: float) -> bool:
        now = self._clock.monotonic()
        return now - at >= self._fresh_s and self._breaker.may_ask(now)

    def _old(self) -> tuple[float, Cluster]:
        if self._cluster is None:
            raise self._problem or SpawnerError("The scheduler has not answered yet.")
        return self._cluster

    async def _associations(self, person: str) -> Sequence[Association] | None:
        """None: there are none, or they cannot be told just now; then accounts are left to the scheduler to judge."""
        known = self._accounts.get(person)
        if known is not None and self._clock.monotonic() - known[0] < self._accounts_fresh_s:
            return known[1]
        async with self._asking_accounts:
            known = self._accounts.get(person)
            if known is not None and self._clock.monotonic() - known[0] < self._accounts_fresh_s:
                return known[1]
            keep_s = 0.0
            try:
                found = await self._queue.associations(person)
            except SpawnerError:
                found = known[1] if known is not None else None
                keep_s = self._fresh_s - self._accounts_fresh_s  # asked again after a minute
            self._accounts[person] = (self._clock.monotonic() + keep_s, found)
            self._accounts.move_to_end(person)
            while len(self._accounts) > _MOST_PEOPLE:
                self._accounts.popitem(last=False)
            return found
