# LEAD NOTE: read src/perijove/control/AAA_READ_ME_FIRST.txt before changing anything here; do not rewrite this file.
"""The reconciler of one replica: finds servers on which something is to do, takes their leases, and has a worker drive each.

It looks when a notice says that somebody asked for something, when a worker is done, and every few seconds in any case: so
nothing is forgotten, whatever notice was missed and whichever replica died.
"""

import asyncio

import structlog

from perijove.control.ask import ASKED, LEASE
from perijove.control.context import Hub
from perijove.control.cull import keep_culling
from perijove.control.effects import move, tell
from perijove.control.housekeeping import keep_house
from perijove.control.polling import keep_polling
from perijove.control.routing import RouteWatch
from perijove.control.work import Worker
from perijove.domain.change import Notice
from perijove.domain.lifecycle import Event, Transition
from perijove.domain.server import Phase, Server, ServerId
from perijove.ports.store.store import Tx

_log = structlog.get_logger("perijove.reconcile")
LOOK_S = 2.0
LOOK_QUEUE_S = 0.5
RENEW_S = 5.0
AT_ONCE = 1000
"""How many servers one replica works on at the same time."""


class Reconciler:
    """One per replica."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._routes = RouteWatch(hub)
        self._workers: dict[ServerId, Worker] = {}
        self._tasks: dict[ServerId, asyncio.Task[None]] = {}
        self._look = asyncio.Event()
        self._queued = False
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Until cancelled. Servers are left as they are: the next replica finds them in the database."""
        await self._recover()
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._hub.watch.listen(self._on_notice)
            group.create_task(self._hub.watch.run(), name="watch")
            group.create_task(self._routes.run(), name="routes")
            group.create_task(self._keep_looking(), name="look")
            group.create_task(self._keep_leases(), name="leases")
            group.create_task(keep_polling(self._hub), name="polling")
            group.create_task(keep_culling(self._hub), name="cull")
            group.create_task(keep_house(self._hub), name="housekeeping")

    async def _recover(self) -> None:
        """Where nobody else can be alive, what others held is ours: what they were waiting for must be found out anew."""
        hub = self._hub
        if hub.store.shared:
            return

        def write(tx: Tx) -> list[Transition]:
            moves = []
            for phase in (Phase.WAITING, Phase.ROUTING):
                last = ServerId(0)
                while batch := tx.servers.in_phase(phase, last, 500):
                    for server in batch:
                        moves.append(move(tx, hub, server, Event.LOST, hub.clock.now(), lease_holder=None, lease_until=None))
                        last = server.id
            tx.servers.release_all_but(hub.replica)
            return moves

        tell(hub, await hub.store.write(write))

    def _on_notice(self, notice: Notice | None) -> None:
        if notice is None:
            self._look.set()
            return
        asked = notice.data.get(ASKED)
        if not asked:
            return
        server_id = ServerId(int(notice.key))
        worker = self._workers.get(server_id)
        if worker is not None:
            worker.interrupt.set()
        elif asked is True or asked == self._hub.replica:
            self._begin(server_id)

    def _begin(self, server_id: ServerId) -> None:
        if self._group is None or server_id in self._workers or len(self._workers) >= AT_ONCE:
            return
        worker = self._workers[server_id] = Worker(self._hub, server_id, self._routes)
        self._tasks[server_id] = self._group.create_task(self._work(server_id, worker), name=f"server {server_id}")

    async def _work(self, server_id: ServerId, worker: Worker) -> None:
        try:
            await worker.run()
        except Exception:  # noqa: BLE001 - one server must not end the others; it is looked at again
            _log.exception("work on a server failed", server_id=server_id)
            await self._hub.clock.sleep(1.0)
        finally:
            del self._workers[server_id], self._tasks[server_id]
            if worker.interrupt.is_set() or self._queued:
                self._look.set()

    async def _keep_looking(self) -> None:
        while True:
            self._look.clear()
            try:
                await self._look_once()
            except Exception:  # noqa: BLE001 - the database may be away for a while
                _log.exception("cannot look for work")
            try:
                async with asyncio.timeout(LOOK_QUEUE_S if self._queued else LOOK_S):
                    await self._look.wait()
            except TimeoutError:
                continue

    async def _look_once(self) -> None:
        hub = self._hub
        now = hub.clock.now()
        due = await hub.store.read(lambda tx: tx.servers.due(hub.replica, now, AT_ONCE))
        self._queued = any(server.phase is Phase.QUEUED for server in due)
        for server in self._in_order(due):
            self._begin(server.id)

    def _in_order(self, due: list[Server]) -> list[Server]:
        """Of the queue only the head: who stands further back is not asked until there is room."""
        head = self._hub.settings.limits.concurrent_starts or AT_ONCE
        queued = [server for server in due if server.phase is Phase.QUEUED][:head]
        return [server for server in due if server.phase is not Phase.QUEUED] + queued

    async def _keep_leases(self) -> None:
        """Renew all leases in one statement; a worker that lost its own is cancelled before it writes anything."""
        hub = self._hub
        while True:
            await hub.clock.sleep(RENEW_S)
            ids = list(self._workers)
            if not ids:
                continue
            until = hub.clock.now() + LEASE
            try:
                held = await hub.store.write(lambda tx: tx.servers.renew(ids, hub.replica, until))  # noqa: B023 - run before the loop goes on
            except Exception:  # noqa: BLE001 - tried again in time; compare-and-swap guards what happens meanwhile
                _log.exception("leases cannot be renewed")
                continue
            for server_id in set(ids) - held:
                worker = self._workers.get(server_id)
                if worker is not None:
                    worker.interrupt.set()  # it looks at the row, and finds that it may not go on


async def run_reconciler(hub: Hub) -> None:
    """Until cancelled."""
    await Reconciler(hub).run()
