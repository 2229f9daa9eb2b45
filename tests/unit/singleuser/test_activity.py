from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
from perijove_singleuser.activity import ActivityReporter
from perijove_singleuser.hub import HubRefusedError, HubUnavailableError

START = datetime(2026, 1, 1, tzinfo=UTC)


class StoppedError(Exception):
    pass


class World:
    def __init__(self) -> None:
        self.last = START
        self.failures: list[Exception] = []
        self.sent: list[datetime] = []
        self.slept: list[float] = []
        self.naps = 1000

    async def send(self, stamp: datetime) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(stamp)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) >= self.naps:
            raise StoppedError

    def reporter(self) -> ActivityReporter:
        return ActivityReporter(
            lambda: self.last,
            self.send,
            interval_s=300,
            log=logging.getLogger("test"),
            sleep=self.sleep,
            uniform=lambda low, high: high,
        )


async def test_only_news_is_sent() -> None:
    world = World()
    reporter = world.reporter()
    await reporter.report()
    await reporter.report()
    world.last += timedelta(seconds=1)
    await reporter.report()
    assert world.sent == [START, START + timedelta(seconds=1)]


async def test_a_time_without_a_zone_is_utc() -> None:
    world = World()
    world.last = START.replace(tzinfo=None)
    await world.reporter().report()
    assert world.sent == [START]


async def test_the_interval_is_spread() -> None:
    world = World()
    world.naps = 3
    with pytest.raises(StoppedError):
        await world.reporter().run()
    assert world.slept == pytest.approx([330, 330, 330])


async def test_while_no_hub_answers_it_is_tried_with_growing_pauses_for_a_minute() -> None:
    world = World()
    world.failures = [HubUnavailableError("down")] * 20
    reporter = world.reporter()
    await reporter.report()
    assert world.slept == [1, 2, 4, 8, 15, 15, 15]
    assert world.sent == []
    world.failures = []
    await reporter.report()
    assert world.sent == [START]


async def test_a_refusal_is_not_repeated_at_once_and_says_what_to_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.failures = [HubRefusedError(404, "")]
    await world.reporter().report()
    assert world.slept == []
    assert "stop and start the server" in caplog.text
