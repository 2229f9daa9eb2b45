"""Each hub says every few seconds that it lives, so that people can see which do, and hubs can share work (control/living.py)."""

from contextlib import suppress
from datetime import timedelta

import structlog

from perijove import __version__
from perijove.control.context import Hub
from perijove.control.living import REPORT_EVERY_S
from perijove.control.trouble import complain
from perijove.ports.store.shared import ReplicaSeen

_log = structlog.get_logger("perijove.control")
ALIVE = timedelta(seconds=20)
"""A hub that has said nothing for so long is not shown any more."""


async def keep_reporting(hub: Hub, address: str) -> None:
    """Until cancelled; then it says that it ends. `address`: where proxies reach this hub."""
    started, trouble = hub.clock.now(), ""
    try:
        while True:
            seen = ReplicaSeen(
                name=hub.replica, address=address, version=__version__, clock_ahead_s=hub.clock.ahead_s(), started=started, seen_at=hub.clock.now()
            )
            try:
                await hub.store.write(lambda tx: tx.replicas.report(seen))  # noqa: B023 - run before the loop goes on
                if trouble:
                    _log.info("this hub can say again that it lives")
                trouble = ""
            except Exception as error:  # noqa: BLE001 - the next time may go better
                last, trouble = trouble, str(error) or type(error).__name__
                if trouble != last:  # once, for the log may be on the very disk that is full
                    complain("cannot say that this hub lives", error)
            await hub.clock.sleep(REPORT_EVERY_S)
    finally:
        with suppress(Exception):  # then it is forgotten in time
            await hub.store.write(lambda tx: tx.replicas.forget(hub.replica))
