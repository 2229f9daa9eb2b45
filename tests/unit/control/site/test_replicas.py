"""A hub says that it lives."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from perijove.control.living import REPORT_EVERY_S
from perijove.control.site.replicas import keep_reporting
from perijove.ports.store.store import DatabaseUnavailableError
from perijove.testing.clock import FakeClock
from tests.unit.control.house import House


@pytest.fixture
def time() -> FakeClock:
    return FakeClock()


async def test_a_hub_that_cannot_say_so_for_long_complains_once(house: House, time: FakeClock) -> None:
    """The disk is full, say, and the log is on it too."""
    hub = house.hub()

    class Full:
        """The store of a full disk."""

        full, refused = True, 0

        def __getattr__(self, name: str) -> Any:
            return getattr(hub.store, name)

        async def write(self, change: Any) -> Any:
            if self.full:
                self.refused += 1
                raise DatabaseUnavailableError("The disk is full.")
            return await hub.store.write(change)

    store: Any = Full()
    with capture_logs() as said:
        reporting = asyncio.create_task(keep_reporting(replace(hub, store=store), "http://127.0.0.1:8081"))
        await time.turn_until(lambda: store.refused >= 3, step_s=REPORT_EVERY_S)
        store.full = False
        await time.turn_until(lambda: len(said) > 1, step_s=REPORT_EVERY_S, within_s=5.0)
        reporting.cancel()
        await asyncio.wait([reporting])
    assert [(line["log_level"], line["event"]) for line in said] == [
        ("warning", "cannot say that this hub lives"),
        ("info", "this hub can say again that it lives"),
    ]
