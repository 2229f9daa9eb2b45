"""The reconciler of one replica: finds servers on which something is to do, takes their leases, and drives each.

It looks when a notice says that somebody asked for something, when a place in the queue may be free, and every few seconds in
any case: so nothing is forgotten, whatever notice was missed and whichever replica died.
"""

import asyncio
import contextlib
from datetime import datetime

from perijove.control.context import Hub
from perijove.control.routing import RouteWatch
from perijove.control.servers.admission import admit_waiting
from perijove.control.servers.cull import keep_culling
from perijove.control.servers.drive import drive
from perijove.control.servers.hold import Hold
from perijove.control.servers.lease import ASKED, LEASE, PHASE, RENEW_S
from perijove.control.servers.polling import keep_polling
from perijove.control.servers.recover import recover
from perijove.control.servers.sayings import Sayings
from perijove.control.servers.spawner_calls import Statuses
from perijove.control.trouble import complain
from perijove.domain.change import Notice
from perijove.domain.server import Phase, ServerId

LOOK_S = 2.0
AT_ONCE = 10_000
"""How many servers one replica works on at the same time; most of them wait for a batch queue. What more there is waits here."""
QUEUE_PAUSE_S = 0.02
"""Between two looks at the queue: many who come to rest in a moment are one reason to look."""
QUEUE_SHARE = 5
"""A long queue is looked at for a fifth of the time at most, but every LOOK_S."""
CRASHED_S = 1.0


class Reconciler:
    """One per replica."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._routes = RouteWatch(hub)
        self._statuses = Statuses(hub)
        self._sayings = Sayings(hub)
        self._holds: dict[ServerId, Hold] = {}
        self._look = asyncio.Event()
        self._look_at_own = True
        self._places = asyncio.Event()
        self._queue = True
        self._group: asyncio.TaskGroup | None = None

    async def run(self, started: asyncio.Event | None = None) -> None:
        """Until cancelled. Servers are left as they are: whoever comes next finds them in the database."""
        hub = self._hub
        began = hub.clock.monotonic()
        await recover(hub)
        hub.timings.servers_found(hub.clock.monotonic() - began)
        try:
            with hub.watch.listening(self._on_notice):
                async with asyncio.TaskGroup() as self._group:
                    for work in (
                        hub.watch.run(),
                        self._routes.run(),
                        self._statuses.run(),
                        self._sayings.run(),
                        self._keep_time(),
                        self._keep_looking(),
                        self._keep_admitting(),
                        self._keep_leases(),
                        keep_polling(hub),
                        keep_culling(hub),
                    ):
                        self._group.create_task(work)
                    await hub.watch.standing.wait()
                    if started is not None:
                        started.set()
        finally:
            self._group = None
            with contextlib.suppress(Exception):  # then they expire
                await hub.store.write(lambda tx: tx.servers.release_all(hub.replica))

    def _on_notice(self, notice: Notice | None) -> None:
        if notice is None:  # some may have been missed
            self._look_again(own=True)
            return
        if self._queue:
            self._places.set()
        asked = notice.data.get(ASKED)
        if not asked:
            return
        phase = notice.data.get(PHASE)
        if phase == Phase.QUEUED.value:
            self._queue = True
            self._places.set()
        server_id = ServerId(int(notice.key))
        hold = self._holds.get(server_id)
        if hold is not None:
            hold.tell(phase)
        elif asked is True or asked == self._hub.replica:
            self._begin(server_id)

    def _look_again(self, *, own: bool) -> None:
        self._look_at_own = self._look_at_own or own
        self._queue = True
        self._places.set()
        self._look.set()

    def _begin(self, server_id: ServerId) -> None:
        if self._group is None or server_id in self._holds:
            return
        if len(self._holds) >= AT_ONCE:
            self._look_at_own = True
            return
        hold = self._holds[server_id] = Hold(self._hub, server_id, routes=self._routes, statuses=self._statuses, sayings=self._sayings)
        self._group.create_task(self._work(hold), name=f"server {server_id}")

    async def _work(self, hold: Hold) -> None:
        own = False
        try:
            await drive(hold)
            own = hold.lost
        except Exception as error:  # noqa: BLE001 - one server must not end the others; it is looked at again
            complain("work on a server failed; it is tried again", error, server_id=hold.id)
            own = True
            await self._hub.clock.sleep(CRASHED_S)
        finally:
            full = len(self._holds) >= AT_ONCE
            del self._holds[hold.id]
        if hold.overtaken and not own:
            self._begin(hold.id)
        elif own or full:
            self._look_again(own=own)

    async def _keep_time(self) -> None:
        while True:
            await self._hub.clock.sleep(LOOK_S)
            self._look.set()
            self._places.set()

    async def _keep_looking(self) -> None:
        while True:
            await self._look.wait()
            self._look.clear()
            hub, own = self._hub, self._look_at_own
            self._look_at_own = False
            try:
                now = hub.clock.now()
                holder = hub.replica if own else ""
                due = await hub.store.read(lambda tx: tx.servers.due(holder, now, AT_ONCE))  # noqa: B023 - run before the loop goes on
            except Exception as error:  # noqa: BLE001 - the database may be away for a while
                complain("cannot look for work", error)
                self._look_at_own = self._look_at_own or own
                continue
            for server in due:
                self._begin(server.id)

    async def _keep_admitting(self) -> None:
        """While somebody waits, see after each change whether there is a place."""
        hub = self._hub
        while True:
            await self._places.wait()
            self._places.clear()
            began = hub.clock.monotonic()
            try:
                self._queue = await hub.store.read(lambda tx: bool(tx.queue.waiting(1)))
                while self._queue:
                    admitted, more = await admit_waiting(hub)
                    for server in admitted:
                        self._begin(server.id)
                    if not more:
                        break
            except Exception as error:  # noqa: BLE001 - as above
                complain("cannot look after the queue", error)
            took_s = hub.clock.monotonic() - began
            await hub.clock.sleep(min(max(QUEUE_PAUSE_S, (QUEUE_SHARE - 1) * took_s), LOOK_S))

    async def _keep_leases(self) -> None:
        """Renew all leases in one statement. A server whose lease is gone, or could not be renewed in time, is let go of at once."""
        hub = self._hub
        while True:
            await hub.clock.sleep(RENEW_S)
            holds = {hold.id: hold for hold in self._holds.values() if hold.held_until is not None}
            if not holds:
                continue
            now, moment = hub.clock.now(), hub.clock.monotonic()
            try:
                async with asyncio.timeout(RENEW_S):
                    held = await self._renew(list(holds), now + LEASE)
            except Exception as error:  # noqa: BLE001 - tried again, as long as the leases last
                complain("leases cannot be renewed", error, servers=len(holds))
                held = set()
                gone = [hold for hold in holds.values() if hub.store.shared and not _lasts(hold, hub.clock.monotonic() + RENEW_S)]
            else:
                gone = [hold for hold in holds.values() if hold.id not in held and hold.held_until is not None]
            for server_id in held:
                hold = holds[server_id]
                hold.held_until = moment + LEASE.total_seconds() if hold.held_until is not None else None
            for hold in gone:
                hold.lose()

    async def _renew(self, ids: list[ServerId], until: datetime) -> set[ServerId]:
        """All in one statement, but for those that are just being changed: each of them is waited for by itself."""
        hub = self._hub
        held = await hub.store.write(lambda tx: tx.servers.renew(ids, hub.replica, until))
        for busy in ids:
            if busy not in held:
                held |= await hub.store.write(lambda tx: tx.servers.renew([busy], hub.replica, until, wait=True))  # noqa: B023 - run at once
        return held


def _lasts(hold: Hold, moment: float) -> bool:
    return hold.held_until is None or hold.held_until > moment


async def run_reconciler(hub: Hub, *, started: asyncio.Event | None = None) -> None:
    """All that one replica does by itself: drives servers, looks after running ones, culls, keeps house. Until cancelled; then
    servers run on, and their leases are given back."""
    await Reconciler(hub).run(started)
