"""Notice when whoever sent a request that changes something has gone: then it is not done any more (ports/store/errand.py)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import Receive

from perijove.ports.store.errand import ERRAND, Errand
from perijove.web.call import Call
from perijove.web.origin import SAFE_METHODS


@asynccontextmanager
async def errand_of(call: Call) -> AsyncIterator[None]:
    """While in here, changes are made on behalf of whoever sent the request. Reads the body first. Raises BadInputError."""
    if call.request.method in SAFE_METHODS:
        yield
        return
    await call.body()
    errand = Errand(call.surface.waking.until_listening)
    ERRAND.set(errand)  # in the context of this request's task alone
    watching = asyncio.create_task(_watch(call.request.receive, errand), name="errand")  # noqa: TID251 - cancelled below
    try:
        yield
    finally:
        watching.cancel()


async def _watch(receive: Receive, errand: Errand) -> None:
    message = await receive()
    errand.abandoned = message["type"] == "http.disconnect"
