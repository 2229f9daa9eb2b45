"""Questions to the spawner, with time limits, so that a plugin can neither hang nor break the hub. Whatever goes wrong, nobody is
taken for dead."""

import asyncio
from collections.abc import Sequence

import structlog

from perijove.control.bounded import bounded
from perijove.control.context import Hub
from perijove.domain.errors import PerijoveError
from perijove.domain.server import Server
from perijove.ports.spawner import Exited, Handle, Status, Unclear

_log = structlog.get_logger("perijove.spawner")
LOG_TAIL_BYTES = 8192
LOG_TAIL_S = 2.5
"""A start that has failed may take so much longer for its log; then the person is told without it."""
AT_ONCE = 500
"""How many servers one question to the spawner is about."""


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


async def ask_spawner(hub: Hub, servers: Sequence[Server]) -> list[Status]:
    """How these servers are: one question for many."""
    began = hub.clock.monotonic()
    try:
        answers = list(await bounded(hub.spawner.poll([handle_of(server) for server in servers]), hub.settings.limits.hook_timeout))
    except Exception as error:  # noqa: BLE001 - a plugin's mistake must not end anybody's server
        _log.warning("spawner cannot tell how servers are", count=len(servers), problem=str(error) or type(error).__name__, exc_info=True)
        return [Unclear(str(error) or type(error).__name__) for _ in servers]
    if len(answers) != len(servers):
        _log.error("spawner answered for other servers than it was asked about", asked=len(servers), answered=len(answers))
        return [Unclear("the spawner answered for other servers") for _ in servers]
    took_s = hub.clock.monotonic() - began
    for answer in answers:
        if not isinstance(answer, Unclear):
            hub.timings.server_polled(took_s, running=not isinstance(answer, Exited))
    return answers


async def log_tail(hub: Hub, server: Server) -> str:
    """The end of the server's log, which the program beside it reports if the spawner has none; "" if it cannot be had."""
    try:
        text = await bounded(hub.spawner.log_tail(handle_of(server), LOG_TAIL_BYTES), min(hub.settings.limits.hook_timeout or LOG_TAIL_S, LOG_TAIL_S))
    except Exception:  # noqa: BLE001 - a log that cannot be read must not hide the failure itself
        _log.warning("log cannot be read", server=server.full_name, exc_info=True)
        text = ""
    if text or not server.start_id:
        return text[-LOG_TAIL_BYTES:]
    try:
        report = await hub.store.read(lambda tx: tx.reports.get(server.id, server.start_id))
    except PerijoveError:  # as above
        return ""
    return report.log_tail if report is not None else ""


class Statuses:
    """Collects what many ask while a question is under way, and asks it all at once then: one `squeue` for everybody."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._waiting: list[tuple[Server, asyncio.Future[Status]]] = []
        self._wanted = asyncio.Event()

    def ask(self, server: Server) -> asyncio.Future[Status]:
        """The answer comes with the next question to the spawner. `run` must be running."""
        answer: asyncio.Future[Status] = asyncio.get_running_loop().create_future()
        self._waiting.append((server, answer))
        self._wanted.set()
        return answer

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wanted.wait()
            batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            if not self._waiting:
                self._wanted.clear()
            asked = [(server, answer) for server, answer in batch if not answer.done()]
            if not asked:
                continue
            for (_, answer), status in zip(asked, await ask_spawner(self._hub, [server for server, _ in asked]), strict=True):
                if not answer.done():
                    answer.set_result(status)
