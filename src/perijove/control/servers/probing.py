"""WAITING, ROUTING and UNKNOWN: does it answer, do the proxies know, and is it there at all?"""

from asyncio import Future
from datetime import datetime

from perijove.control.routing import live_proxies
from perijove.control.servers.effects import add_route, prefix_of
from perijove.control.servers.hold import Hold
from perijove.control.servers.reporting import report_of
from perijove.domain.lifecycle import Event, Transition
from perijove.domain.report import is_preparing
from perijove.domain.server import Server
from perijove.ports.prober import Answer
from perijove.ports.spawner import Exited, Pending, Progress, Running, Status, Unclear
from perijove.ports.store.store import Tx

PAUSES_S = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
"""Between questions to a server that does not answer yet; the last goes on."""
ONE_S = 5.0
"""The most one question takes."""
LAST_S = 0.5
"""Also when the time is nearly over, it has so long to answer."""
PREPARING_S = 20.0
"""While a person's environment is made ready, which may take many minutes, it is looked so often whether that goes on."""
UNCLEAR_S = (1.0, 2.0, 5.0, 10.0)
"""Between questions to a spawner that cannot tell, or to whom a job that waits in a queue belongs."""
ADMINISTRATOR = "If it happens again, an administrator finds more in the hub's log."


async def probe(hold: Hold, server: Server) -> Server:
    """Ask the server until it answers; meanwhile ask the spawner whether it is still there."""
    hub, limit_s = hold.hub, hold.hub.settings.limits.ready_timeout
    path, address = prefix_of(hub, server) + "api", server.address or ""
    deadline = hub.clock.monotonic() + limit_s
    asked: Future[Status] | None = None
    tries, said = 0, Progress("")
    while True:
        async with hold.waiting():
            left_s = max(deadline - hub.clock.monotonic(), LAST_S) if limit_s else ONE_S
            answer = await hub.prober.probe(address, path, min(ONE_S, left_s))
        if answer is not None and answer.status < 500:
            return await _answered(hold, server, address, answer.version)
        if limit_s and hub.clock.monotonic() >= deadline:
            if not is_preparing(await report_of(hub, server), hub.clock.now()):
                return await _too_late(hold, server, answer)
            deadline = hub.clock.monotonic() + min(limit_s, PREPARING_S)
        asked = asked or hold.statuses.ask(server)
        async with hold.waiting():
            await hub.clock.sleep(PAUSES_S[min(tries, len(PAUSES_S) - 1)])
        tries += 1
        if not asked.done():
            continue  # the spawner takes its time; that must not keep the person waiting
        status, asked = asked.result(), None
        if isinstance(status, Exited):
            return await _ended(hold, server, status, "exited")
        if isinstance(status, Running) and status.address is not None:
            address = status.address
        elif isinstance(status, Pending):  # a job that was put back into the queue
            deadline = hub.clock.monotonic() + limit_s
            said = _say_once(hold, server, status.news or Progress(status.message), said)


async def _too_late(hold: Hold, server: Server, answer: Answer | None) -> Server:
    said = f"it answers with status {answer.status}" if answer else "it does not answer"
    limit_s = hold.hub.settings.limits.ready_timeout
    return await hold.broke(server, "ready-timeout", f"The server is up, but {said} after {limit_s:.0f} s.", ADMINISTRATOR)


async def _answered(hold: Hold, server: Server, address: str, version: str | None) -> Server:
    """Open the route; where no proxy follows, nobody has to be waited for, and the server is ready in the same transaction."""
    hub = hold.hub

    def write(tx: Tx) -> tuple[list[Transition], int]:
        now = hub.clock.now()
        opened = hold.moved(tx, server, Event.ANSWERED, now, version=version, address=address)
        if live_proxies(tx, now):
            return [opened], add_route(tx, hub, opened.after, now)
        return [opened, hold.moved(tx, opened.after, Event.ROUTED, now, ready_at=server.ready_at or now, last_activity=_seen(server, now))], 0

    moves, hold.route_revision = await hub.store.write(write)
    return hold.has_moved(moves)


async def route(hold: Hold, server: Server) -> Server:
    """Wait until the proxies know the way."""
    hub = hold.hub
    revision = hold.route_revision or await hub.store.write(lambda tx: add_route(tx, hub, server, hub.clock.now()))
    async with hold.waiting():
        await hold.routes.known_by_all(revision)
    hold.route_revision = 0
    now = hub.clock.now()
    return await hold.move(server, Event.ROUTED, ready_at=server.ready_at or now, last_activity=_seen(server, now))


def _seen(server: Server, now: datetime) -> datetime:
    """Becoming ready counts as activity of this attempt; what a proxy or the server reported since is later."""
    return max(server.last_activity or now, server.ready_at or now)


async def find(hold: Hold, server: Server) -> Server:
    """Nobody watched it for a while: ask the spawner, for as long as it cannot tell."""
    tries, said = 0, Progress("")
    while True:
        async with hold.waiting():
            status = await hold.statuses.ask(server)
        match status:
            case Running(address) if address or server.address:
                return await hold.move(server, Event.FOUND, address=address or server.address)
            case Exited():
                return await _ended(hold, server, status, "died")
            case Pending(message, news):
                said = _say_once(hold, server, news or Progress(message), said)
            case Unclear(message):
                words = f"Nobody knows whether the server runs, for its place cannot be asked: {message}. Trying again."
                said = _say_once(hold, server, Progress(words), said)
        await hold.rest(UNCLEAR_S[min(tries, len(UNCLEAR_S) - 1)])
        tries += 1


async def _ended(hold: Hold, server: Server, status: Exited, code: str) -> Server:
    message = status.message or ("The server ended by itself." if code == "died" else "The server ended before it was ready.")
    report = await report_of(hold.hub, server)
    preparing = report.facts.preparing if report is not None else None
    if preparing is not None and preparing.failed:
        message, hint = f"Your environment could not be made ready. {preparing.text}", "What the programs said is in the server's log."
        return await hold.broke(server, "environment", message, hint, exit_code=status.exit_code, event=Event.DIED)
    return await hold.broke(server, code, message, status.hint or ADMINISTRATOR, exit_code=status.exit_code, event=Event.DIED)


def _say_once(hold: Hold, server: Server, news: Progress, said: Progress) -> Progress:
    """An estimate moves all the time: by itself it is no news."""
    if news.message and (news.message, news.place, news.detail) != (said.message, said.place, said.detail):
        hold.say(server, news)
        return news
    return said
