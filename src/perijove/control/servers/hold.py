"""A replica's hold of one server: the lease, the moves under it, and how to be called off.

Every move is compare-and-swap on the row's revision, and whoever takes a lease over from another makes a new revision. So a
replica that lost its lease without noticing cannot write: its moves raise StaleError. What it does outside the database ends as
soon as it hears of it, or when it could not renew its lease in time (reconcile.py).

Only waiting for the outside (spawner, prober, clock) is ever broken off, never a transaction: so each committed move is told.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from perijove.control.context import Hub
from perijove.control.routing import RouteWatch
from perijove.control.servers.effects import move, tell
from perijove.control.servers.lease import LEASE, has_work, own_lease
from perijove.control.servers.sayings import Sayings
from perijove.control.servers.spawner_calls import Statuses, log_tail
from perijove.domain.lifecycle import Event, Transition, can, step
from perijove.domain.server import Failure, JsonObject, Phase, Server, ServerId
from perijove.ports.store.store import Tx


class CalledOff(Exception):  # noqa: N818 - not an error: look at the row again
    """A wish overtook what was being done, or the lease is lost."""


class OutOfTime(Exception):  # noqa: N818 - likewise: the caller knows what it means
    """The deadline has passed."""


class Hold:
    """Of one server, by this replica. `news` is set whenever somebody wishes something."""

    def __init__(self, hub: Hub, server_id: ServerId, *, routes: RouteWatch, statuses: Statuses, sayings: Sayings) -> None:
        self.hub = hub
        self.id = server_id
        self.routes = routes
        self.statuses = statuses
        self.say = sayings.say
        self.news = asyncio.Event()
        self.overtaken = False
        self.lost = False
        self.held_until: float | None = None
        """On the monotonic clock; None while no lease is held."""
        self.route_revision = 0
        """By which the proxies know the route of the present address; 0 if not known here."""
        self._phase: Phase | None = None
        self._scope: asyncio.Timeout | None = None

    def tell(self, phase: str | None) -> None:
        """Somebody wished something, and the server is in `phase` now. Calls off what is done for another phase."""
        self.news.set()
        if self._phase is None or phase != self._phase.value:
            self.overtaken = True
            self._call_off()

    def lose(self) -> None:
        """The lease is gone, or will be before it can be renewed."""
        self.lost = True
        self._call_off()

    @asynccontextmanager
    async def waiting(self, deadline: float | None = None) -> AsyncIterator[None]:
        """Wait for the outside in here. Raises CalledOff, OutOfTime (`deadline` is on the event loop's clock)."""
        self._go_on()
        try:
            async with asyncio.timeout_at(deadline) as self._scope:
                yield
        except TimeoutError:
            expired = self._scope is not None and self._scope.expired()
            if expired:
                self._go_on()
                raise OutOfTime from None
            raise
        finally:
            self._scope = None

    async def rest(self, seconds: float) -> None:
        """Wait so long, or until there is news."""
        async with self.waiting(), asyncio.TaskGroup() as group:
            waits = {group.create_task(self.hub.clock.sleep(seconds)), group.create_task(self.news.wait())}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        self.news.clear()

    async def look(self) -> Server | None:
        """The row as it is now, under our lease; None if nothing is to do, or not by us."""
        if self.lost:
            return None
        self.overtaken = False
        self.news.clear()
        hub = self.hub
        now = hub.clock.now()
        server = await hub.store.read(lambda tx: tx.servers.get(self.id))
        if server is None or not has_work(server):
            return None
        if server.lease_holder != hub.replica or server.lease_until is None or server.lease_until <= now:
            return await self._claim()
        return self._has(server, server.lease_until)

    async def _claim(self) -> Server | None:
        """Take the lease. What was under way under somebody else's must be found out."""
        hub, moves = self.hub, list[Transition]()

        def write(tx: Tx) -> Server | None:
            moves.clear()
            now = hub.clock.now()
            before = tx.servers.get(self.id)
            server = tx.servers.claim(self.id, hub.replica, now, now + LEASE)
            if before is None or server is None or not has_work(server):
                return None
            if before.lease_holder not in {None, hub.replica} and can(server.phase, Event.LOST):
                moves.append(move(tx, hub, server, Event.LOST, now, **own_lease(hub, now)))
                return moves[0].after
            return server

        server = await hub.store.write(write)
        tell(hub, moves)
        return None if server is None else self._has(server, server.lease_until)

    async def move(self, server: Server, event: Event, **changes: Any) -> Server:
        """One move in a transaction of its own. Raises StaleError, CalledOff."""
        self._keep()
        hub = self.hub
        transition = await hub.store.write(lambda tx: self.moved(tx, server, event, hub.clock.now(), **changes))
        return self.has_moved([transition])

    def moved(self, tx: Tx, server: Server, event: Event, now: datetime, **changes: Any) -> Transition:
        """One move in the caller's transaction; tell `has_moved` after the commit. The lease is kept as long as there is work."""
        phase, _ = step(server.phase, event)
        lease: Mapping[str, Any] = {"lease_holder": None, "lease_until": None} if phase in {Phase.READY, Phase.QUEUED} else own_lease(self.hub, now)
        return move(tx, self.hub, server, event, now, **(dict(lease) | changes))

    def has_moved(self, transitions: list[Transition]) -> Server:
        """After the commit: the last row."""
        tell(self.hub, transitions)
        server = transitions[-1].after
        return self._has(server, server.lease_until if server.lease_holder == self.hub.replica else None)

    async def keep_state(self, server: Server, state: JsonObject) -> None:
        """A wish to stop overtook a checkpoint: write it down all the same, so that what exists is found and stopped."""
        hub = self.hub

        def write(tx: Tx) -> list[Transition]:
            present = tx.servers.get(server.id)
            if present is None or (present.phase, present.start_id, present.lease_holder) != (Phase.STOPPING, server.start_id, hub.replica):
                return []
            return [self.moved(tx, present, Event.CHECKPOINT, hub.clock.now(), spawner_state=dict(state))]

        tell(hub, await hub.store.write(write))

    async def broke(
        self, server: Server, code: str, message: str, hint: str = "", *, exit_code: int | None = None, event: Event = Event.BROKE
    ) -> Server:
        """The attempt has failed: keep why, and clean up."""
        async with self.waiting():
            tail = await log_tail(self.hub, server)
        return await self.move(server, event, failure=Failure(code=code, message=message, hint=hint, exit_code=exit_code, log_tail=tail))

    async def release(self) -> None:
        """Give the lease back."""
        if self.held_until is not None:
            self.held_until = None
            await self.hub.store.write(lambda tx: tx.servers.release(self.id, self.hub.replica))

    def _has(self, server: Server, until: datetime | None) -> Server:
        self._phase = server.phase
        clock = self.hub.clock
        self.held_until = None if until is None else clock.monotonic() + (until - clock.now()).total_seconds()
        return server

    def _keep(self) -> None:
        if self.lost:
            raise CalledOff

    def _go_on(self) -> None:
        if self.lost or self.overtaken:
            raise CalledOff

    def _call_off(self) -> None:
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(asyncio.get_running_loop().time())
