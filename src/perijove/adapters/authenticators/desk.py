"""Threads that check passwords, and a queue before them that does not grow without end.

One check costs a processor for some tenths of a second, by intent; so whoever can send many could occupy the hub for hours to come, and
everybody who signs in meanwhile would wait behind that.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from secrets import randbelow
from typing import Final, TypeVar

from perijove.domain.errors import AuthenticatorUnavailableError

T = TypeVar("T")
MOST_WAITING: Final = 200
"""Behind those that are checked just now."""
LONGEST_WAIT_S: Final = 20.0
"""Until a check begins; a person does not wait much longer before a blank page."""


class SignInBusyError(AuthenticatorUnavailableError):
    """Too many sign in at the same moment; the attempt does not count."""

    code = "sign-in-busy"


class Desk:
    def __init__(self, threads: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._free = asyncio.Semaphore(threads)
        self.waiting = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, threads: int, name: str) -> AsyncIterator["Desk"]:
        desk = cls(threads, name)
        try:
            yield desk
        finally:
            desk._pool.shutdown(wait=False, cancel_futures=True)

    async def check(self, work: Callable[[], T]) -> T:
        """Run it in a thread. Raises what it raises; SignInBusyError before it was begun."""
        if self._free.locked() and self.waiting >= MOST_WAITING:
            raise _busy()
        self.waiting += 1
        try:
            async with asyncio.timeout(LONGEST_WAIT_S):
                await self._free.acquire()
        except TimeoutError:
            raise _busy() from None
        finally:
            self.waiting -= 1
        work_done = asyncio.get_running_loop().run_in_executor(self._pool, work)
        work_done.add_done_callback(lambda _: self._free.release())
        return await work_done


def _busy() -> SignInBusyError:
    return SignInBusyError("Too many people sign in at this moment.", "Try again in a few seconds.", retry_after_s=3 + randbelow(7))
