"""The spawner's start of one server, in a task of its own from its first step to its last: so a plugin may hold time limits and groups of tasks
open while it yields, and one that does not end when it is told to keeps nobody."""

import asyncio
from typing import Final

from perijove.control.bounded import let_go
from perijove.ports.spawner import Spawner, StartEvent, StartRequest

_ENDED: Final = None


class StartCall:
    """Ask `next` until it returns None or raises; `close` in any case. The spawner goes on only while it is asked.

    `unheard`, after `close`: what it had still yielded when nobody waited for it any more.
    """

    def __init__(self, spawner: Spawner, request: StartRequest) -> None:
        self._spawner = spawner
        self._request = request
        self._wanted = asyncio.Event()
        self._answer: asyncio.Future[StartEvent | None] | None = None
        self._task: asyncio.Task[None] | None = None
        self.unheard: StartEvent | None = None

    async def next(self) -> StartEvent | None:
        """What it yields next; None when it has ended. Raises what it raises. When this is cancelled, only the waiting ends."""
        if self._answer is None:
            self._answer = asyncio.get_running_loop().create_future()
            self._wanted.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run())  # noqa: TID251 - ended by close
        await asyncio.wait({self._answer})
        answer, self._answer = self._answer, None
        return answer.result()

    async def close(self) -> None:
        """It must have let go before anything else is asked of the spawner; but that is not waited for without end (bounded.py)."""
        if self._task is not None and not self._task.done():
            await let_go(self._task)
        if self._answer is not None and self._answer.done() and not self._answer.cancelled():
            self.unheard = None if self._answer.exception() else self._answer.result()

    async def _run(self) -> None:
        events = None
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                events = self._spawner.start(self._request) if events is None else events
                event = await anext(events, _ENDED)
                self._tell(event)
                if event is _ENDED:
                    return
        except asyncio.CancelledError:
            self._fail(RuntimeError("the spawner's start was cancelled, but not by the hub"))
            raise
        except BaseException as error:  # noqa: BLE001 - it is raised where the start is waited for
            self._fail(error)
        finally:
            close = getattr(events, "aclose", None)  # iterators that are no generators need not have it
            if close is not None:
                await close()

    def _tell(self, event: StartEvent | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(event)

    def _fail(self, error: BaseException) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
