"""The question every server asks before it serves: is there a hub?"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from .contract import Contract
from .hub import HubClient, HubUnavailableError

_LONGEST_WAIT_S = 16.0


async def find_hub(
    contract: Contract,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    say: Callable[[str], object] = lambda text: sys.stderr.write(text + "\n"),
) -> str | None:
    """The hub's announced version, or None if it announces none.

    Asks again after 1, 2, 4, 8, 16, 16 … seconds while the start-up time lasts; then raises
    HubUnavailableError.
    """
    hub = HubClient(contract)
    waited_s, wait_s = 0.0, 1.0
    try:
        while True:
            try:
                return await hub.version()
            except HubUnavailableError as error:  # noqa: PERF203 - it waits between attempts
                if waited_s >= contract.start_timeout_s:
                    raise
                pause_s = min(wait_s, contract.start_timeout_s - waited_s)
                say(f"No hub at {contract.api_url} yet ({error}); asking again in {pause_s:g} s.")
                await sleep(pause_s)
                waited_s += pause_s
                wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
    finally:
        hub.close()
