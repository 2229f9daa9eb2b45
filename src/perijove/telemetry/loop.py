"""How promptly the event loop gets round to what is due: the first sign of a hub with too much to do."""

import asyncio

from perijove.telemetry.metrics import Metrics

LOOP_TURN_S = 0.05


async def watch_loop(metrics: Metrics) -> None:
    """Until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        await asyncio.sleep(LOOP_TURN_S)
        metrics.loop_interval.observe(loop.time() - began)
