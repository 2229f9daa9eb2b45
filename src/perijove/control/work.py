# LEAD NOTE: read src/perijove/control/AAA_READ_ME_FIRST.txt before changing anything here; do not rewrite this file.
"""Drive one server: run the activity of its phase, report the outcome as an event, and so on until nothing is to do.

Every move is compare-and-swap on the row's revision. A wish that arrives meanwhile changes the row, so the worker's own move
fails with StaleError and it looks again; and it is woken at once (`interrupt`), so that nobody waits for a hanging start.
"""

import asyncio
from contextlib import aclosing
from datetime import datetime
from typing import Any

import structlog

from perijove.control.ask import LEASE, admission, admitted
from perijove.control.context import Hub
from perijove.control.effects import move, prefix_of, tell, token_of
from perijove.control.routing import RouteWatch, live_proxies
from perijove.domain.change import Topic
from perijove.domain.environment import server_environment
from perijove.domain.errors import PerijoveError, SpawnerError, StaleError
from perijove.domain.lifecycle import ACTIVITY, Activity, Event, Transition
from perijove.domain.server import Desired, Failure, JsonObject, Phase, Server, ServerId
from perijove.domain.wish import end_of_stop
from perijove.ports.spawner import Address, Checkpoint, Exited, Handle, Progress, Running, StartRequest, Status, Unclear
from perijove.ports.store.store import Tx

_log = structlog.get_logger("perijove.work")
LOG_TAIL_BYTES = 8192
PROBE_S = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
"""Pauses between questions to a server that does not answer yet; the last goes on."""
PROBE_ONE_S = 5.0
UNCLEAR_S = (1.0, 2.0, 5.0, 10.0)
STOP_AGAIN_S = (1.0, 2.0, 5.0, 15.0, 60.0)
ADMINISTRATOR = "If it happens again, an administrator finds more in the hub's log."


def handle_of(server: Server) -> Handle:
    """The spawner's name for the present attempt."""
    return Handle(
        server_id=server.id,
        user_name=server.user_name,
        server_name=server.name,
        start_id=server.start_id,
        state=server.spawner_state,
        address=server.address,
    )


class Worker:
    """Works on one server, under this replica's lease."""

    def __init__(self, hub: Hub, server_id: ServerId, routes: RouteWatch) -> None:
        self._hub = hub
        self._id = server_id
        self._routes = routes
        self._limits = hub.settings.limits
        self.interrupt = asyncio.Event()

    async def run(self) -> None:
        """Until nothing is to do, or the lease is lost."""
        server = await self._claim()
        while server is not None:
            activity = ACTIVITY.get(server.phase)
            if activity is None:
                if server.desired is Desired.ABSENT and server.stopped:
                    await self._delete(server)
                    return
                if server.lease_holder is not None:
                    await self._hub.store.write(lambda tx: tx.servers.release(self._id, self._hub.replica))
                return
            server = await self._interruptible(activity, server)

    async def _interruptible(self, activity: Activity, server: Server) -> Server | None:
        """Run one activity; when interrupted, or overtaken by a wish, look at the row again."""
        if self.interrupt.is_set():
            self.interrupt.clear()
            return await self._again()
        async with asyncio.TaskGroup() as group:
            doing = group.create_task(self._do(activity, server), name=f"{activity.value} {server.full_name}")
            waking = group.create_task(self.interrupt.wait(), name=f"wishes for {server.full_name}")
            await asyncio.wait({doing, waking}, return_when=asyncio.FIRST_COMPLETED)
            waking.cancel()
            if not doing.done():
                doing.cancel()
        if doing.cancelled():
            self.interrupt.clear()
            return await self._again()
        return doing.result()

    async def _do(self, activity: Activity, server: Server) -> Server | None:
        try:
            match activity:
                case Activity.ADMISSION:
                    return await self._admission(server)
                case Activity.START:
                    return await self._start(server)
                case Activity.PROBE:
                    return await self._probe(server)
                case Activity.ROUTE:
                    return await self._route(server)
                case Activity.POLL:
                    return await self._poll(server)
                case Activity.STOP:
                    return await self._stop(server)
        except StaleError:
            return await self._again()

    async def _claim(self) -> Server | None:
        """Take the lease; what was under way under somebody else's must be found out."""
        hub, moves = self._hub, list[Transition]()

        def write(tx: Tx) -> Server | None:
            moves.clear()
            now = hub.clock.now()
            before = tx.servers.get(self._id)
            server = tx.servers.claim(self._id, hub.replica, now, now + LEASE)
            if before is None or server is None:
                return None
            lost = before.lease_holder not in {None, hub.replica}
            if lost and server.phase in {Phase.WAITING, Phase.ROUTING}:
                moves.append(self._moved(tx, server, Event.LOST, now))
                return moves[0].after
            return server

        server = await hub.store.write(write)
        tell(hub, moves)
        return server

    async def _again(self) -> Server | None:
        """The row as it is now; None if it is not ours any more."""
        server = await self._hub.store.read(lambda tx: tx.servers.get(self._id))
        if server is None:
            return None
        return server if server.lease_holder == self._hub.replica else await self._claim()

    def _moved(self, tx: Tx, server: Server, event: Event, now: datetime, **changes: Any) -> Transition:
        """A move under our lease. Raises StaleError if the lease is gone: whoever has it now decides."""
        present = tx.servers.get(server.id)
        if present is None or present.revision != server.revision or present.lease_holder != self._hub.replica:
            raise StaleError(f"{server.full_name} was changed meanwhile.")
        return move(tx, self._hub, server, event, now, **({"lease_holder": self._hub.replica, "lease_until": now + LEASE} | changes))

    async def _move(self, server: Server, event: Event, **changes: Any) -> Server:
        hub = self._hub
        transition = await hub.store.write(lambda tx: self._moved(tx, server, event, hub.clock.now(), **changes))
        tell(hub, [transition])
        return transition.after

    async def _say(self, server: Server, message: str, percent: float | None = None) -> None:
        now = self._hub.clock.now()
        data = {"message": message, "percent": percent, "start_id": server.start_id}
        await self._hub.store.write(lambda tx: tx.notices.add(Topic.PROGRESS, str(server.id), data, at=now))

    async def _admission(self, server: Server) -> Server | None:
        hub = self._hub

        def write(tx: Tx) -> Transition | None:
            present = tx.servers.get(server.id)
            if present is None or present.revision != server.revision:
                raise StaleError("changed meanwhile")
            if not admission(tx, hub, server, fresh=False).admitted:
                tx.servers.release(server.id, hub.replica)
                return None
            return admitted(tx, hub, server, hub.clock.now())

        transition = await hub.store.write(write)
        if transition is None:
            return None
        tell(hub, [transition])
        return transition.after

    async def _start(self, server: Server) -> Server | None:
        hub = self._hub
        groups = await hub.store.read(lambda tx: frozenset(user.groups) if (user := tx.users.by_id(server.user_id)) else frozenset[str]())
        request = StartRequest(
            handle=handle_of(server),
            prefix=prefix_of(hub, server),
            env=server_environment(server, token_of(hub, server), hub.addresses),
            options=server.options,
            groups=groups,
        )
        limit_s = self._left(server.started_at, self._limits.start_timeout)
        try:
            async with asyncio.timeout(limit_s), aclosing(hub.spawner.start(request)) as events:  # type: ignore[type-var]  # spawners write generators
                async for event in events:
                    match event:
                        case Checkpoint(state):
                            server = await self._move(server, Event.CHECKPOINT, spawner_state=dict(state))
                        case Progress(message, percent):
                            await self._say(server, message, percent)
                        case Address(url, state):
                            return await self._up(server, url, state)
        except TimeoutError:
            return await self._broke(
                server, "start-timeout", f"The server did not start within {self._limits.start_timeout:.0f} s.", "Try again; " + ADMINISTRATOR
            )
        except SpawnerError as error:
            return await self._broke(server, "spawner", error.message, error.hint)
        except PerijoveError as error:
            if isinstance(error, StaleError):
                raise
            return await self._broke(server, error.code, error.message, error.hint)
        except Exception:  # noqa: BLE001 - a plugin's bug must not take the hub with it
            _log.exception("spawner failed", server=server.full_name)
            return await self._broke(server, "spawner-error", "The spawner failed unexpectedly.", ADMINISTRATOR)
        return await self._broke(server, "spawner-error", "The spawner ended without saying where the server is.", ADMINISTRATOR)

    def _left(self, since: datetime | None, limit_s: float) -> float | None:
        """What is left of a time limit that began before a restart, perhaps; at least a moment to pick up what exists."""
        if not limit_s:
            return None
        spent = (self._hub.clock.now() - since).total_seconds() if since is not None else 0.0
        return max(limit_s - spent, min(10.0, limit_s))

    async def _up(self, server: Server, url: str, state: JsonObject | None) -> Server:
        return await self._move(server, Event.UP, address=url, spawner_state=server.spawner_state if state is None else dict(state))

    async def _broke(
        self, server: Server, code: str, message: str, hint: str = "", exit_code: int | None = None, event: Event = Event.BROKE
    ) -> Server:
        tail = await self.log_tail(server)
        failure = Failure(code=code, message=message, hint=hint, exit_code=exit_code, log_tail=tail)
        return await self._move(server, event, failure=failure)

    async def log_tail(self, server: Server) -> str:
        """The end of the server's log; "" if it cannot be had."""
        try:
            async with asyncio.timeout(self._limits.hook_timeout or None):
                text = await self._hub.spawner.log_tail(handle_of(server), LOG_TAIL_BYTES)
        except Exception:  # noqa: BLE001 - a log that cannot be read must not hide the failure itself
            _log.warning("log cannot be read", server=server.full_name, exc_info=True)
            return ""
        return text[-LOG_TAIL_BYTES:]

    async def _probe(self, server: Server) -> Server | None:
        hub, path, address = self._hub, prefix_of(self._hub, server) + "api", server.address or ""
        deadline = hub.clock.monotonic() + self._limits.ready_timeout if self._limits.ready_timeout else None
        tries = 0
        while True:
            answer = await hub.prober.probe(address, path, PROBE_ONE_S)
            if answer is not None and answer.status < 500:
                return await self._answered(server, answer.version)
            status = await self.status(server)
            if isinstance(status, Exited):
                return await self._ended(server, status, "exited")
            if isinstance(status, Running) and status.address is not None:
                address = status.address
            if deadline is not None and hub.clock.monotonic() > deadline:
                said = f"it answers {answer.status}" if answer else "it does not answer"
                return await self._broke(
                    server, "ready-timeout", f"The server is up, but {said} after {self._limits.ready_timeout:.0f} s.", ADMINISTRATOR
                )
            await hub.clock.sleep(PROBE_S[min(tries, len(PROBE_S) - 1)])
            tries += 1

    async def _answered(self, server: Server, version: str | None) -> Server:
        """Open the route; where no proxy follows, nobody has to be waited for, and the server is ready in the same transaction."""
        hub = self._hub

        def write(tx: Tx) -> list[Transition]:
            now = hub.clock.now()
            moves = [self._moved(tx, server, Event.ANSWERED, now, version=version)]
            if not live_proxies(tx, now):
                moves.append(self._ready(tx, moves[0].after, now))
            return moves

        moves = await hub.store.write(write)
        tell(hub, moves)
        return moves[-1].after

    def _ready(self, tx: Tx, server: Server, now: datetime) -> Transition:
        return self._moved(tx, server, Event.ROUTED, now, ready_at=server.ready_at or now, lease_holder=None, lease_until=None)

    async def _route(self, server: Server) -> Server:
        await self._routes.known_by_all()
        hub = self._hub
        transition = await hub.store.write(lambda tx: self._ready(tx, server, hub.clock.now()))
        tell(hub, [transition])
        return transition.after

    async def status(self, server: Server) -> Status:
        """What the spawner says; a question it fails to answer leaves things unclear."""
        return (await ask_spawner(self._hub, [server]))[0]

    async def _poll(self, server: Server) -> Server:
        tries = 0
        while True:
            status = await self.status(server)
            match status:
                case Running(address):
                    return await self._move(server, Event.FOUND, address=address or server.address)
                case Exited():
                    return await self._ended(server, status, "died")
            await self._hub.clock.sleep(UNCLEAR_S[min(tries, len(UNCLEAR_S) - 1)])
            tries += 1

    async def _ended(self, server: Server, status: Exited, code: str) -> Server:
        message = status.message or ("The server ended by itself." if code == "died" else "The server ended before it was ready.")
        return await self._broke(server, code, message, ADMINISTRATOR, status.exit_code, Event.DIED)

    async def _stop(self, server: Server) -> Server:
        hub, tries = self._hub, 0
        while True:
            problem = ""
            try:
                async with asyncio.timeout(self._limits.stop_timeout or None):
                    await hub.spawner.stop(handle_of(server), self._limits.stop_grace)
                break
            except TimeoutError:
                problem = f"it did not stop within {self._limits.stop_timeout:.0f} s"
            except SpawnerError as error:
                problem = str(error)
            except Exception:  # noqa: BLE001 - as in _start
                _log.exception("spawner failed to stop", server=server.full_name)
                problem = "the spawner failed"
            _log.warning("server cannot be stopped; trying again", server=server.full_name, problem=problem)
            await self._say(server, f"The server cannot be stopped yet: {problem}. Trying again.")
            await hub.clock.sleep(STOP_AGAIN_S[min(tries, len(STOP_AGAIN_S) - 1)])
            tries += 1
        event, desired = end_of_stop(server)
        return await self._move(server, event, desired=desired, address=None, spawner_state=None)

    async def _delete(self, server: Server) -> None:
        hub = self._hub
        try:
            async with asyncio.timeout(self._limits.hook_timeout or None):
                await hub.spawner.forget(server.user_name, server.name)
        except Exception:  # noqa: BLE001 - what is left behind is a matter for the log, the person wants it gone
            _log.exception("spawner failed to forget", server=server.full_name)

        def write(tx: Tx) -> None:
            present = tx.servers.get(server.id)
            if present is not None and present.desired is Desired.ABSENT and present.stopped:
                tx.servers.delete(server.id)

        await hub.store.write(write)


async def ask_spawner(hub: Hub, servers: list[Server]) -> list[Status]:
    """One question for many servers. Whatever goes wrong, nobody is taken for dead."""
    try:
        async with asyncio.timeout(hub.settings.limits.hook_timeout or None):
            answers = list(await hub.spawner.poll([handle_of(server) for server in servers]))
    except Exception as error:  # noqa: BLE001 - as above
        _log.warning("spawner cannot tell how servers are", count=len(servers), exc_info=True)
        return [Unclear(str(error)) for _ in servers]
    return answers if len(answers) == len(servers) else [Unclear("the spawner answered for other servers") for _ in servers]
